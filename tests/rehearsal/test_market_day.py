"""Rows become a day's messages, and its times move to now by whole half-hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from messaging.domain.instructions import BidOfferAcceptance
from messaging.domain.profile import Segment, unjoined, unordered
from messaging.domain.redeclarations import LevelParameter
from messaging.domain.rules import violations
from messaging.rehearsal.market import day as days
from messaging.rehearsal.market import rows as data
from tests.rehearsal.sample import ACCEPTANCES, DAY, SEGMENTS, write_sample

NOW = datetime(2026, 11, 22, 14, 7, 30, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sample(tmp_path)


@pytest.fixture
def acceptances(folder: Path) -> days.Acceptances:
    return days.acceptances_of(data.read_rows(folder / "boalf.csv", data.acceptance_row), DAY)


def named(messages: tuple[BidOfferAcceptance, ...]) -> list[tuple[str, int]]:
    return [(one.bm_unit, one.number) for one in messages]


def test_acceptances_come_in_the_order_they_were_given(acceptances: days.Acceptances) -> None:
    assert named(acceptances.messages) == [
        ("SMPL-1", 100),
        ("SMPL-1", 101),
        ("SMPL-2", 7),
        ("SMPL-2", 9),
        ("SMPL-1", 102),
    ]
    assert len(acceptances.messages) == ACCEPTANCES


def test_an_acceptance_over_midnight_is_whole_and_belongs_to_the_day_it_starts_on(
    acceptances: days.Acceptances,
) -> None:
    over_midnight = acceptances.messages[-1]
    assert [one.level_to for one in over_midnight.levels] == [0, 30]
    assert acceptances.rows == SEGMENTS


def test_deemed_ones_and_the_next_day_s_are_left_out(acceptances: days.Acceptances) -> None:
    assert not {("SMPL-2", 10), ("SMPL-2", 11)} & set(named(acceptances.messages))
    assert acceptances.deemed == 1


def test_segments_are_in_order_and_a_step_stays(acceptances: days.Acceptances) -> None:
    levels = acceptances.messages[0].levels
    assert not list(unordered(levels))
    assert not list(unjoined(levels))
    assert (levels[1].level_to, levels[2].level_from) == (20, 25)


@pytest.mark.parametrize(
    ("first", "now", "hours"),
    [
        (datetime(2024, 2, 29, 10, 0, tzinfo=UTC), datetime(2024, 2, 29, 12, 0, tzinfo=UTC), 2.0),
        (datetime(2024, 2, 29, 10, 29, tzinfo=UTC), datetime(2024, 2, 29, 12, 0, tzinfo=UTC), 2.0),
        (datetime(2024, 2, 29, 10, 0, tzinfo=UTC), datetime(2024, 2, 29, 12, 1, tzinfo=UTC), 2.5),
        (datetime(2024, 2, 29, 10, 31, tzinfo=UTC), datetime(2024, 2, 29, 9, 59, tzinfo=UTC), -0.5),
    ],
)
def test_the_shift_is_whole_half_hours_and_leads_nothing_into_the_past(
    first: datetime, now: datetime, hours: float
) -> None:
    shift = days.shift_to(first, now)
    assert shift == timedelta(hours=hours)
    assert first + shift >= now


def test_shifted_acceptances_break_no_rule_and_keep_their_distances(
    acceptances: days.Acceptances,
) -> None:
    by = days.shift_to(acceptances.messages[0].accepted_at, NOW)
    for message in acceptances.messages:
        moved = days.shifted(message, by)
        assert violations(moved, NOW) == ()
        assert moved.accepted_at - message.accepted_at == by
        assert days.past_gate(moved) == days.past_gate(message)


@pytest.mark.parametrize(("minutes", "past"), [(90, False), (91, True)])
def test_the_gate_closes_an_hour_before_its_period(minutes: int, past: bool) -> None:
    """At 10:00 the last closed period is that of 11:00, which ends at 11:30."""
    given = datetime(2024, 2, 29, 10, 0, tzinfo=UTC)
    segment = Segment(given, 10, given + timedelta(minutes=minutes), 10)
    message = BidOfferAcceptance("CP1", "SMPL-1", 1, given, False, False, False, False, (segment,))
    assert days.past_gate(message) is past


def test_numbers_stay_as_they_are_until_they_have_been_given(
    acceptances: days.Acceptances,
) -> None:
    assert days.renumbered(acceptances.messages, {}) == acceptances.messages
    again = days.renumbered(acceptances.messages, {"SMPL-1": 102, "SMPL-2": 3})
    assert named(again) == [
        ("SMPL-1", 103),
        ("SMPL-1", 104),
        ("SMPL-2", 7),
        ("SMPL-2", 9),
        ("SMPL-1", 105),
    ]


def test_limits_become_one_series_for_each_unit(folder: Path) -> None:
    rows = data.read_rows(folder / "mel.csv", data.level_row)
    (series,) = days.limits_of(rows, DAY, LevelParameter.MEL)
    assert (series.bm_unit, [one.level_from for one in series.levels]) == ("SMPL-1", [60, 45])
    by = days.shift_to(series.levels[0].time_from, NOW)
    assert violations(days.shifted_limit(series, by), NOW) == ()


def test_rates_come_in_the_order_they_were_declared(folder: Path) -> None:
    declared = days.rates_of(data.read_rows(folder / "dynamic.csv", data.rate_row))
    assert [(one.bm_unit, len(one.rates)) for one in declared] == [
        ("SMPL-2", 1),
        ("SMPL-2", 3),
        ("SMPL-1", 2),
    ]
