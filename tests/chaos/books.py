"""What three parties say of the same traffic, in one form, and what is not true of it. Pure.

Whoever sends has a book of what it said and was told, the host one of what it carried, whoever
receives one of what came: every request that could be read, repeats included. How each is found out
is `accounts`' business.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Ill(StrEnum):
    """Each must be 0."""

    LOST = "lost"
    OUT_OF_ORDER = "out of order"
    LATE = "late"
    TWO_IDS = "under two ids"
    TWO_PAYLOADS = "with two payloads"
    TOLD_OTHERWISE = "told otherwise"
    INVENTED = "sent by nobody"


@dataclass(frozen=True, slots=True)
class Finding:
    ill: Ill
    text: str

    def __str__(self) -> str:
        return f"{self.ill}: {self.text}"


class Word(StrEnum):
    """The last word on a message."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXPIRED = "expired"
    """Not delivered, or not answered, in time; or superseded by a newer one."""
    REFUSED_BY_HOST = "refused by the host"


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a sender's. `taken` says that the host told it so; `words` is every last word
    that it was told afterwards, in order. What several senders said has no order between them.
    """

    name: str
    taken: bool
    words: tuple[Word, ...] = ()
    sender: str = ""


@dataclass(frozen=True, slots=True)
class Carried:
    """What the host says of one message: `line` is what it is kept in order within, by `place`.

    `state` is that of its delivery, empty where it has none. `alarmed`: a person was told that it
    came to nothing.
    """

    name: str
    line: str
    place: int
    state: str
    reference: str
    digest: str
    alarmed: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True)
class Came:
    """One message as it came to a receiver, once for each time. `word` is what the receiver decided
    of it, None while it has not.
    """

    name: str
    reference: str
    digest: str
    word: Word | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What the host says that it gave a number on a control point's link: the bytes' digest, and
    the state of the delivery. One that its control point had not taken when the link went keeps its
    number on record until it gets another; expired before that, it has it beside the one that got
    it next.
    """

    point: str
    number: str
    digest: str
    state: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What a control point says came under a number, whether or not it had come before."""

    point: str
    number: str
    digest: str


@dataclass(frozen=True, slots=True)
class Flow:
    """One kind of traffic in one direction, as the three books have it.

    `tells`: its sender is told a last word of each message. Where it is not, an instruction's say,
    one that came to nothing must have been alarmed.
    """

    title: str
    said: Sequence[Said]
    carried: Sequence[Carried]
    came: Sequence[Came]
    tells: bool = True


REFUSED_BY_HOST = "REFUSED BY HOST"
_THERE = frozenset({"DELIVERED", "ACKNOWLEDGED"})
_OPEN = frozenset({"PENDING", "CLAIMED", "HELD"})
_NOT_THERE = frozenset({"SUPERSEDED", REFUSED_BY_HOST, "UNROUTABLE"})
_WORDS = {
    "ACKNOWLEDGED": Word.ACCEPTED,
    "REFUSED": Word.REFUSED,
    "EXPIRED": Word.EXPIRED,
    "SUPERSEDED": Word.EXPIRED,
    REFUSED_BY_HOST: Word.REFUSED_BY_HOST,
}


def judge(flow: Flow) -> tuple[Finding, ...]:
    """All that is wrong with it; empty where the books agree and every promise was kept."""
    return (
        *_between_sender_and_host(flow),
        *_between_host_and_receiver(flow),
        *_twice(flow),
        *_out_of_order(flow),
        *_late(flow),
        *_words(flow),
    )


def _between_sender_and_host(flow: Flow) -> Iterator[Finding]:
    at_host = Counter(one.name for one in flow.carried)
    said = {one.name: one for one in flow.said}
    for name, one in said.items():
        if one.taken and not at_host[name]:
            yield Finding(Ill.LOST, f"{name}: the host said that it has it, and has it not")
    for name, count in at_host.items():
        if name not in said:
            yield Finding(Ill.INVENTED, f"{name}: in the host's book only")
        elif count > 1:
            yield Finding(Ill.TWO_IDS, f"{name}: {count} times in the host's book")


def judge_links(given: Iterable[Given], heard: Iterable[Heard]) -> Iterator[Finding]:
    """Whatever came last under a number was given it by the host, with these bytes; and what was
    acknowledged came.
    """
    last = {(one.point, one.number): one.digest for one in heard}
    rows: defaultdict[tuple[str, str], list[Given]] = defaultdict(list)
    for row in given:
        rows[row.point, row.number].append(row)
    for place, digest in last.items():
        known = rows.get(place, [])
        if not known:
            yield Finding(Ill.INVENTED, f"{' '.join(place)}: not in the host's book")
        elif all(row.digest != digest for row in known):
            yield Finding(Ill.TWO_PAYLOADS, f"{' '.join(place)}: other bytes came")
    for place, found in rows.items():
        for row in found:
            if row.state in _THERE and row.digest != last.get(place):
                yield Finding(Ill.LOST, f"{' '.join(place)}: {row.state}, and never came")


def _between_host_and_receiver(flow: Flow) -> Iterator[Finding]:
    come = {one.name for one in flow.came}
    carried = {one.name: one for one in flow.carried}
    for name, one in carried.items():
        if one.state in _OPEN:
            yield Finding(Ill.LOST, f"{name}: never came to an end, it is {one.state}")
        elif one.state in _THERE and name not in come:
            yield Finding(Ill.LOST, f"{name}: {one.state} with the host, and never came")
        elif one.state in _NOT_THERE and name in come:
            yield Finding(Ill.TOLD_OTHERWISE, f"{name}: {one.state} with the host, and came")
        elif one.state in ("", "EXPIRED") and not flow.tells and not one.alarmed:
            what = one.state or "not sent"
            yield Finding(Ill.LOST, f"{name}: {what}, and nobody was told")
    for name in sorted(come - carried.keys()):
        yield Finding(Ill.INVENTED, f"{name}: came, and is not in the host's book")


def _twice(flow: Flow) -> Iterator[Finding]:
    """A repeat has the same reference and the same bytes, whoever looks."""
    references: defaultdict[str, set[str]] = defaultdict(set)
    digests: defaultdict[str, set[str]] = defaultdict(set)
    for one in flow.came:
        references[one.name].add(one.reference)
        digests[one.reference].add(one.digest)
    for name, found in references.items():
        if len(found) > 1:
            yield Finding(Ill.TWO_IDS, f"{name}: came as {', '.join(sorted(found))}")
    for reference, found in digests.items():
        if len(found) > 1:
            yield Finding(Ill.TWO_PAYLOADS, f"{reference}: came with {len(found)} payloads")
    for row in flow.carried:
        if row.name in references and row.state in _THERE | {"REFUSED"}:
            if {row.reference} != references[row.name]:
                text = f"{row.name}: {row.reference} with the host, came otherwise"
                yield Finding(Ill.TWO_IDS, text)
            elif {row.digest} != digests[row.reference]:
                text = f"{row.name}: other bytes came than the host has"
                yield Finding(Ill.TWO_PAYLOADS, text)


def _out_of_order(flow: Flow) -> Iterator[Finding]:
    """Within each line: as each sender said it, as the host placed it, and as it first came."""
    line_of = {one.name: one.line for one in flow.carried}
    placed = [one.name for one in sorted(flow.carried, key=lambda one: one.place)]
    came = list(dict.fromkeys(one.name for one in flow.came))
    for line, name in _first_differences(line_of, placed, came):
        yield Finding(Ill.OUT_OF_ORDER, f"{line}: {name} came to its receiver out of its turn")
    if not flow.tells:
        return
    for sender in sorted({one.sender for one in flow.said}):
        said = [one.name for one in flow.said if one.sender == sender]
        for line, name in _first_differences(line_of, placed, said):
            yield Finding(Ill.OUT_OF_ORDER, f"{line}: {name} came to the host out of its turn")


def _first_differences(
    line_of: Mapping[str, str], placed: Sequence[str], other: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Each line that has two orders, and the first name of the other one that differs."""
    both = set(placed) & set(other) & line_of.keys()
    here, there = (_by_line(line_of, names, both) for names in (placed, other))
    for line, names in here.items():
        differing = (two for one, two in zip(names, there[line], strict=True) if one != two)
        if (first := next(differing, None)) is not None:
            yield line, first


def _by_line(
    line_of: Mapping[str, str], names: Iterable[str], wanted: Collection[str]
) -> dict[str, list[str]]:
    lines: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for name in names:
        if name in wanted:
            lines[line_of[name]].setdefault(name)
    return {line: list(found) for line, found in lines.items()}


def _late(flow: Flow) -> Iterator[Finding]:
    for one in flow.carried:
        if one.late:
            yield Finding(Ill.LATE, f"{one.name}: begun after its deadline")


def _words(flow: Flow) -> Iterator[Finding]:
    """What the sender was told is what the receiver decided, and is told once."""
    if not flow.tells:
        return
    decided = {one.name: one.word for one in flow.came if one.word is not None}
    states = {one.name: one.state for one in flow.carried}
    for one in flow.said:
        state = states.get(one.name, "PENDING")
        if state not in _OPEN:
            yield from _word_of(one, state, decided.get(one.name))


def _word_of(one: Said, state: str, decided: Word | None) -> Iterator[Finding]:
    wanted = _WORDS.get(state)
    if len(one.words) > 1:
        words = ", ".join(one.words)
        yield Finding(Ill.TOLD_OTHERWISE, f"{one.name}: told {len(one.words)} times: {words}")
    elif one.words != ((wanted,) if wanted else ()):
        words = ", ".join(one.words) or "nothing"
        yield Finding(Ill.TOLD_OTHERWISE, f"{one.name}: told {words}, the host has {state}")
    if state in ("ACKNOWLEDGED", "REFUSED") and decided is not wanted:
        word = decided or "nothing"
        yield Finding(Ill.TOLD_OTHERWISE, f"{one.name}: {state}, its receiver said {word}")
    if state == "DELIVERED" and decided is not None:
        yield Finding(Ill.LOST, f"{one.name}: {decided} by its receiver, the host still waits")
