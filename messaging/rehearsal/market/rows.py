"""Reads files of published market data, by the columns of the Insights data sets, into typed rows.

Which of them make a day, and what is sent of it, is decided elsewhere.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar

from messaging.domain.profile import Segment
from messaging.domain.redeclarations import RateParameter, RateStep
from messaging.domain.units import BM_UNIT_NAME, is_market_time

T = TypeVar("T")


class BadRow(Exception):
    """A row cannot be read; the text says file, line, column and value."""


@dataclass(frozen=True, slots=True)
class AcceptanceRow:
    """One segment of an acceptance."""

    bm_unit: str
    day: date
    number: int
    accepted_at: datetime
    segment: Segment
    deemed: bool
    so_flag: bool
    stor_flag: bool
    rr_flag: bool


@dataclass(frozen=True, slots=True)
class LevelRow:
    """One segment of a notification or of a limit: PN, MEL, MIL."""

    bm_unit: str
    day: date
    period: int
    segment: Segment


@dataclass(frozen=True, slots=True)
class BidOfferRow:
    """One pair of one settlement period; prices in GBP/MWh."""

    bm_unit: str
    day: date
    period: int
    pair: int
    segment: Segment
    bid: Decimal
    offer: Decimal


@dataclass(frozen=True, slots=True)
class RateRow:
    """A declaration of rates, standing from `at` on."""

    bm_unit: str
    day: date
    at: datetime
    parameter: RateParameter
    rates: tuple[RateStep, ...]


class Cells:
    """One row's values by column, each read as what it must be. Raises BadRow."""

    def __init__(self, place: str, values: Mapping[str, str | None]) -> None:
        self._place = place
        self._values = values

    def text(self, column: str) -> str:
        value = self._values.get(column)
        if value is None:
            raise BadRow(f"{self._place}: no column {column}")
        return value.strip()

    def whole(self, column: str) -> int:
        """A whole number; a zero decimal is read."""
        number = self.number(column)
        if number != number.to_integral_value():
            raise self._bad(column)
        return int(number)

    def number(self, column: str) -> Decimal:
        try:
            number = Decimal(self.text(column))
        except InvalidOperation:
            raise self._bad(column) from None
        if not number.is_finite():
            raise self._bad(column)
        return number

    def flag(self, column: str) -> bool:
        value = self.text(column)
        if value not in ("T", "F"):
            raise self._bad(column)
        return value == "T"

    def day(self, column: str) -> date:
        return self.read(column, date.fromisoformat)

    def minute(self, column: str) -> datetime:
        """A market time: a whole minute, in UTC."""
        moment = self.read(column, datetime.fromisoformat)
        if moment.utcoffset() is None:
            raise self._bad(column)
        moment = moment.astimezone(UTC)
        if not is_market_time(moment):
            raise self._bad(column)
        return moment

    def bm_unit(self) -> str:
        column = "nationalGridBmUnit"
        name = self.text(column)
        if not BM_UNIT_NAME.fullmatch(name):
            raise self._bad(column)
        return name

    def segment(self) -> Segment:
        return Segment(
            self.minute("timeFrom"),
            self.whole("levelFrom"),
            self.minute("timeTo"),
            self.whole("levelTo"),
        )

    def read(self, column: str, read: Callable[[str], T]) -> T:
        try:
            return read(self.text(column))
        except ValueError:
            raise self._bad(column) from None

    def _bad(self, column: str) -> BadRow:
        return BadRow(f"{self._place}: {column} is {self._values.get(column)!r:.60}")


def acceptance_row(cells: Cells) -> AcceptanceRow:
    return AcceptanceRow(
        cells.bm_unit(),
        cells.day("settlementDate"),
        cells.whole("acceptanceNumber"),
        cells.minute("acceptanceTime"),
        cells.segment(),
        cells.flag("deemedBoFlag"),
        cells.flag("soFlag"),
        cells.flag("storFlag"),
        cells.flag("rrFlag"),
    )


def level_row(cells: Cells) -> LevelRow:
    day, period = cells.day("settlementDate"), cells.whole("settlementPeriod")
    return LevelRow(cells.bm_unit(), day, period, cells.segment())


def bid_offer_row(cells: Cells) -> BidOfferRow:
    return BidOfferRow(
        cells.bm_unit(),
        cells.day("settlementDate"),
        cells.whole("settlementPeriod"),
        cells.whole("pairId"),
        cells.segment(),
        cells.number("bid"),
        cells.number("offer"),
    )


def rate_row(cells: Cells) -> RateRow:
    """Its time of declaration may have seconds, which only put it in order."""
    parameter = cells.read("dataset", RateParameter)
    at = cells.read("time", datetime.fromisoformat)
    day = cells.day("settlementDate")
    return RateRow(cells.bm_unit(), day, at, parameter, tuple(_steps(cells)))


def _steps(cells: Cells) -> Iterator[RateStep]:
    yield RateStep(cells.number("rate1"), None)
    for elbow, rate in (("elbow2", "rate2"), ("elbow3", "rate3")):
        if cells.text(rate):
            yield RateStep(cells.number(rate), cells.whole(elbow))


def read_rows(path: Path, read: Callable[[Cells], T]) -> tuple[T, ...]:
    """Every row of a file, none where there is no file. Raises BadRow for the first that is bad."""
    if not path.exists():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        return tuple(
            read(Cells(f"{path.name} line {line}", values))
            for line, values in enumerate(reader, start=2)
        )
