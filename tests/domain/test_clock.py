"""The market's calendar, on ordinary days and on the two a year when clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain import clock

DAY = timedelta(days=1)
DAYS = st.dates(date(2000, 1, 1), date(2099, 12, 31))
MOMENTS = st.integers(0, 100 * 365 * 86_400).map(
    lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


def last_sunday(year: int, month: int) -> date:
    """Of March or October, which both have 31 days: when clocks change at 01:00 UTC."""
    last = date(year, month, 31)
    return last - timedelta(days=(last.weekday() + 1) % 7)


CHANGES = st.integers(2000, 2099).flatmap(
    lambda year: st.sampled_from([last_sunday(year, 3), last_sunday(year, 10)])
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("day", "count", "start"),
    [
        (date(2026, 11, 22), 48, "2026-11-22 00:00"),
        (date(2026, 7, 1), 48, "2026-06-30 23:00"),
        (date(2026, 3, 29), 46, "2026-03-29 00:00"),
        (date(2026, 3, 30), 48, "2026-03-29 23:00"),
        (date(2026, 10, 25), 50, "2026-10-24 23:00"),
        (date(2026, 10, 26), 48, "2026-10-26 00:00"),
    ],
)
def test_a_local_day_has_46_48_or_50_periods(day: date, count: int, start: str) -> None:
    periods = clock.periods_of(day)
    assert (len(periods), periods[0]) == (count, utc(start))
    assert periods[-1] + clock.HALF_HOUR == clock.start_of_day(day + DAY)


@pytest.mark.parametrize(
    ("moment", "day", "number"),
    [
        ("2026-11-22 00:00", date(2026, 11, 22), 1),
        ("2026-11-22 23:59", date(2026, 11, 22), 48),
        ("2026-06-30 23:00", date(2026, 7, 1), 1),
        ("2026-03-29 00:30", date(2026, 3, 29), 2),
        ("2026-03-29 01:00", date(2026, 3, 29), 3),  # 02:00 by the clock, which skips an hour
        ("2026-03-29 22:30", date(2026, 3, 29), 46),
        ("2026-03-29 23:00", date(2026, 3, 30), 1),
        ("2026-10-25 00:00", date(2026, 10, 25), 3),  # 01:00 by the clock, the first time
        ("2026-10-25 01:00", date(2026, 10, 25), 5),  # and the second
        ("2026-10-25 23:30", date(2026, 10, 25), 50),
    ],
)
def test_a_moment_lies_in_a_numbered_period(moment: str, day: date, number: int) -> None:
    assert clock.period_of(utc(moment)) == (day, number)


@pytest.mark.parametrize(
    ("day", "number"),
    [(date(2026, 3, 29), 47), (date(2026, 10, 25), 51), (date(2026, 1, 1), 0)],
)
def test_a_period_that_the_day_has_not_is_refused(day: date, number: int) -> None:
    with pytest.raises(ValueError, match="periods 1 to"):
        clock.period_start(day, number)


@given(DAYS | CHANGES)
def test_the_periods_of_a_day_are_its_half_hours_in_order(day: date) -> None:
    periods = clock.periods_of(day)
    assert len(periods) in (46, 48, 50)
    assert (len(periods) == 48) == (
        day not in (last_sunday(day.year, 3), last_sunday(day.year, 10))
    )
    assert all(clock.is_half_hour(start) for start in periods)
    for number, start in enumerate(periods, start=1):
        assert clock.period_start(day, number) == start
        for moment in (start, start + timedelta(minutes=29, seconds=59)):
            assert clock.period_of(moment) == (day, number)


@given(MOMENTS)
def test_every_moment_lies_in_exactly_one_period(moment: datetime) -> None:
    start = clock.period_start(*clock.period_of(moment))
    assert start == clock.half_hour_of(moment)
    assert start <= moment < start + clock.HALF_HOUR


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2026-11-22 10:00", "2026-11-22 11:00"),
        ("2026-11-22 10:29", "2026-11-22 11:00"),
        ("2026-11-22 10:30", "2026-11-22 11:30"),
        ("2026-11-22 23:00", "2026-11-23 00:00"),
    ],
)
def test_a_gate_closes_60_minutes_before_its_period(now: str, last: str) -> None:
    assert clock.last_gate_closed(utc(now)) == utc(last)


@given(MOMENTS, st.integers(1, 300))
def test_the_gates_that_close_soon_are_those_that_a_look_at_each_would_find(
    now: datetime, minutes: int
) -> None:
    ahead = timedelta(minutes=minutes)
    starts = [clock.half_hour_of(now) + clock.HALF_HOUR * index for index in range(20)]
    found = [start for start in starts if now < clock.gate_closure(start) <= now + ahead]
    assert clock.closing_within(ahead, now) == found
    following = clock.next_closing_within(ahead, now)
    assert now < following <= now + clock.HALF_HOUR
    newest = clock.closing_within(ahead, following)[-1]
    assert newest not in clock.closing_within(ahead, following - timedelta(microseconds=1))
    assert clock.gate_closure(newest) == following + ahead


@given(MOMENTS)
def test_after_the_last_closed_gate_all_are_open(now: datetime) -> None:
    last = clock.last_gate_closed(now)
    assert clock.is_half_hour(last)
    assert clock.is_gate_closed(last, now)
    assert not clock.is_gate_closed(last + clock.HALF_HOUR, now)
    assert clock.gate_closure(last) <= now < clock.gate_closure(last) + clock.HALF_HOUR


@pytest.mark.parametrize(
    ("day", "start"),
    [
        (date(2026, 11, 22), "2026-11-22 05:00"),
        (date(2026, 7, 1), "2026-07-01 04:00"),
        (date(2026, 3, 28), "2026-03-28 05:00"),
        (date(2026, 3, 29), "2026-03-29 04:00"),
        (date(2026, 10, 24), "2026-10-24 04:00"),
        (date(2026, 10, 25), "2026-10-25 05:00"),
    ],
)
def test_an_operational_day_starts_at_five_in_london(day: date, start: str) -> None:
    begin = utc(start)
    assert clock.operational_day_start(day) == begin
    assert clock.is_operational_day_start(begin)
    assert clock.operational_day_of(begin) == day
    before = begin - timedelta(minutes=1)
    assert clock.operational_day_of(before) == day - DAY
    assert not clock.is_operational_day_start(before)
    assert clock.next_operational_day_start(before) == begin
    assert clock.next_operational_day_start(begin) > begin


@given(DAYS | CHANGES)
def test_an_operational_day_has_23_24_or_25_hours(day: date) -> None:
    """The day before a clock change is the one that ends within it."""
    length = clock.operational_day_start(day + DAY) - clock.operational_day_start(day)
    hours = {last_sunday(day.year, 3) - DAY: 23, last_sunday(day.year, 10) - DAY: 25}
    assert length == timedelta(hours=hours.get(day, 24))


@given(MOMENTS)
def test_every_moment_lies_in_the_operational_day_it_is_said_to(moment: datetime) -> None:
    day = clock.operational_day_of(moment)
    upcoming = clock.next_operational_day_start(moment)
    assert clock.operational_day_start(day) <= moment < upcoming
    assert clock.operational_day_of(upcoming) == day + DAY


@pytest.mark.parametrize("year", [1, 9999])
def test_the_first_and_the_last_day_there_are_break_nothing(year: int) -> None:
    moment = datetime(year, 12, 31, 23, 30, tzinfo=UTC)
    assert clock.half_hour_of(moment) == moment
    assert clock.is_half_hour(moment)
