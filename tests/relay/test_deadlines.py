"""Until when a submission is worth sending, by what its records say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from messaging.domain.redeclarations import RateParameter, ScalarParameter
from messaging.domain.submissions import (
    BidOfferRecord,
    LevelRecord,
    RateRecord,
    Record,
    ScalarRecord,
    SeriesParameter,
    Submission,
)
from messaging.relay import deadlines
from messaging.relay.deadlines import answer_within, submission_deadline

NOW = datetime(2026, 11, 22, 10, 10, 30, tzinfo=UTC)
PRICE = Decimal(10)


def day(hour: int, minute: int = 0, days: int = 0) -> datetime:
    return datetime(2026, 11, 22, hour, minute, tzinfo=UTC) + timedelta(days=days)


def pn(start: datetime, end: datetime) -> Record:
    return LevelRecord(SeriesParameter.PN, "TBMU-1", start, 0, end, 0)


def bod(start: datetime, end: datetime) -> Record:
    return BidOfferRecord("TBMU-1", start, end, 1, 50, 50, PRICE, PRICE)


def ndz(effective: datetime) -> Record:
    return ScalarRecord(ScalarParameter.NDZ, "TBMU-1", effective, 5)


def rure(effective: datetime) -> Record:
    return RateRecord(RateParameter.RURE, "TBMU-1", effective, PRICE)


@pytest.mark.parametrize(
    ("records", "deadline"),
    [
        # The gate of a settlement period closes an hour before it starts.
        ([pn(day(12), day(13))], day(11)),
        ([bod(day(12, 30), day(13)), pn(day(12), day(12, 30))], day(11)),
        ([pn(day(12, 10), day(12, 40))], day(11)),
        # A gate that has closed already is no deadline: the next one is.
        ([pn(day(11), day(11, 30)), pn(day(11, 30), day(12))], day(10, 30)),
        # A redeclaration of limits for now, whose gates have all closed: until it says nothing.
        ([pn(day(10), day(10, 30)), pn(day(10, 30), day(11))], day(11)),
        # What is over altogether, the operator may judge for a day.
        ([pn(day(8), day(9))], NOW + timedelta(hours=24)),
        # Dynamic data: until it would take effect.
        ([ndz(day(5, days=1))], day(5, days=1)),
        ([rure(day(5, days=2)), ndz(day(5, days=1))], day(5, days=1)),
        ([ndz(day(5, days=1)), pn(day(12), day(13))], day(11)),
        ([ndz(day(5, days=1)), pn(day(8, days=1), day(9, days=1))], day(5, days=1)),
        ([pn(datetime(1, 1, 1, tzinfo=UTC), day(12))], day(12)),
        ([pn(day(12), datetime(9999, 12, 31, 23, 30, tzinfo=UTC))], day(11)),
    ],
)
def test_the_first_gate_or_day_to_come_is_the_deadline(
    records: list[Record], deadline: datetime
) -> None:
    assert submission_deadline(Submission("AGENT", 1, tuple(records)), NOW) == deadline


def test_the_very_moment_of_a_gate_closure_is_too_late() -> None:
    records = (pn(day(12), day(13)), pn(day(13), day(14)))
    assert submission_deadline(Submission("AGENT", 1, records), day(11)) == day(12)


def test_a_large_body_has_longer_for_its_answer() -> None:
    usual = timedelta(seconds=10)
    assert answer_within(usual, 2_000) == usual
    assert answer_within(usual, 40 << 20) == timedelta(seconds=90)
    assert answer_within(usual, 96 << 20) < deadlines.LARGE_LEASE
