"""How long each hop of a rehearsal's messages took, by the clocks of all three parties. Figures
only; showing them is the report's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from messaging.domain.instructions import InstructionKind
from messaging.rehearsal.hops import Passage, Way
from messaging.rehearsal.outside_books import Exchange, subject_of
from messaging.rehearsal.percentiles import Spread, spread
from messaging.rehearsal.players import Declaration

_INSTRUCTIONS = frozenset(InstructionKind)
_ANSWERS = frozenset({"ACCEPT", "REJECT", "TEXT"})

REDECLARED = (
    ("received to stored", "host"),
    ("stored to sent to SO", "host"),
    ("sent to SO's answer", "host"),
    ("answer to RESULT on link", "host"),
    ("declared to acknowledged", "link"),
    ("declared to RESULT", "link"),
)
INSTRUCTED = (
    ("received to stored", "host"),
    ("stored to sent on link", "host"),
    ("sent to verdict received", "host"),
    ("verdict to SO's answer", "host"),
    ("sent to host's answer", "SO"),
    ("sent to verdict received", "SO"),
)
"""Each hop's name and by whose clock it was measured: the host's, the control point's end of the
link, or the operator's.
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Messages that are measured together."""

    passages: Sequence[Passage]
    declared: Sequence[Declaration]
    instructed: Sequence[Exchange]
    responses: Sequence[Exchange]


def redeclared(measured: Measured) -> Iterator[Spread]:
    """In the order of REDECLARED; only of those that were taken."""
    taken = [one for one in measured.declared if one.answer is not None and one.answer.is_ack]
    yield from _of_host(measured.passages, _is_taken_redeclaration)
    yield spread(one.acknowledged_after for one in taken)
    yield spread(one.settled_after for one in taken)


def instructed(measured: Measured) -> Iterator[Spread]:
    """In the order of INSTRUCTED."""
    yield from _of_host(measured.passages, lambda one: one.kind in _INSTRUCTIONS)
    yield spread((one.answered_at - one.sent_at) / 1000 for one in measured.instructed)
    yield spread(_settled_after(measured.instructed, measured.responses))


def _of_host(passages: Iterable[Passage], wanted: Callable[[Passage], bool]) -> Iterator[Spread]:
    hops = [one.hops for one in passages if wanted(one)]
    yield spread(one.stored for one in hops)
    yield spread(one.sent for one in hops)
    yield spread(one.answered for one in hops)
    yield spread(one.told for one in hops)


def _is_taken_redeclaration(passage: Passage) -> bool:
    return passage.way is Way.UP and passage.kind not in _ANSWERS and passage.hops.sent is not None


def _settled_after(sent: Iterable[Exchange], responses: Iterable[Exchange]) -> Iterator[float]:
    came = {subject_of(one.payload): one.sent_at for one in responses}
    for one in sent:
        settled = came.get(subject_of(one.payload))
        if settled is not None:
            yield (settled - one.sent_at) / 1000
