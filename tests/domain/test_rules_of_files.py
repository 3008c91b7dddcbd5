"""Each rule for records of a submission: what breaks it, where it is found, and what does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from messaging.domain.redeclarations import RateParameter, ScalarParameter
from messaging.domain.rules import (
    BY_ID,
    Circumstances,
    Found,
    Violation,
    file_violations,
    violations,
)
from messaging.domain.submissions import Record, SeriesParameter, Submission
from messaging.domain.units import FileCode, RefusalCode
from tests.domain.filing import (
    DAY,
    NOW,
    at,
    broken,
    find,
    level,
    pair,
    rates,
    refusals,
    scalar,
)

MEL, MIL, QPN = SeriesParameter.MEL, SeriesParameter.MIL, SeriesParameter.QPN
MDO, MDB = SeriesParameter.MDO, SeriesParameter.MDB

GOOD: dict[str, tuple[Record, ...]] = {
    "a half-hour": (level(),),
    "a half-hour in pieces": (level(0, 7), level(7, 8), level(8, 30)),
    "half-hours apart": (level(0, 30), level(60, 90)),
    "records in any order": (level(30, 60), level(0, 30)),
    "a step in level": (level(0, 30, 0, 50), level(30, 60, 0, 0)),
    "the lowest and highest levels": (level(first=-9999, last=9999),),
    "a limit for a day": (level(0, 1440, 5, 5, MEL),),
    "a limit in pieces": (level(0, 10, -5, -5, MIL), level(10, 30, -9, 0, MIL)),
    "the same time of other units and parameters": (
        *(level(), level(unit="TBMU-2"), level(parameter=QPN), level(parameter=MEL)),
        *(level(parameter=MIL), level(parameter=MDO), level(parameter=MDB)),
    ),
    "one pair": (pair(),),
    "one pair below": (pair(-1),),
    "ten pairs": tuple(pair(n, str(60 + n), str(40 + n)) for n in (*range(-5, 0), *range(1, 6))),
    "pairs in any order": (pair(2, "70"), pair(-1, "50", "30"), pair(1)),
    "equal prices": (pair(1, "50", "50"), pair(2, "50", "50"), pair(-1, "50", "50")),
    "a pair for a day beside others for a part of it": (
        pair(1, time_to=at(1440)),
        pair(2, time_from=at(60), time_to=at(120)),
        pair(3, time_from=at(60), time_to=at(90)),
    ),
    "pairs one after the other": (pair(1), pair(1, "1", "0", time_from=at(30), time_to=at(60))),
    "one rate": (rates(),),
    "rates that run up": (
        rates(elbow2=-50, rate2=Decimal("999.9"), elbow3=0, rate3=Decimal("0.1")),
    ),
    "rates that run down": (
        rates(RateParameter.RDRE, elbow2=0, rate2=Decimal(1), elbow3=-50, rate3=Decimal(1)),
    ),
    "scalars": tuple(scalar(kind, 0) for kind in ScalarParameter),
    "scalars at their highest": (
        *(scalar(ScalarParameter.NDZ, 999), scalar(ScalarParameter.NTO, 99999)),
        *(scalar(ScalarParameter.SEL, 9999), scalar(ScalarParameter.SIL, -9999)),
    ),
    "a later operational day": (scalar(when=DAY + timedelta(days=7)),),
}

BAD: list[tuple[tuple[Record, ...], str, int, str]] = [
    ((level(unit="OTHERS-1"),), "unit-yours", 1, "bm_unit"),
    ((scalar(), replace(pair(), bm_unit="OTHERS-1")), "unit-yours", 2, "bm_unit"),
    ((level(first=10000),), "level-range", 1, "level_from"),
    ((level(last=-10000),), "level-range", 1, "level_to"),
    ((pair(level_to=10000),), "level-range", 1, "level_to"),
    ((level(0, 30, -1, 0, MEL),), "level-sign", 1, "level_from"),
    ((level(0, 30, 0, 1, MIL),), "level-sign", 1, "level_to"),
    ((level(0, 30, 0, -1, MDO),), "level-sign", 1, "level_to"),
    ((level(0, 30, 1, 0, MDB),), "level-sign", 1, "level_from"),
    ((level(30, 30),), "time-order", 1, "time_to"),
    ((level(30, 0),), "time-order", 1, "time_to"),
    ((pair(time_to=at(0)),), "time-order", 1, "time_to"),
    ((level(), level()), "series-overlap", 2, "time_from"),
    ((level(0, 30), level(30, 60), level(29, 30)), "series-overlap", 3, "time_from"),
    ((level(0, 120, 0, 0, MEL), level(30, 60, 0, 0, MEL)), "series-overlap", 2, "time_from"),
    # Within the longest, though not within the one before it.
    (
        (level(0, 240, 0, 0, QPN), level(30, 60, 0, 0, QPN), level(90, 120, 0, 0, QPN)),
        *("series-overlap", 3, "time_from"),
    ),
    ((level(5, 30),), "notification-cover", 1, "time_from"),
    ((level(0, 25),), "notification-cover", 1, "time_to"),
    ((level(0, 10), level(11, 30)), "notification-cover", 1, "time_to"),
    ((level(0, 10), level(11, 30)), "notification-cover", 2, "time_from"),
    ((level(0, 30), level(65, 90)), "notification-cover", 2, "time_from"),
    ((level(0, 60),), "notification-starts", 1, "time_to"),
    ((level(0, 20), level(20, 40), level(40, 60)), "notification-starts", 2, "time_to"),
    ((level(0, 1440),), "notification-starts", 1, "time_to"),
    ((level(0, 25, 1, 1, MEL),), "limit-cover", 1, "time_to"),
    ((level(5, 30, 0, 0, QPN),), "limit-cover", 1, "time_from"),
    ((pair(time_from=at(15)),), "pair-boundary", 1, "time_from"),
    ((pair(time_to=at(31)),), "pair-boundary", 1, "time_to"),
    ((pair(0),), "pair-number", 1, "pair_number"),
    ((pair(6),), "pair-number", 1, "pair_number"),
    ((pair(-6),), "pair-number", 1, "pair_number"),
    ((pair(1, level_from=-1),), "pair-level-sign", 1, "level_from"),
    ((pair(-1, level_to=1),), "pair-level-sign", 1, "level_to"),
    ((pair(offer="100000"),), "price-range", 1, "offer_price"),
    ((pair(bid="-100000"),), "price-range", 1, "bid_price"),
    ((pair(offer="39.99"),), "offer-not-below-bid", 1, "offer_price"),
    ((pair(), pair()), "pair-overlap", 2, "pair_number"),
    ((pair(time_to=at(90)), pair(time_from=at(30), time_to=at(60))),
     "pair-overlap", 2, "pair_number"),
    ((pair(2),), "pair-contiguous", 1, "pair_number"),
    ((pair(-2),), "pair-contiguous", 1, "pair_number"),
    ((pair(1), pair(3)), "pair-contiguous", 2, "pair_number"),
    ((pair(-1), pair(2)), "pair-contiguous", 2, "pair_number"),
    ((pair(1), replace(pair(2), bm_unit="TBMU-2")), "pair-contiguous", 2, "pair_number"),
    # The first is gone before the second is.
    ((pair(1), pair(2, time_to=at(60))), "pair-contiguous", 2, "pair_number"),
    ((pair(1, time_from=at(30), time_to=at(60)), pair(2, time_to=at(60))),
     "pair-contiguous", 2, "pair_number"),
    ((pair(1), pair(2, "59.99")), "offer-order", 2, "offer_price"),
    ((pair(-1, "60.01"), pair(1)), "offer-order", 2, "offer_price"),
    ((pair(1), pair(2, "60", "39.99")), "bid-order", 2, "bid_price"),
    ((rates(rate1=Decimal(0)),), "rate-range", 1, "rate1"),
    ((rates(elbow2=0, rate2=Decimal(1000)),), "rate-range", 1, "rate2"),
    ((rates(elbow2=10000, rate2=Decimal(1)),), "elbow-range", 1, "elbow2"),
    ((rates(elbow2=5, rate2=Decimal(1), elbow3=5, rate3=Decimal(1)),),
     "elbow-order", 1, "elbow3"),
    ((rates(RateParameter.RDRI, elbow2=5, rate2=Decimal(1), elbow3=6, rate3=Decimal(1)),),
     "elbow-order", 1, "elbow3"),
    ((rates(elbow2=0),), "elbow-where-rate", 1, "elbow2"),
    ((rates(rate2=Decimal(1)),), "elbow-where-rate", 1, "elbow2"),
    ((rates(elbow3=5),), "elbow-where-rate", 1, "elbow3"),
    ((rates(elbow3=5, rate3=Decimal(1)),), "elbow-where-rate", 1, "rate3"),
    ((scalar(ScalarParameter.NDZ, 1000),), "scalar-range", 1, "value"),
    ((scalar(ScalarParameter.NTB, -1),), "scalar-range", 1, "value"),
    ((scalar(ScalarParameter.SEL, -1),), "scalar-range", 1, "value"),
    ((scalar(when=DAY + timedelta(minutes=30)),), "effective-time", 1, "effective_time"),
    ((scalar(when=DAY - timedelta(days=1)),), "effective-time", 1, "effective_time"),
    ((rates(effective_time=DAY + timedelta(hours=1)),), "effective-time", 1, "effective_time"),
]  # fmt: skip


@pytest.mark.parametrize("records", GOOD.values(), ids=GOOD)
def test_nothing_is_found_where_nothing_is_wrong(records: tuple[Record, ...]) -> None:
    found = find(*records)
    assert not found.refused
    assert all(one.rule == "notification-capacity" for one in found.warnings.listed)


@pytest.mark.parametrize(("records", "rule", "line", "field"), BAD)
def test_a_broken_rule_is_found_with_its_line_and_field(
    records: tuple[Record, ...], rule: str, line: int, field: str
) -> None:
    assert (rule, line, field) in broken(*records)


@pytest.mark.parametrize(("records", "rule", "line", "field"), BAD)
def test_a_finding_says_its_rules_codes_and_the_value(
    records: tuple[Record, ...], rule: str, line: int, field: str
) -> None:
    (found,) = {
        one.rule: one for one in refusals(*records) if (one.rule, one.line) == (rule, line)
    }.values()
    assert (found.code, found.file_code) == (BY_ID[rule].code, BY_ID[rule].file_code)
    assert found.path[:2] == ("records", line - 1)
    assert found.text
    assert "\n" not in found.text


def test_every_rule_of_files_is_tested_here() -> None:
    ruled = {rule.id for rule in BY_ID.values() if rule.on_file and not rule.only_warns}
    assert {row[1] for row in BAD} | {"notification-late"} == ruled


@pytest.mark.parametrize(
    ("start", "late"),
    [("10:30", True), ("11:00", False), ("10:00", True), ("11:30", False)],
)
def test_no_notification_starts_before_the_last_gate_closed_period(start: str, late: bool) -> None:
    """Received at 10:29, when the last gate to close was that of 11:00."""
    begin = datetime.fromisoformat(f"2026-11-22 {start}+00:00")
    record = replace(level(), time_from=begin, time_to=begin + timedelta(minutes=30))
    found = broken(record, now=NOW + timedelta(minutes=29))
    assert (("notification-late", 1, "time_from") in found) == late
    # Other series may be submitted for any time.
    assert not broken(replace(record, parameter=QPN))


@pytest.mark.parametrize(
    ("capacity", "warned"),
    [(Decimal(50), True), (Decimal("50.5"), True), (Decimal(51), False), (None, False)],
)
def test_a_notification_above_the_registered_capacity_is_a_warning(
    capacity: Decimal | None, warned: bool
) -> None:
    submission = Submission("AGENT", 1, (level(first=-99, last=51),))
    found = file_violations(submission, Circumstances(NOW, {"TBMU-1": capacity}))
    assert not found.refused
    told = [(one.rule, one.field, one.warning) for one in found.warnings.listed]
    assert told == ([("notification-capacity", "level_to", True)] if warned else [])


def test_without_a_register_nobody_asks_whose_a_unit_is() -> None:
    submission = Submission("AGENT", 1, (level(unit="OTHERS-1"),))
    assert not violations(submission, NOW)


def test_another_tenants_unit_is_answered_exactly_as_an_unknown_one() -> None:
    def told(unit: str) -> Violation:
        (found,) = refusals(level(unit=unit))
        return replace(found, value="")

    assert told("OTHERS-1") == told("NOBODYS")


@pytest.mark.parametrize(
    ("now", "effective", "good"),
    [
        ("2026-03-28 12:00", "2026-03-29 04:00", True),
        ("2026-03-28 12:00", "2026-03-29 05:00", False),
        ("2026-10-24 12:00", "2026-10-25 05:00", True),
        ("2026-10-24 12:00", "2026-10-25 04:00", False),
        ("2026-07-01 03:59", "2026-07-01 04:00", True),
        ("2026-07-01 04:00", "2026-07-01 04:00", False),
    ],
)
def test_dynamic_data_takes_effect_at_five_in_london_whatever_the_season(
    now: str, effective: str, good: bool
) -> None:
    moments = [datetime.fromisoformat(f"{text}+00:00") for text in (now, effective)]
    assert broken(scalar(when=moments[1]), now=moments[0]) == (
        set() if good else {("effective-time", 1, "effective_time")}
    )


@pytest.mark.parametrize("year", [1, 9999])
def test_the_ends_of_the_calendar_break_rules_and_nothing_else(year: int) -> None:
    first = datetime(year, 1, 1, tzinfo=UTC)
    last = datetime(year, 12, 31, 23, 59, tzinfo=UTC)
    records = [
        replace(level(parameter=kind), time_from=first, time_to=last) for kind in SeriesParameter
    ]
    records.append(replace(level(), time_from=last, time_to=last))
    found = find(*records, pair(time_from=first, time_to=last), scalar(when=first), rates())
    assert found.refused
    assert not refusals(scalar(when=datetime(9999, 12, 31, 5, tzinfo=UTC)))


def test_only_knowledge_of_the_field_is_turned_into_warnings() -> None:
    wrong = level(0, 30, -10000, 0, MEL)
    found = find(wrong, warn_only=("level-sign", "level-range"))
    assert {one.rule for one in found.refusals.listed} == {"level-range"}
    assert {one.rule for one in found.warnings.listed} == {"level-sign"}
    assert all(one.warning for one in found.warnings.listed)


def test_rules_across_records_say_nothing_of_a_file_that_was_read_in_part() -> None:
    records = (level(0, 10), level(0, 30, 10000, 0), pair(2))
    assert {one.rule for one in find(*records, whole=False).refusals.listed} == {"level-range"}
    assert {one.file_code for one in refusals(*records)} > {FileCode.ACROSS_RECORDS}


def test_findings_are_told_in_the_order_of_lines() -> None:
    found = find(pair(0), scalar(value=-1), level(first=10000), level(60, 60))
    assert [one.line for one in found.in_order()] == [1, 2, 3, 4]


def test_no_more_is_listed_than_is_asked_for_and_warnings_take_no_place_of_refusals() -> None:
    records = tuple(level(index * 30, index * 30 + 30, 200, 200) for index in range(3000))
    found = find(*records, *(scalar(value=-1) for _ in range(3000)))
    assert len(found.warnings.listed) == len(found.refusals.listed) == Found().most == 1000
    assert found.warnings.more
    assert found.refusals.more
    assert {one.rule for one in found.refusals.listed} == {"scalar-range"}


def test_a_submission_is_held_against_the_rules_like_any_message() -> None:
    (found,) = violations(Submission("AGENT", 1, (pair(7),)), NOW)
    assert (found.rule, found.code) == ("pair-number", RefusalCode.OUT_OF_RANGE)
    assert found.path == ("records", 0, "pair_number")
