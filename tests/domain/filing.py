"""Submissions that break no rule, to be broken in one place, and what is found in them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from messaging.domain.redeclarations import RateParameter, ScalarParameter
from messaging.domain.rules import Circumstances, Findings, Violation, file_violations
from messaging.domain.submissions import (
    BidOfferRecord,
    LevelRecord,
    RateRecord,
    Record,
    ScalarRecord,
    SeriesParameter,
    Submission,
)

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DAY = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
"""The start of the next operational day."""

HALF_HOUR = timedelta(minutes=30)
UNIT = "TBMU-1"
UNITS: dict[str, Decimal | None] = {UNIT: Decimal(100), "TBMU-2": None}


def at(minutes: float) -> datetime:
    """So many minutes into the day."""
    return DAY + timedelta(minutes=minutes)


def level(
    begin: float = 0,
    end: float = 30,
    first: int = 0,
    last: int = 0,
    parameter: SeriesParameter = SeriesParameter.PN,
    unit: str = UNIT,
) -> LevelRecord:
    """Times in minutes of the day."""
    return LevelRecord(parameter, unit, at(begin), first, at(end), last)


def pair(number: int = 1, offer: str = "60", bid: str = "40", **changes: Any) -> BidOfferRecord:
    side = 50 if number > 0 else -50
    said: dict[str, Any] = {"time_from": at(0), "time_to": at(30), "bm_unit": UNIT}
    said |= {"level_from": side, "level_to": side}
    prices = {"offer_price": Decimal(offer), "bid_price": Decimal(bid)}
    return BidOfferRecord(pair_number=number, **{**said, **prices, **changes})


def rates(parameter: RateParameter = RateParameter.RURE, **changes: Any) -> RateRecord:
    said: dict[str, Any] = {"rate1": Decimal("1.0"), "effective_time": DAY, "bm_unit": UNIT}
    return RateRecord(parameter, **{**said, **changes})


def scalar(
    parameter: ScalarParameter = ScalarParameter.NDZ, value: int = 5, when: datetime = DAY
) -> ScalarRecord:
    return ScalarRecord(parameter, UNIT, when, value)


def find(
    *records: Record, now: datetime = NOW, warn_only: Iterable[str] = (), whole: bool = True
) -> Findings:
    submission = Submission("AGENT", 1, records)
    lines = range(1, len(records) + 1)
    circumstances = Circumstances(now, UNITS)
    return file_violations(submission, circumstances, warn_only, lines=lines, whole=whole)


def refusals(*records: Record, now: datetime = NOW) -> list[Violation]:
    return find(*records, now=now).refusals.listed


def broken(*records: Record, now: datetime = NOW) -> set[tuple[str, int, str]]:
    """The rules broken, each with the line and the field."""
    return {(one.rule, one.line, one.field) for one in refusals(*records, now=now)}
