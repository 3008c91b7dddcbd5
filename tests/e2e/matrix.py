"""The table of what is exercised end to end: the messages of both APIs, in both directions, under
every seal, by outcome. What is not played stands in it with the reason.

`python -m tests.e2e.matrix` writes docs/exercised.md anew. How a row is played is scenes'.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "exercised.md"


class Seal(StrEnum):
    JWS_JSON = "jws-json"
    JWS_COMPACT = "jws-compact"
    JWS_DETACHED = "jws-detached"
    CONTENT_HASH = "content-hash"


class Api(StrEnum):
    WA = "Wider Access"
    SMP = "Single Markets Platform"


class Way(StrEnum):
    """Who asks; the other one answers."""

    UP = "host to operator"
    DOWN = "operator to host"


class Message(StrEnum):
    HEALTH = "Health"
    NORMALIZATION = "Normalization"
    REDECLARATION = "Redeclaration: levels, rates, value"
    RESPONSE = "Instruction response: BOA, ANCILLARY, EMERGENCY"
    SUBMISSION = "Submission"
    HEALTH_DOWN = "Health, asked by the operator"
    INSTRUCTION = "Instruction: BOA, ANCILLARY, EMERGENCY"
    REDECLARATION_RECEIPT = "Redeclaration, final receipt"
    SUBMISSION_RECEIPT = "Submission, final receipt"
    AUTHENTICATE = "Authenticate"
    ASSET = "Manage Asset: Create"
    UNIT = "Manage Unit: Create"
    STATUS = "Get Transaction Status"
    RESULT = "Batch return"


class Outcome(StrEnum):
    AT_ONCE = "taken and answered at once"
    LATER = "received, accepted later"
    REJECTED_LATER = "received, rejected later"
    REFUSED = "refused, 422"
    OUT = "out, sealed 503 R999"
    BARE_503 = "out, bare 503"
    HTTP_500 = "500"
    NOT_TAKEN = "no answer, not taken"
    UNANSWERED = "taken, no answer"
    BROKEN_OFF = "taken, answer broken off"
    BAD_SIGNATURE = "signature does not hold"
    STRANGER = "signed by a stranger"
    OTHER_MESSAGE = "answers another message"
    STALE = "signed 15 minutes off"
    REPEAT = "repeated"
    OTHER_BYTES = "other bytes under its id, 409"


UP = (
    Message.HEALTH,
    Message.NORMALIZATION,
    Message.REDECLARATION,
    Message.RESPONSE,
    Message.SUBMISSION,
)
PLATFORM = (Message.AUTHENTICATE, Message.ASSET, Message.UNIT, Message.STATUS, Message.RESULT)
DOWN = (
    Message.HEALTH_DOWN,
    Message.INSTRUCTION,
    Message.REDECLARATION_RECEIPT,
    Message.SUBMISSION_RECEIPT,
    Message.RESULT,
)
UNSEALED = (Message.AUTHENTICATE,)
PARTS: tuple[tuple[Message, ...], ...] = (
    (Message.HEALTH, Message.HEALTH_DOWN, Message.STATUS),
    (Message.NORMALIZATION, Message.UNIT),
    (Message.REDECLARATION, Message.REDECLARATION_RECEIPT, Message.ASSET),
    (Message.RESPONSE, Message.INSTRUCTION, Message.RESULT),
    (Message.SUBMISSION, Message.SUBMISSION_RECEIPT, Message.AUTHENTICATE),
)
"""What is played by a tenant of its own for each seal. The parts are played side by side, and in
each the two APIs; of one API one row after the other.
"""

_ENDS = "ends at its first answer"
_OWN_ID = "the host never gives one messageId to two payloads"
_NO_RECEIPT = "is answered by a payload of its own and by no receipt"
_AT_ONCE = "is answered at once, with what became of it"
_ASKS = "the operator, who asks, is the one that judges the answer"
_NEVER_500 = "the host has no such answer: what it cannot do, it answers 503"
_SAME = (
    "to the host it is the same as an answer broken off, which is played: it cannot tell how much"
    " of its answer was read"
)
_FREE = "is asked anew under an id of its own, so nothing of it is repeated"
_HAS_NO_SEAL = "has no seal, which is what this would be about"
_OUT_UNSEALED = "has no seal; the bare 503 is played"
_BY_401 = (
    "is refused by 401, until a login is set anew: `tests/smp/test_trouble.py` plays it, once for"
    " all seals"
)

_ANSWERED = (Outcome.LATER, Outcome.REJECTED_LATER)
_JUDGED = (Outcome.BAD_SIGNATURE, Outcome.STRANGER, Outcome.OTHER_MESSAGE, Outcome.STALE)


def _reasons() -> Iterator[tuple[Message, Outcome, str]]:
    for message in (*UP, *PLATFORM[:-1]):
        yield message, Outcome.OTHER_BYTES, _OWN_ID
    for message in (Message.HEALTH, Message.NORMALIZATION, Message.AUTHENTICATE, Message.STATUS):
        for outcome in _ANSWERED:
            yield message, outcome, _NO_RECEIPT
        yield message, Outcome.REPEAT, _FREE
    for outcome in _ANSWERED:
        yield Message.RESPONSE, outcome, _ENDS
    for message in DOWN:
        for outcome in _ANSWERED:
            yield message, outcome, _AT_ONCE
        yield message, Outcome.HTTP_500, _NEVER_500
        yield message, Outcome.UNANSWERED, _SAME
        yield message, Outcome.OTHER_MESSAGE, _ASKS
    for outcome in _JUDGED:
        yield Message.AUTHENTICATE, outcome, _HAS_NO_SEAL
    yield Message.AUTHENTICATE, Outcome.OUT, _OUT_UNSEALED
    yield Message.AUTHENTICATE, Outcome.REFUSED, _BY_401


REASONS: Mapping[tuple[Message, Outcome], str] = {
    (message, outcome): reason for message, outcome, reason in _reasons()
}
"""Why a cell is empty; each of the others is played."""

_CREATES = (
    "Later, here, is the batch return. What was not answered is settled by it, and sent again only"
    " where the endpoint says that the platform refuses duplicates, as it does for *repeated*,"
    " *500* and *no answer, not taken*."
)
_BY_OPERATOR = (
    "*No answer, not taken* is a request that breaks off in the middle, *taken, answer broken off*"
    " an operator that hangs up after the first byte of the answer. *Out, bare 503* is a tenant"
    " whose signing certificate has run out. After each, and after maintenance, the same payload is"
    " sent again, and judged once."
)
REMARKS: Mapping[Message, str] = {
    Message.HEALTH: "What does not count is asked until the host's lamp for the connection goes out"
    " or is unknown, and then answered well until it is lit.",
    Message.REDECLARATION: "An outage is met by one of the three forms, another one for each seal;"
    " the others wait behind it.",
    Message.HEALTH_DOWN: "*Out* is the host's maintenance, in which this question is answered 200"
    " with `OUTAGE`.",
    Message.ASSET: _CREATES,
    Message.UNIT: _CREATES,
    **dict.fromkeys(DOWN[1:], "*Out, sealed 503 R999* is the host's maintenance."),
}
"""What a reader must know to read a table."""


@dataclass(frozen=True, slots=True)
class Row:
    message: Message
    outcome: Outcome
    seal: Seal

    @property
    def part(self) -> int:
        return next(index for index, messages in enumerate(PARTS) if self.message in messages)

    @property
    def api(self) -> Api:
        return Api.SMP if self.message in PLATFORM else Api.WA

    def __str__(self) -> str:
        return f"{self.api.name}-{self.message.name}-{self.outcome.name}-{self.seal}"


def rows() -> tuple[Row, ...]:
    """All that are played. What has no seal is played once."""
    return tuple(
        Row(message, outcome, seal)
        for message in Message
        for outcome in Outcome
        if (message, outcome) not in REASONS
        for seal in Seal
        if message not in UNSEALED or seal is Seal.JWS_JSON
    )


def page() -> str:
    """docs/exercised.md."""
    played = rows()
    out = [_HEAD.format(rows=len(played), seals=len(Seal))]
    for api in Api:
        out.append(f"\n## {api}\n")
        messages = [one for one in Message if (one in PLATFORM) is (api is Api.SMP)]
        out += [_section(message, played) for message in messages]
    return "\n".join([*out, _SECOND_PROFILE])


_HEAD = """\
# What is exercised end to end

Messages of both APIs, in both directions, under each of the {seals} seals, by outcome: {rows} rows,
each played against the running service with a tenant, a key and an operator of its seal's own
(`tests/e2e/test_matrix.py`). What is not played is named, with the reason. This page is written by
`python -m tests.e2e.matrix`, and a test holds it against the table.
"""


_SECOND_PROFILE = """
## The second profile

All of the above is in the words of `host-1`. In `enveloped-1` every verdict is given at once and an
answer bears the messageId of its question, so no receipt comes later: of no redeclaration, of no
submission. Against the simulator in that profile are played Health both ways, an outage, and what
was missed and is fetched (`tests/relay/outages/test_second_profile.py`); against a peer that is
written from its page redeclarations, instructions and their answers, refusals, repeats, wrong
addresses and wrong seals (`tests/relay/sealing/test_second_profile.py`). The platform's API has no
second profile: a mapping file changes its names (`tests/smp/test_way_through.py`).
"""


def _section(message: Message, played: tuple[Row, ...]) -> str:
    way = Way.DOWN if message in DOWN else Way.UP
    lines = [f"### {message} ({way})\n", f"| outcome | {' | '.join(Seal)} |"]
    lines.append("|---" * (len(Seal) + 1) + "|")
    for outcome in Outcome:
        if (message, outcome) not in REASONS:
            marks = [_mark(Row(message, outcome, seal), played) for seal in Seal]
            lines.append(f"| {outcome} | {' | '.join(marks)} |")
    remarks = [REMARKS.get(message, ""), _BY_OPERATOR if message in DOWN else ""]
    if any(remarks):
        lines.append("\n" + " ".join(filter(None, remarks)))
    grouped: dict[str, list[str]] = {}
    for (told, outcome), reason in REASONS.items():
        if told is message:
            grouped.setdefault(reason, []).append(outcome.value)
    if grouped:
        lines.append("\nNot played:\n")
    lines += [f"- {'; '.join(outcomes)}: {reason}." for reason, outcomes in grouped.items()]
    return "\n".join(lines) + "\n"


def _mark(row: Row, played: tuple[Row, ...]) -> str:
    if row in played:
        return "yes"
    return "no seal"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
