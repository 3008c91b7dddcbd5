"""The books that each party keeps of one rehearsal, in one form, and what differs between two of
them. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Matter(StrEnum):
    REDECLARATION = "redeclaration"
    INSTRUCTION = "instruction"


@dataclass(frozen=True, slots=True)
class Record:
    """One message as one party knows it: `content` as told by `telling`, `outcome` what became of
    it.

    Outcomes of redeclarations: OK, REFUSE and why, NACK and why, or nothing yet. Of instructions:
    the verdict and its reason.
    """

    matter: Matter
    control_point: str
    bm_unit: str
    label: str
    content: str
    outcome: str

    @property
    def line(self) -> tuple[str, str, str]:
        """What must stay in order: one BM unit's redeclarations, or its instructions."""
        return (self.matter, self.control_point, self.bm_unit)

    def __str__(self) -> str:
        return f"{self.matter} {self.label} of {self.bm_unit or self.control_point}"


@dataclass(frozen=True, slots=True)
class Book:
    """What `owner` knows, each line in the order it came."""

    owner: str
    records: tuple[Record, ...]

    def without(self, outcome: str) -> Book:
        """Without those whose outcome begins so: what one party refused never came to the next."""
        left = tuple(one for one in self.records if not one.outcome.startswith(outcome))
        return Book(self.owner, left)


def differences(one: Book, other: Book) -> tuple[str, ...]:
    """In words: what is lost, there twice, answered otherwise, or out of order. Empty where the
    books agree.
    """
    return (
        *_lost_or_twice(one, other),
        *_answered_otherwise(one, other),
        *_out_of_order(one, other),
    )


def byte_differences(
    what: str, one: Iterable[Hashable], other: Iterable[Hashable]
) -> tuple[str, ...]:
    """Messages by reference and digest as the two ends of one wire noted them; each must be at
    both, once.
    """
    here, there = Counter(one), Counter(other)
    found = [
        (here - there, "noted by the sender only"),
        (there - here, "noted by the receiver only"),
    ]
    return tuple(f"{what}: {count} {words}" for extra, words in found if (count := extra.total()))


def _key(record: Record) -> tuple[Hashable, ...]:
    return (record.line, record.content)


def _lost_or_twice(one: Book, other: Book) -> Iterator[str]:
    here, there = (Counter(map(_key, book.records)) for book in (one, other))
    names = {_key(record): str(record) for record in (*one.records, *other.records)}
    for key, name in names.items():
        if here[key] != there[key]:
            counts = f"{_times(here[key])} in {one.owner}, {_times(there[key])} in {other.owner}"
            yield f"{name}: {counts}"


def _times(count: int) -> str:
    return {0: "not", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _answered_otherwise(one: Book, other: Book) -> Iterator[str]:
    here, there = _outcomes(one), _outcomes(other)
    for key in here.keys() & there.keys():
        (record, outcomes), (_, others) = here[key], there[key]
        if len(outcomes) == len(others) and sorted(outcomes) != sorted(others):
            said, heard = (", ".join(each) or "no answer" for each in (outcomes, others))
            yield f"{record}: {said!r} in {one.owner}, {heard!r} in {other.owner}"


def _outcomes(book: Book) -> dict[tuple[Hashable, ...], tuple[Record, list[str]]]:
    found: dict[tuple[Hashable, ...], tuple[Record, list[str]]] = {}
    for record in book.records:
        found.setdefault(_key(record), (record, []))[1].append(record.outcome)
    return found


def _out_of_order(one: Book, other: Book) -> Iterator[str]:
    """Only of what both have, for what is lost has been said already."""
    common = Counter(map(_key, one.records)) & Counter(map(_key, other.records))
    here, there = _lines(one, common), _lines(other, common)
    for line, sequence in here.items():
        if sequence != there[line]:
            matter, control_point, bm_unit = line
            yield (
                f"{matter}s of {bm_unit or control_point}: in another order in {other.owner}"
                f" than in {one.owner}"
            )


def _lines(
    book: Book, common: Counter[tuple[Hashable, ...]]
) -> dict[tuple[str, str, str], list[str]]:
    lines: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    left = Counter(common)
    for record in book.records:
        if left[_key(record)] > 0:
            left[_key(record)] -= 1
            lines[record.line].append(record.content)
    return lines
