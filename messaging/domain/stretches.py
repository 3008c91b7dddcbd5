"""When a unit exports, imports, or stands at zero, read off its levels, and what the times for that
ask: NDZ, MZT and MNZT as the Grid Code has them (general knowledge of the field).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from itertools import pairwise

from messaging.domain.profile import Segment
from messaging.domain.spells import Levels, Spell, level_at, minutes_between


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which the level keeps its sign, in minutes from a moment that all share. One at
    zero may have no length: the level only touches zero. What lies beyond an end that is not
    `known` was never declared.
    """

    start: Fraction
    end: Fraction
    sign: int
    start_known: bool = True
    end_known: bool = True

    @property
    def length(self) -> Fraction:
        return self.end - self.start


def stretches_of(levels: Levels, origin: datetime) -> list[Stretch]:
    """In order. Times are counted from `origin`."""
    pieces = [piece for spell in levels for piece in _pieces(spell, origin)]
    found: list[Stretch] = []
    for piece, starts_at_zero, ends_at_zero in pieces:
        before = found[-1] if found else None
        if before is None or before.end != piece.start:
            if before is not None:
                found[-1] = replace(before, end_known=False)
            found.append(replace(piece, start_known=False))
        elif before.sign == piece.sign and not (piece.sign and starts_at_zero):
            found[-1] = replace(before, end=piece.end)
        else:
            if before.sign and piece.sign and starts_at_zero:
                found.append(Stretch(piece.start, piece.start, 0))
            found.append(piece)
        if piece.sign and ends_at_zero:
            found.append(Stretch(piece.end, piece.end, 0))
    if found:
        found[-1] = replace(found[-1], end_known=False)
    return found


def _pieces(spell: Spell[Segment], origin: datetime) -> Iterator[tuple[Stretch, bool, bool]]:
    """The spell in parts of one sign, each with whether it starts, and ends, at zero."""
    start, end = (minutes_between(origin, at) for at in (spell.time_from, spell.time_to))
    first, last = (level_at(spell.what, at) for at in (spell.time_from, spell.time_to))
    if first * last < 0:
        middle = start + (end - start) * first / (first - last)
        yield Stretch(start, middle, _sign(first)), False, True
        yield Stretch(middle, end, _sign(last)), True, False
    else:
        yield Stretch(start, end, _sign(first or last)), not first, not last


def departures(stretches: Sequence[Stretch]) -> Iterator[tuple[Fraction, int]]:
    """When the level leaves zero, and to which side."""
    for before, after in pairwise(stretches):
        if not before.sign and after.sign and before.end == after.start:
            yield after.start, after.sign


def runs(stretches: Sequence[Stretch]) -> list[Stretch]:
    """The times of export, and those of import."""
    return [one for one in stretches if one.sign]


def pauses(stretches: Sequence[Stretch], sign: int) -> Iterator[Stretch]:
    """The times between one export and the next (or import, by `sign`), with those before the first
    and behind the last as far as they are known.
    """
    return _joined(stretches, lambda one: one.sign != sign)


def _joined(stretches: Sequence[Stretch], wanted: Callable[[Stretch], bool]) -> Iterator[Stretch]:
    """Neighbours that are wanted, as one."""
    run: Stretch | None = None
    for one in stretches:
        if run is not None and wanted(one) and run.end == one.start and run.end_known:
            run = replace(run, end=one.end, end_known=one.end_known)
            continue
        if run is not None:
            yield run
        run = one if wanted(one) else None
    if run is not None:
        yield run


def _sign(level: Fraction) -> int:
    return (level > 0) - (level < 0)
