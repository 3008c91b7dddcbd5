"""What is in force of a BM unit is what was declared last for each time, whatever the order it came
to be known in.
"""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.domain import clock
from messaging.domain.declared import (
    KEPT_BACK_ELSE,
    Dated,
    during,
    with_dated,
    with_levels,
    with_pairs,
)
from messaging.domain.profile import Segment
from messaging.domain.spells import Levels, Spell, gaps, level_at, overlay, spans_of, spells_of
from messaging.domain.submissions import BidOfferRecord
from tests.domain.desk import START, at, line

MINUTE = timedelta(minutes=1)


@st.composite
def declarations(draw: st.DrawFn) -> tuple[Segment, ...]:
    """A series with gaps and steps, in order."""
    minute, made = draw(st.integers(0, 60)), list[Segment]()
    for _ in range(draw(st.integers(1, 5))):
        minute += draw(st.integers(0, 10))
        length = draw(st.integers(1, 30))
        first, last = draw(st.integers(-99, 99)), draw(st.integers(-99, 99))
        made += line((minute, first), (minute + length, last))
        minute += length
    return tuple(made)


def plain(series: Levels) -> dict[datetime, tuple[int, Segment]]:
    """Order and line by the minute."""
    return {
        one.time_from + MINUTE * index: (one.order, one.what)
        for one in series
        for index in range((one.time_to - one.time_from) // MINUTE)
    }


@given(st.lists(declarations(), min_size=1, max_size=5), st.randoms())
def test_each_minute_has_what_was_declared_of_it_last_in_whatever_order_it_came(
    made: list[tuple[Segment, ...]], chance: object
) -> None:
    expected: dict[datetime, tuple[int, Segment]] = {}
    for order, levels in enumerate(made):
        expected |= plain(spells_of(levels, order))
    orders = list(range(len(made)))
    chance.shuffle(orders)  # type: ignore[attr-defined]
    held: Levels = ()
    for order in orders:
        held = overlay(held, spells_of(made[order], order))
    assert plain(held) == expected
    assert all(one.time_to <= two.time_from for one, two in itertools.pairwise(held))


@given(declarations(), declarations())
def test_what_is_cut_keeps_its_line(one: tuple[Segment, ...], two: tuple[Segment, ...]) -> None:
    held = overlay(spells_of(one, 1), spells_of(two, 2))
    lines = {*one, *two}
    for spell in held:
        assert spell.what in lines
        assert spell.what.time_from <= spell.time_from < spell.time_to <= spell.what.time_to
        low, high = sorted((spell.what.level_from, spell.what.level_to))
        assert low <= level_at(spell.what, spell.time_from) <= high


@given(declarations(), st.integers(0, 200), st.integers(1, 100))
def test_gaps_and_spans_are_each_others_complement(
    levels: tuple[Segment, ...], begin: int, length: int
) -> None:
    series = spells_of(levels, 1)
    start, end = at(begin), at(begin + length)
    covered = plain(series).keys()
    missing = {
        minute
        for begins, ends in gaps(series, start, end)
        for minute in (begins + MINUTE * index for index in range((ends - begins) // MINUTE))
    }
    assert missing == {at(begin + index) for index in range(length)} - covered
    spans = spans_of(series)
    assert sum((ends - begins for begins, ends in spans), timedelta()) == MINUTE * len(covered)
    assert all(one[1] < two[0] for one, two in itertools.pairwise(spans))


def test_of_two_segments_at_one_time_the_later_counts_and_the_rest_is_unknown() -> None:
    doubled = (*line((0, 10), (30, 10)), *line((10, 20), (20, 20)))
    found = spells_of(doubled, 1)
    assert [(one.time_from, one.time_to) for one in found] == [(at(0), at(10)), (at(10), at(20))]


def test_what_is_over_is_dropped_and_notifications_are_kept_for_a_day() -> None:
    now = at(600)
    past = line((0, 10), (500, 10), (700, 10))
    assert len(with_levels((), "PN", past, 1, now)) == 2
    assert len(with_levels((), "MEL", past, 1, now)) == 1
    assert with_levels((), "MEL", line((0, 1), (600 - 60, 1)), 1, now) == ()


@given(
    st.lists(st.tuples(st.integers(-500, 500), st.integers(0, 9)), min_size=1, max_size=8),
    st.randoms(),
)
def test_a_value_holds_from_its_time_on_until_the_next(
    made: list[tuple[int, int]], chance: object
) -> None:
    dated = [Dated(at(when), order, value) for order, (when, value) in enumerate(made)]
    shuffled = dated.copy()
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    held: tuple[Dated[int], ...] = ()
    for one in shuffled:
        held = with_dated(held, one, START)
    for minute in range(-60, 501, 20):
        before = [
            (one.effective, one.order, one.what) for one in dated if one.effective <= at(minute)
        ]
        expected = (max(before)[2],) if before else ()
        assert during(held, at(minute), at(minute)) == expected
    over = [one for one in held if one.effective <= START - KEPT_BACK_ELSE]
    assert len(over) <= 1


DAYS = st.sampled_from([date(2026, 11, 23), date(2026, 3, 29), date(2026, 10, 25)])


@settings(deadline=None)
@given(DAYS, st.lists(st.tuples(*[st.integers(0, 45)] * 2), max_size=4), st.integers(0, 3))
def test_pairs_are_replaced_number_by_number_in_the_periods_that_are_told_anew(
    day: date, changes: list[tuple[int, int]], number: int
) -> None:
    """Every settlement period of a day of 46, 48 or 50 of them keeps the price declared last."""
    periods = clock.periods_of(day)
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    whole = [pair(start, one, 0) for start in periods for one in (-1, 1, 2, 3)]
    held = with_pairs((), whole, 0, long_ago)
    expected = {(start, one): 0 for start in periods for one in (-1, 1, 2, 3)}
    for order, (begin, count) in enumerate(changes, start=1):
        told = periods[begin : begin + count]
        held = with_pairs(
            held, [pair(start, number or -1, order) for start in told], order, long_ago
        )
        expected |= {(start, number or -1): order for start in told}
    found = {
        (spell.time_from + clock.HALF_HOUR * index, spell.what.number): int(spell.what.offer_price)
        for spell in held
        for index in range((spell.time_to - spell.time_from) // clock.HALF_HOUR)
    }
    assert found == expected


def pair(start: datetime, number: int, price: int) -> BidOfferRecord:
    cost = Decimal(price)
    return BidOfferRecord("TBMU-1", start, start + clock.HALF_HOUR, number, 0, 0, cost, cost)


def test_a_spell_of_an_earlier_order_does_not_show_where_a_later_one_lies_whole() -> None:
    inner = Spell(at(5), at(10), 1, "inner")
    outer = Spell(at(0), at(20), 2, "outer")
    assert overlay((outer,), (inner,)) == (outer,)
    assert overlay((inner,), (outer,)) == (outer,)
