"""Until when a message is worth sending, and when a try follows a try: tables, and what holds of
any times whatever.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

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
from messaging.relay.deadlines import (
    ANSWER,
    ASKED_AT_MOST,
    JITTER,
    REDECLARATION,
    REGISTRATION,
    REPLY_FILE,
    SUBMISSION,
    Schedule,
    answer_within,
    held_until,
    pause_after,
    pause_asked,
    submission_deadline,
    time_for,
)
from messaging.relay.deadlines_page import page

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


SCHEDULES = [ANSWER, REDECLARATION, SUBMISSION, REGISTRATION, REPLY_FILE]
spans = st.timedeltas(timedelta(microseconds=1), timedelta(days=2))
asked = st.none() | st.floats(0, 99_999_999)


@given(spans, st.timedeltas(timedelta(days=-1), timedelta(days=1)))
def test_no_try_starts_after_the_deadline_and_none_lasts_beyond_it(
    within: timedelta, ahead: timedelta
) -> None:
    left = time_for(within, NOW + ahead, NOW)
    if ahead <= timedelta(0):
        assert left is None
    else:
        assert left is not None
        assert timedelta(0) < left <= within
        assert NOW + left <= NOW + ahead


@given(st.sampled_from(SCHEDULES), st.integers(1, 10_000), st.uuids())
def test_a_pause_is_the_schedules_and_up_to_a_quarter_more_and_always_the_same(
    schedule: Schedule, attempts: int, seed: object
) -> None:
    plain = pause_after(schedule, attempts)
    assert plain.total_seconds() in schedule.pauses
    spread = pause_after(schedule, attempts, str(seed))
    assert plain <= spread <= plain * (1 + JITTER)
    assert spread == pause_after(schedule, attempts, str(seed))


def test_what_failed_together_does_not_come_again_together() -> None:
    pauses = {pause_after(REDECLARATION, 8, f"delivery {n}") for n in range(100)}
    assert len(pauses) == 100


@given(spans, asked)
def test_a_peer_that_asks_for_longer_gets_it_within_bounds(
    pause: timedelta, retry_after: float | None
) -> None:
    waited = pause_asked(pause, retry_after)
    assert waited >= pause
    if retry_after is None:
        assert waited == pause
    else:
        assert waited >= min(timedelta(seconds=retry_after), ASKED_AT_MOST)
        assert waited <= max(pause, ASKED_AT_MOST)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [(None, 5), (0, 1), (1, 1), (90, 90), (600, 600), (3600, 3600), (86_400, 3600)],
)
def test_an_operator_that_is_out_is_left_alone_as_long_as_it_says(
    retry_after: float | None, seconds: int
) -> None:
    assert held_until(NOW, retry_after) == NOW + timedelta(seconds=seconds)
    spread = held_until(NOW, retry_after, "a delivery") - NOW
    assert timedelta(seconds=seconds) <= spread <= timedelta(seconds=seconds) * (1 + JITTER)


@pytest.mark.parametrize(
    ("kind", "schedule"),
    [
        ("ACCEPT", ANSWER),
        ("REJECT", ANSWER),
        ("MEL", REDECLARATION),
        ("SUBMISSION", SUBMISSION),
        ("REJ_FILE", REPLY_FILE),
    ],
)
def test_each_class_has_a_schedule_of_its_own(kind: str, schedule: Schedule) -> None:
    assert deadlines.schedule_of(kind) is schedule


def test_the_documentation_has_the_tables_as_they_are() -> None:
    promises = (settings.BASE_DIR / "docs" / "promises.md").read_text(encoding="utf-8")
    start = promises.index("## Time\n")
    following = promises.find("\n## ", start)
    assert promises[start : following if following >= 0 else None].rstrip() == page().rstrip()
