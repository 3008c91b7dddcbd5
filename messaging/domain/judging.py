"""Whether a bid-offer acceptance keeps within what its BM unit has declared, so that it may be
accepted without a person. Whatever is not known leaves it to one.

Compared exactly: a ramp that was rounded to whole megawatts and so became too steep is too steep.
Not looked at are SEL, SIL, NTO, NTB, MDV, MDP, MDO and MDB, and how the unit goes on from the
acceptance's end to what holds after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Final

from messaging.domain import profile, ramps, stretches
from messaging.domain.declared import Declared, during
from messaging.domain.instructions import BidOfferAcceptance, Verdict
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import LevelParameter, ScalarParameter
from messaging.domain.spells import (
    Levels,
    cover,
    gaps,
    level_at,
    minutes_between,
    spells_of,
    within,
)
from messaging.domain.stretches import Stretch
from messaging.domain.submissions import SeriesParameter

LOOK_BACK: Final = timedelta(minutes=999)
"""The longest that a minimum time can be: acceptances that ended before are of no account."""

_MOST_REASONS: Final = 5
_TIMES: Final = (ScalarParameter.NDZ, ScalarParameter.MZT, ScalarParameter.MNZT)
_SIDES: Final = {1: "export", -1: "import"}


@dataclass(frozen=True, slots=True)
class Earlier:
    """An acceptance of the same BM unit with a lower number. Its `verdict` is None where nobody has
    answered it.
    """

    number: int
    levels: tuple[Segment, ...]
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Accept:
    """`reason` says in figures what it was held against."""

    reason: str


@dataclass(frozen=True, slots=True)
class Leave:
    """To a person; `reason` says what is broken, or what is not known."""

    reason: str


Judgement = Accept | Leave


def judge(
    acceptance: BidOfferAcceptance, declared: Declared, history: Sequence[Earlier], at: datetime
) -> Judgement:
    """At the moment `at` of its receipt. `history` is the acceptances before it as far back as
    LOOK_BACK before its start.
    """
    reasons = list(_unfit(acceptance, at))
    if not reasons:
        case = _Case(acceptance, declared, _committed(declared, history))
        reasons = [*_doubtful(acceptance, declared, history), *case.reasons()]
        if not reasons:
            return Accept(case.told())
    more = len(reasons) - _MOST_REASONS
    shown = "; ".join(reasons[:_MOST_REASONS])
    return Leave(f"{shown}; and {more} more" if more > 0 else shown)


def _unfit(acceptance: BidOfferAcceptance, at: datetime) -> Iterator[str]:
    """Why nobody need look at what is declared."""
    levels = acceptance.levels
    if acceptance.emergency_flag:
        yield "it is an emergency instruction"
    if not levels or list(profile.unordered(levels)):
        yield "its times are not in order"
        return
    if list(profile.unjoined(levels)):
        yield "its segments are not joined"
    start = levels[0].time_from
    if start < at.replace(second=0, microsecond=0):
        yield f"it starts at {_clock(start)} and came at {at:%H:%M:%S}"


def _doubtful(
    acceptance: BidOfferAcceptance, declared: Declared, history: Sequence[Earlier]
) -> Iterator[str]:
    yield from declared.doubts
    since = acceptance.levels[0].time_from - LOOK_BACK
    for earlier in history:
        if earlier.verdict is None and earlier.levels and earlier.levels[-1].time_to > since:
            yield f"acceptance {earlier.number} before it has no answer"


def _committed(declared: Declared, history: Sequence[Earlier]) -> Levels:
    """What the unit was to do: its notification, covered by what was accepted."""
    levels = declared.levels.get(SeriesParameter.PN, ())
    for earlier in sorted(history, key=lambda one: one.number):
        if earlier.verdict is Verdict.ACCEPTED:
            levels = cover(levels, spells_of(earlier.levels, 0))
    return levels


@dataclass(frozen=True, slots=True)
class _Case:
    """An acceptance with joined segments, what is declared, and what the unit was to do without
    it.
    """

    acceptance: BidOfferAcceptance
    declared: Declared
    committed: Levels

    @property
    def levels(self) -> tuple[Segment, ...]:
        return self.acceptance.levels

    @property
    def start(self) -> datetime:
        return self.levels[0].time_from

    @property
    def end(self) -> datetime:
        return self.levels[-1].time_to

    def reasons(self) -> Iterator[str]:
        yield from self._steps()
        yield from self._outside(LevelParameter.MEL, 1)
        yield from self._outside(LevelParameter.MIL, -1)
        yield from self._too_steep()
        yield from self._too_short()

    def told(self) -> str:
        levels = [one for line in self.levels for one in (line.level_from, line.level_to)]
        speed = max(map(ramps.speed_of, self.levels))
        rates = [
            part.slowest or Fraction(0)
            for line in self.levels
            for part in ramps.parts_of(line, self.declared.rates)
        ]
        ramp = f"{_figure(speed)} of {_figure(min(rates))} MW/min" if rates else "no ramp"
        times = ", ".join(f"{name} {self._time(name)}" for name in _TIMES)
        return (
            f"{min(levels)} to {max(levels)} MW from {_clock(self.start)} to {_clock(self.end)} is"
            f" within MIL and MEL; {ramp}; {times} min kept"
        )

    def _steps(self) -> Iterator[str]:
        """No rate allows a step, at the start least of all."""
        for before, after in pairwise(self.levels):
            if before.level_to != after.level_from:
                yield (
                    f"a step from {before.level_to} to {after.level_from} MW at"
                    f" {_clock(after.time_from)}"
                )
        held = [one for one in self.committed if one.time_from < self.start <= one.time_to]
        if not held:
            yield f"no level before {_clock(self.start)} is known"
            return
        level, first = level_at(held[0].what, self.start), self.levels[0].level_from
        if level != first:
            yield f"starts at {first} MW, where the unit is at {_figure(level)} MW"

    def _outside(self, parameter: LevelParameter, side: int) -> Iterator[str]:
        """Straight lines cross a limit only where one of both ends or begins beyond it."""
        limits = self.declared.levels.get(parameter, ())
        for begins, ends in gaps(limits, self.start, self.end):
            yield f"no {parameter} is declared from {_clock(begins)} to {_clock(ends)}"
        for line in self.levels:
            for limit in within(limits, line.time_from, line.time_to):
                for moment in (limit.time_from, limit.time_to):
                    level, bound = level_at(line, moment), level_at(limit.what, moment)
                    if (level - bound) * side > 0:
                        where = "above" if side > 0 else "below"
                        yield (
                            f"{_figure(level)} MW at {_clock(moment)} is {where} {parameter}"
                            f" {_figure(bound)}"
                        )
                        return

    def _too_steep(self) -> Iterator[str]:
        told: set[str] = set()
        for line in self.levels:
            speed = ramps.speed_of(line)
            for part in ramps.parts_of(line, self.declared.rates):
                slowest = part.slowest
                if slowest is None:
                    told.add(f"no {part.parameter} is declared")
                elif speed > slowest:
                    yield (
                        f"{_figure(speed)} MW/min from {_clock(line.time_from)} between {part.low}"
                        f" and {part.high} MW, where {part.parameter} is {_figure(slowest)}"
                    )
        yield from sorted(told)

    def _time(self, parameter: ScalarParameter) -> int | None:
        """In minutes: the longest in force at any time of it; None where none is known."""
        values = self.declared.values.get(parameter, ())
        begins = min(self.acceptance.accepted_at, self.start)
        return max(during(values, begins, self.end), default=None)

    def _too_short(self) -> Iterator[str]:
        """The minimum times, in what the unit does with this acceptance."""
        whole = cover(self.committed, spells_of(self.levels, 0))
        found = stretches.stretches_of(whole, self.start)
        for parameter in _TIMES:
            least = self._time(parameter)
            if least is None:
                yield f"no {parameter} is declared"
            elif parameter is ScalarParameter.NDZ:
                yield from self._without_notice(found, least)
            elif parameter is ScalarParameter.MNZT:
                for run in self._touched(stretches.runs(found)):
                    yield from _held_against(run, least, parameter, f"{_SIDES[run.sign]}s")
            else:
                for sign, side in _SIDES.items():
                    for pause in self._touched(stretches.pauses(found, sign)):
                        yield from _held_against(pause, least, parameter, f"does not {side}")

    def _without_notice(self, found: list[Stretch], least: int) -> Iterator[str]:
        """Where the unit was to leave zero at that moment anyhow, it needs no notice. That it
        leaves it as the acceptance ends, for its plan, is of the acceptance's making.
        """
        committed = stretches.stretches_of(self.committed, self.start)
        planned = set(stretches.departures(committed))
        length = minutes_between(self.start, self.end)
        waited = minutes_between(self.acceptance.accepted_at, self.start)
        for departure in stretches.departures(found):
            if 0 <= departure[0] <= length and departure not in planned:
                notice = waited + departure[0]
                if notice < least:
                    told = f"leaves zero {_figure(notice)} min after acceptance"
                    yield f"{told}, where NDZ is {least}"

    def _touched(self, found: Sequence[Stretch] | Iterator[Stretch]) -> Iterator[Stretch]:
        """Those that this acceptance has a part in, and that begin or end as far as is known."""
        length = minutes_between(self.start, self.end)
        for one in found:
            if one.start <= length and one.end >= 0 and (one.start_known or one.end_known):
                yield one


def _held_against(
    stretch: Stretch, least: int, parameter: ScalarParameter, what: str
) -> Iterator[str]:
    if stretch.length >= least:
        return
    length = _figure(stretch.length)
    if stretch.start_known and stretch.end_known:
        yield f"{what} for {length} min, where {parameter} is {least}"
    else:
        yield f"{what} for {length} min as far as is known, where {parameter} is {least}"


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M}"


def _figure(number: Fraction) -> str:
    """Exactly where that is short."""
    if number.denominator == 1:
        return str(number.numerator)
    return f"{float(number):.4g}"
