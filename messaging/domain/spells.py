"""What holds for a stretch of time, and how a later declaration covers an earlier one where they
overlap. All arithmetic is exact: whole numbers and fractions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Final, Generic, TypeVar

from messaging.domain.profile import Segment

W = TypeVar("W")

_UNIT: Final = timedelta(microseconds=1)
_MINUTE: Final = timedelta(minutes=1) // _UNIT


@dataclass(frozen=True, slots=True)
class Spell(Generic[W]):
    """`what` holds from `time_from` until `time_to`, which lies after it. Of two declarations the
    one with the higher `order` was made later.
    """

    time_from: datetime
    time_to: datetime
    order: int
    what: W


Spells = tuple[Spell[W], ...]
"""In the order of their times, and no two at one time."""

Levels = Spells[Segment]
"""Levels in MW: what holds of each spell is the line, which may begin before it and end after it.
So cutting one rounds nothing.
"""

Span = tuple[datetime, datetime]


def level_at(line: Segment, moment: datetime) -> Fraction:
    """MW on the line, within its times or beyond them."""
    past = Fraction((moment - line.time_from) // _UNIT, (line.time_to - line.time_from) // _UNIT)
    return line.level_from + past * (line.level_to - line.level_from)


def minutes_between(start: datetime, end: datetime) -> Fraction:
    return Fraction((end - start) // _UNIT, _MINUTE)


def spells_of(levels: Iterable[Segment], order: int) -> Levels:
    """The spells that a series declares. Of two segments at one time the one that starts later
    counts, and what the other said of the time behind it is not known.
    """
    return without_overlaps(
        Spell(one.time_from, one.time_to, order, one)
        for one in levels
        if one.time_from < one.time_to
    )


def without_overlaps(spells: Iterable[Spell[W]]) -> Spells[W]:
    found = sorted(spells, key=_starts)
    cut = [
        replace(one, time_to=min(one.time_to, after.time_from)) for one, after in pairwise(found)
    ]
    return tuple(one for one in (*cut, *found[-1:]) if one.time_from < one.time_to)


def overlay(held: Spells[W], new: Spells[W]) -> Spells[W]:
    """Both, where each time has what was declared of it last. The spells of `new` are of one
    order; some of those held may be of a later one.
    """
    if not new:
        return held
    order = new[0].order
    later = tuple(one for one in held if one.order > order)
    earlier = tuple(one for one in held if one.order <= order)
    return cover(cover(earlier, new), later)


def cover(under: Sequence[Spell[W]], over: Sequence[Spell[W]]) -> Spells[W]:
    """What lies `over` the other counts, whatever their orders."""
    return tuple(sorted((*_left_of(under, over), *over), key=_starts))


def _left_of(under: Sequence[Spell[W]], over: Sequence[Spell[W]]) -> Iterator[Spell[W]]:
    """What still shows of those under."""
    first = 0
    for one in under:
        while first < len(over) and over[first].time_to <= one.time_from:
            first += 1
        start, index = one.time_from, first
        while index < len(over) and over[index].time_from < one.time_to:
            if start < over[index].time_from:
                yield replace(one, time_from=start, time_to=over[index].time_from)
            start = max(start, over[index].time_to)
            index += 1
        if start < one.time_to:
            yield replace(one, time_from=start)


def ending_after(spells: Spells[W], moment: datetime) -> Spells[W]:
    """Without those that are over by then."""
    return tuple(one for one in spells if one.time_to > moment)


def within(spells: Sequence[Spell[W]], start: datetime, end: datetime) -> Iterator[Spell[W]]:
    """Those that share time with the span, each cut to it."""
    for one in spells:
        begins, ends = max(one.time_from, start), min(one.time_to, end)
        if begins < ends:
            yield replace(one, time_from=begins, time_to=ends)


def spans_of(spells: Sequence[Spell[W]]) -> list[Span]:
    """The stretches of time that are covered without a gap."""
    found: list[Span] = []
    for one in spells:
        if found and found[-1][1] >= one.time_from:
            found[-1] = (found[-1][0], max(found[-1][1], one.time_to))
        else:
            found.append((one.time_from, one.time_to))
    return found


def gaps(spells: Sequence[Spell[W]], start: datetime, end: datetime) -> Iterator[Span]:
    """The parts of the span of which nothing is declared."""
    for begins, ends in spans_of(tuple(within(spells, start, end))):
        if start < begins:
            yield start, begins
        start = ends
    if start < end:
        yield start, end


def _starts(one: Spell[W]) -> datetime:
    return one.time_from
