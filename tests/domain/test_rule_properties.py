"""The rules across records against plain restatements of them, for series and bid-offer pairs of
any kind, around the days on which clocks change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.domain import clock
from messaging.domain.redeclarations import ScalarParameter
from messaging.domain.rules import Circumstances, file_violations
from messaging.domain.submissions import (
    BidOfferRecord,
    LevelRecord,
    Record,
    ScalarRecord,
    SeriesParameter,
    Submission,
)

HALF_HOUR, MINUTE = timedelta(minutes=30), timedelta(minutes=1)
# An ordinary day, and those of 46 and 50 settlement periods.
DAYS = st.sampled_from([date(2026, 11, 23), date(2026, 3, 29), date(2026, 10, 25)])
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def found(records: Sequence[Record], now: datetime = LONG_AGO) -> dict[str, set[int]]:
    """Indices of the records at fault, by rule."""
    submission = Submission("AGENT", 1, tuple(records))
    by_rule: dict[str, set[int]] = {}
    for one in file_violations(submission, Circumstances(now)).refusals.listed:
        assert isinstance(one.path[1], int)
        by_rule.setdefault(one.rule, set()).add(one.path[1])
    return by_rule


# Series.

spans = st.tuples(st.integers(0, 240), st.integers(1, 70))


@st.composite
def series(draw: st.DrawFn) -> tuple[LevelRecord, ...]:
    """Notifications of one unit, at random or mostly on half-hours, in any order."""
    start = clock.start_of_day(draw(DAYS))
    step = draw(st.sampled_from([1, 10, 30]))
    drawn = draw(st.lists(spans, min_size=1, max_size=6))
    return tuple(
        LevelRecord(
            *(SeriesParameter.PN, "TBMU-1", start + MINUTE * (begin // step * step), 0),
            *(start + MINUTE * ((begin + length) // step * step + step), 0),
        )
        for begin, length in drawn
    )


@st.composite
def whole_days(draw: st.DrawFn) -> tuple[LevelRecord, ...]:
    """Each settlement period of a day cut into pieces: nothing is wrong with it."""
    records = []
    for start in clock.periods_of(draw(DAYS)):
        cuts = draw(st.sets(st.integers(1, 29), max_size=2))
        for begin, end in pairwise([0, *sorted(cuts), 30]):
            times = start + MINUTE * begin, start + MINUTE * end
            records.append(LevelRecord(SeriesParameter.PN, "TBMU-1", times[0], 1, times[1], 2))
    return tuple(draw(st.permutations(records)))


def minutes_of(record: LevelRecord) -> set[datetime]:
    """The minutes that a record covers, each by its start."""
    length = (record.time_to - record.time_from) // MINUTE
    return {record.time_from + MINUTE * index for index in range(length)}


@settings(deadline=None)
@given(whole_days())
def test_a_day_covered_piece_by_piece_breaks_no_rule(records: tuple[LevelRecord, ...]) -> None:
    assert not found(records)
    periods = {clock.period_of(record.time_from) for record in records}
    assert len(periods) in (46, 48, 50)


@settings(deadline=None)
@given(whole_days(), st.data())
def test_a_day_that_lacks_a_piece_is_refused_unless_it_was_a_whole_half_hour(
    records: tuple[LevelRecord, ...], data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(records))
    left = [record for record in records if record is not gone]
    whole = gone.time_to - gone.time_from == HALF_HOUR
    assert found(left).keys() == (set() if whole else {"notification-cover"})


@settings(deadline=None)
@given(series())
def test_an_overlap_is_found_where_two_records_share_a_minute(
    records: tuple[LevelRecord, ...],
) -> None:
    minutes = [minutes_of(record) for record in records]
    shared = any(one & other for index, one in enumerate(minutes) for other in minutes[index + 1 :])
    assert ("series-overlap" in found(records)) == shared


@settings(deadline=None)
@given(series())
def test_cover_is_found_wanting_where_a_half_hour_is_covered_in_part(
    records: tuple[LevelRecord, ...],
) -> None:
    covered = set().union(*map(minutes_of, records))
    touched = {clock.half_hour_of(minute) for minute in covered}
    partly = any(start + MINUTE * index not in covered for start in touched for index in range(30))
    assert ("notification-cover" in found(records)) == partly


@settings(deadline=None)
@given(series())
def test_a_record_must_start_at_every_half_hour_that_one_runs_over(
    records: tuple[LevelRecord, ...],
) -> None:
    crossing = {
        index
        for index, record in enumerate(records)
        if any(
            minute != record.time_from and clock.is_half_hour(minute)
            for minute in minutes_of(record)
        )
    }
    assert found(records).get("notification-starts", set()) == crossing


@given(series(), st.integers(-300, 300))
def test_late_is_what_starts_before_the_last_gate_closed_period(
    records: tuple[LevelRecord, ...], past: int
) -> None:
    now = records[0].time_from + MINUTE * past
    # Said without the calendar: the gate of the half-hour after the one it starts in had closed.
    late = {
        index
        for index, record in enumerate(records)
        if clock.half_hour_of(record.time_from) + HALF_HOUR - timedelta(hours=1) <= now
    }
    assert found(records, now).get("notification-late", set()) == late


# Bid-offer pairs.

prices = st.integers(-3, 3).map(Decimal)
numbers = st.sampled_from([-5, -4, -3, -2, -1, 1, 2, 3, 4, 5])


@st.composite
def pairs(draw: st.DrawFn) -> tuple[BidOfferRecord, ...]:
    """Pairs of two units over up to four settlement periods, in any order."""
    start = clock.start_of_day(draw(DAYS)) + timedelta(hours=1)
    records = []
    for _ in range(draw(st.integers(1, 9))):
        begin, length = draw(st.integers(0, 3)), draw(st.integers(1, 3))
        bid, offer = sorted([draw(prices), draw(prices)])
        unit = draw(st.sampled_from(["TBMU-1", "TBMU-2"]))
        times = start + HALF_HOUR * begin, start + HALF_HOUR * (begin + length)
        number = draw(st.integers(-3, 3)) or 4
        records.append(BidOfferRecord(unit, *times, number, 0, 0, offer, bid))
    return tuple(records)


@st.composite
def ladders(draw: st.DrawFn) -> tuple[BidOfferRecord, ...]:
    """Good pairs for every settlement period of a day, in any order."""
    records: list[BidOfferRecord] = []
    for start in clock.periods_of(draw(DAYS)):
        below, above = draw(st.integers(0, 5)), draw(st.integers(0, 5))
        count = below + above
        bids = sorted(draw(st.lists(prices, min_size=count, max_size=count)))
        for number, bid in zip([*range(-below, 0), *range(1, above + 1)], bids, strict=True):
            level = 10 * number
            end = start + HALF_HOUR
            records.append(BidOfferRecord("TBMU-1", start, end, number, level, level, bid + 5, bid))
    return tuple(draw(st.permutations(records)))


def periods_of(records: Sequence[BidOfferRecord]) -> list[list[BidOfferRecord]]:
    """The pairs of one unit that hold in one half-hour, for each there is."""
    held: dict[tuple[str, datetime], list[BidOfferRecord]] = {}
    for record in records:
        for index in range((record.time_to - record.time_from) // HALF_HOUR):
            key = record.bm_unit, record.time_from + HALF_HOUR * index
            held.setdefault(key, []).append(record)
    return list(held.values())


def is_doubled(period: Sequence[BidOfferRecord]) -> bool:
    return len({record.pair_number for record in period}) < len(period)


def has_gap(period: Sequence[BidOfferRecord]) -> bool:
    held = {record.pair_number for record in period}
    return any(
        number not in held
        for record in period
        for number in (
            range(1, record.pair_number) if record.pair_number > 0 else range(record.pair_number, 0)
        )
    )


def falls(period: Sequence[BidOfferRecord], name: str) -> bool:
    return any(
        lower.pair_number < upper.pair_number and getattr(upper, name) < getattr(lower, name)
        for lower in period
        for upper in period
    )


@settings(deadline=None)
@given(ladders())
def test_good_pairs_for_every_period_of_a_day_break_no_rule(
    records: tuple[BidOfferRecord, ...],
) -> None:
    assert not found(records)


@settings(deadline=None, max_examples=300)
@given(pairs())
def test_pairs_are_judged_as_if_every_half_hour_were_looked_at_by_itself(
    records: tuple[BidOfferRecord, ...],
) -> None:
    broken, periods = found(records), periods_of(records)
    assert ("pair-overlap" in broken) == any(map(is_doubled, periods))
    if "pair-overlap" in broken:
        return  # Which of two pairs counts then is nobody's to say.
    assert ("pair-contiguous" in broken) == any(map(has_gap, periods))
    assert ("offer-order" in broken) == any(falls(one, "offer_price") for one in periods)
    assert ("bid-order" in broken) == any(falls(one, "bid_price") for one in periods)


# Effective times.


@given(DAYS, st.integers(-3000, 3000), st.integers(-2, 3))
def test_dynamic_data_may_take_effect_at_operational_days_to_come_and_at_no_other_time(
    day: date, past: int, ahead: int
) -> None:
    start = clock.operational_day_start(day)
    now = start + MINUTE * past
    moment = clock.operational_day_start(day + timedelta(days=ahead))
    records = [
        ScalarRecord(ScalarParameter.NDZ, "TBMU-1", moment + MINUTE * by, 1) for by in (0, 30, 60)
    ]
    good = set() if moment <= now else {0}
    assert found(records, now)["effective-time"] == {0, 1, 2} - good
