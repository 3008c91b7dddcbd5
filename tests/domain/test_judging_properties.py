"""Whatever is accepted breaks no limit at any time that it is looked at, and a tighter limit never
makes an acceptance acceptable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from messaging.domain.declared import Dated, Declared
from messaging.domain.instructions import BidOfferAcceptance, Verdict
from messaging.domain.judging import Accept, Earlier
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import RateParameter, RateStep, ScalarParameter
from messaging.domain.spells import Levels, spells_of
from tests.domain.desk import LONG_AGO, acceptance, at, flat, judged, line, unit, without

MINUTE = timedelta(minutes=1)
STEP = timedelta(seconds=15)
quiet = settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])


@dataclass(frozen=True)
class Case:
    boa: BidOfferAcceptance
    declared: Declared
    history: tuple[Earlier, ...]


@st.composite
def limits(draw: st.DrawFn, low: int, high: int) -> Levels:
    """A limit that runs level, slopes or steps over the hours about the acceptance."""
    levels = st.integers(low, high)
    begin, pieces = -1440, list[Segment]()
    for end in (*sorted(draw(st.sets(st.integers(1, 80), max_size=2))), 1440):
        pieces += line((begin, draw(levels)), (end, draw(levels)))
        begin = end
    return spells_of(pieces, 1)


@st.composite
def banded(draw: st.DrawFn, rising: bool) -> tuple[RateStep, ...]:
    count = draw(st.integers(0, 2))
    elbows = sorted(
        draw(st.lists(st.integers(-60, 60), min_size=count, max_size=count, unique=True)),
        reverse=not rising,
    )
    speeds = draw(st.lists(st.integers(20, 200), min_size=count + 1, max_size=count + 1))
    return tuple(
        RateStep(Decimal(speed) / 10, elbow)
        for speed, elbow in zip(speeds, (None, *elbows), strict=True)
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Often within the limits, and often not by much."""
    level = draw(st.integers(-30, 30)) * draw(st.sampled_from([0, 1, 1]))
    points, minute = [(0, level)], 0
    for _ in range(draw(st.integers(1, 5))):
        minute += draw(st.integers(1, 15))
        to = points[-1][1] + draw(st.integers(-40, 40)) * draw(st.sampled_from([0, 1]))
        points.append((minute, draw(st.sampled_from([to, 0, level]))))
    if draw(st.booleans()):
        points.append((minute + draw(st.integers(3, 30)), level))
    boa = acceptance(*points)
    boa = replace(boa, accepted_at=boa.accepted_at - MINUTE * draw(st.integers(0, 30)))
    minimum = st.sampled_from([0, 0, 1, 5, 10, 20])
    declared = Declared(
        levels={
            "PN": flat(level),
            "MEL": draw(limits(30, 90)),
            "MIL": draw(limits(-90, -30)),
        },
        rates={
            parameter: (Dated(LONG_AGO, 1, draw(banded(parameter[1] == "U"))),)
            for parameter in RateParameter
        },
        values={
            name: (Dated(LONG_AGO, 1, draw(minimum)),)
            for name in (ScalarParameter.NDZ, ScalarParameter.MZT, ScalarParameter.MNZT)
        },
    )
    before = draw(st.integers(-200, 200))
    put = Earlier(6, line((-30, level), (-20, before), (-10, level), (0, level)), Verdict.ACCEPTED)
    return Case(boa, declared, (put,) if draw(st.booleans()) else ())


# The same said again in the simplest way, looking at single moments.


def level_of(series: Levels, moment: datetime) -> Fraction | None:
    for one in series:
        if one.time_from <= moment < one.time_to:
            segment = one.what
            past = Fraction(
                int((moment - segment.time_from).total_seconds()),
                int((segment.time_to - segment.time_from).total_seconds()),
            )
            return segment.level_from + past * (segment.level_to - segment.level_from)
    return None


def moments(boa: BidOfferAcceptance) -> Iterator[datetime]:
    moment = boa.levels[0].time_from
    while moment < boa.levels[-1].time_to:
        yield moment
        moment += STEP


def rate_at(steps: tuple[RateStep, ...], level: Fraction, rising: bool) -> Fraction:
    """In MW/min, where the unit passes this level."""
    passed = [
        step
        for step in steps
        if step.from_mw is None or (level > step.from_mw if rising else level < step.from_mw)
    ]
    return Fraction(passed[-1].rate)


def check_levels(case: Case) -> None:
    series = spells_of(case.boa.levels, 1)
    for moment in moments(case.boa):
        level = level_of(series, moment)
        most = level_of(case.declared.levels["MEL"], moment)
        least = level_of(case.declared.levels["MIL"], moment)
        assert level is not None
        assert most is not None
        assert least is not None
        assert least <= level <= most


def check_ramps(case: Case) -> None:
    series = spells_of(case.boa.levels, 1)
    for moment in moments(case.boa):
        now, then = level_of(series, moment), level_of(series, moment + STEP)
        if now is None or then is None or now == then:
            continue
        middle, rising = (now + then) / 2, then > now
        name = f"R{'U' if rising else 'D'}R{'E' if middle > 0 else 'I'}"
        if now * then >= 0:
            (dated,) = case.declared.rates[name]
            assert abs(then - now) * 4 <= rate_at(dated.what, middle, rising)


def check_times(case: Case) -> None:
    """Where the level stands at zero, by whole quarter minutes from long before to long after."""
    values = {name: dated[0].what for name, dated in case.declared.values.items()}
    since = case.boa.levels[0].time_from
    series = spells_of(case.boa.levels, 1)
    plan = case.declared.levels["PN"]
    past = spells_of(case.history[0].levels, 1) if case.history else ()
    signs: list[tuple[datetime, int]] = []
    for index in range(-60 * 4, 300 * 4):
        moment = since + STEP * index
        found = (level_of(one, moment) for one in (series, past, plan))
        level = next(one for one in found if one is not None)
        signs.append((moment, (level > 0) - (level < 0)))
    runs: list[tuple[int, datetime, datetime]] = []
    for moment, sign in signs:
        if runs and runs[-1][0] == sign:
            runs[-1] = sign, runs[-1][1], moment
        else:
            runs.append((sign, moment, moment))
    end = case.boa.levels[-1].time_to
    slack = STEP * 2  # What a look four times a minute may miss at either end.
    for index, (sign, begin, last) in enumerate(runs[1:-1], start=1):
        if last + slack < since or begin - slack > end:
            continue
        length = last - begin + slack
        if sign:
            assert length >= MINUTE * values[ScalarParameter.MNZT]
        elif runs[index - 1][0] == runs[index + 1][0]:
            assert length >= MINUTE * values[ScalarParameter.MZT]
        if not sign and since <= last < end:
            notice = last + slack - case.boa.accepted_at
            assert notice >= MINUTE * values[ScalarParameter.NDZ]


@settings(quiet, max_examples=150)
@given(cases())
def test_what_is_accepted_breaks_no_limit_at_any_moment(case: Case) -> None:
    found = judged(case.boa, case.declared, case.history)
    event(type(found).__name__)
    assume(isinstance(found, Accept))
    check_levels(case)
    check_ramps(case)
    check_times(case)


def tightened(data: st.DataObject, declared: Declared) -> Declared:
    """One limit of it made narrower, slower or longer."""
    what = data.draw(st.sampled_from(["MEL", "MIL", "rate", "time"]))
    by = data.draw(st.integers(0, 30))
    if what in ("MEL", "MIL"):
        change = -by if what == "MEL" else by
        moved = tuple(
            replace(
                one,
                what=replace(
                    one.what,
                    level_from=one.what.level_from + change,
                    level_to=one.what.level_to + change,
                ),
            )
            for one in declared.levels[what]
        )
        return replace(declared, levels={**declared.levels, what: moved})
    if what == "rate":
        name = data.draw(st.sampled_from(list(RateParameter)))
        slower = tuple(
            replace(
                one,
                what=tuple(replace(s, rate=max(s.rate - by, Decimal("0.1"))) for s in one.what),
            )
            for one in declared.rates[name]
        )
        return replace(declared, rates={**declared.rates, name: slower})
    scalar = data.draw(st.sampled_from(list(declared.values)))
    longer = tuple(replace(one, what=one.what + by) for one in declared.values[scalar])
    return replace(declared, values={**declared.values, scalar: longer})


@settings(quiet, max_examples=200)
@given(cases(), st.data())
def test_a_tighter_limit_never_makes_it_acceptable(case: Case, data: st.DataObject) -> None:
    tighter = tightened(data, case.declared)
    if isinstance(judged(case.boa, tighter, case.history), Accept):
        assert isinstance(judged(case.boa, case.declared, case.history), Accept)


@settings(quiet)
@given(cases(), st.sampled_from(["PN", "MEL", "MIL", "NDZ", "MZT", "MNZT"]))
def test_without_a_parameter_that_counts_it_is_left(case: Case, name: str) -> None:
    """An acceptance before it may tell the level that no notification does."""
    history = () if name == "PN" else case.history
    found = judged(case.boa, without(case.declared, name), history)
    assert not isinstance(found, Accept)


@settings(quiet)
@given(cases())
def test_a_declaration_that_ends_within_it_leaves_it(case: Case) -> None:
    middle = (
        case.boa.levels[0].time_from
        + (case.boa.levels[-1].time_to - case.boa.levels[0].time_from) // 2
    )
    cut = tuple(
        replace(one, time_to=min(one.time_to, middle))
        for one in case.declared.levels["MEL"]
        if one.time_from < middle
    )
    declared = replace(case.declared, levels={**case.declared.levels, "MEL": cut})
    assert not isinstance(judged(case.boa, declared, case.history), Accept)


@settings(quiet)
@given(st.integers(0, 100), st.integers(0, 100), st.integers(1, 60))
def test_against_flat_limits_the_answer_is_plain_arithmetic(
    first: int, last: int, minutes: int
) -> None:
    boa = acceptance((0, first), (minutes, last))
    declared = unit(pn=first, mel=90)
    expected = max(first, last) <= 90 and abs(last - first) <= 10 * minutes
    assert isinstance(judged(boa, declared), Accept) == expected


@settings(quiet)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 60))
def test_time_at_zero_is_plain_arithmetic(stay: int, away: int, least: int) -> None:
    boa = acceptance((0, 5), (1, 0), (1 + stay, 0), (2 + stay, 5), (2 + stay + away, 5))
    values = {**unit().values, ScalarParameter.MZT: (Dated(at(-600), 1, least),)}
    found = judged(boa, replace(unit(pn=5), values=values))
    assert isinstance(found, Accept) == (stay >= least)
