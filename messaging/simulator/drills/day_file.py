"""A day of published acceptances, read from a CSV with the columns of the Insights data set BOALF;
playing it is `day.py`'s."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NoReturn

FILE = "boalf.csv"
_MOST_BYTES = 256 * 1024 * 1024
_UNIT = re.compile(r"[A-Z0-9_-]{5,9}", re.ASCII)
_FLAGS = {"T": True, "F": False}
_COLUMNS = (
    "nationalGridBmUnit",
    "settlementDate",
    "acceptanceNumber",
    "acceptanceTime",
    "timeFrom",
    "timeTo",
    "levelFrom",
    "levelTo",
    "deemedBoFlag",
    "soFlag",
    "storFlag",
    "rrFlag",
)


class BadDay(ValueError):
    """The file can't be read as a day; the text says file, line and column."""


@dataclass(frozen=True, slots=True)
class Segment:
    time_from: datetime
    level_from: int
    time_to: datetime
    level_to: int


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One acceptance with all its segments; MW, UTC."""

    bm_unit: str
    day: date
    number: int
    accepted_at: datetime
    segments: tuple[Segment, ...]
    so_flag: bool
    stor_flag: bool
    rr_flag: bool


@dataclass(frozen=True, slots=True)
class DayFile:
    """The acceptances of each day in the file, in the order they were given."""

    days: dict[date, tuple[Acceptance, ...]]

    def fullest(self) -> date:
        return max(self.days, key=lambda day: len(self.days[day]))


def load_day(path: Path) -> DayFile:
    """A CSV, or a folder with `boalf.csv`. Deemed acceptances were never sent to anybody, and are
    left out. Raises BadDay."""
    file = path / FILE if path.is_dir() else path
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise BadDay(f"{file}: over {_MOST_BYTES} bytes")
        with file.open(encoding="utf-8", newline="") as lines:
            found = _group(_Row(file.name, one) for one in _numbered(lines, file.name))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadDay(f"{file}: {error}") from None
    if not found:
        raise BadDay(f"{file}: no acceptance in it")
    return DayFile(found)


def _numbered(lines: Iterable[str], name: str) -> Iterable[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(lines)
    missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise BadDay(f"{name} line 1: no column {', '.join(missing)}")
    for values in reader:
        yield reader.line_num, {column: values[column] or "" for column in _COLUMNS}


class _Row:
    def __init__(self, name: str, numbered: tuple[int, dict[str, str]]) -> None:
        self._name = name
        self._line, self._values = numbered

    def unit(self) -> str:
        text = self._values["nationalGridBmUnit"].strip()
        return text if _UNIT.fullmatch(text) else self._fail("nationalGridBmUnit")

    def whole(self, column: str) -> int:
        """A zero decimal is read."""
        try:
            number = Decimal(self._values[column].strip())
        except InvalidOperation:
            self._fail(column)
        if not number.is_finite() or abs(number) > 10**10 or number != int(number):
            self._fail(column)
        return int(number)

    def minute(self, column: str) -> datetime:
        try:
            moment = datetime.fromisoformat(self._values[column].strip())
        except ValueError:
            self._fail(column)
        if moment.utcoffset() is None or moment.second or moment.microsecond:
            self._fail(column)
        return moment.astimezone(UTC)

    def day(self) -> date:
        try:
            return date.fromisoformat(self._values["settlementDate"].strip())
        except ValueError:
            self._fail("settlementDate")

    def flag(self, column: str) -> bool:
        flag = _FLAGS.get(self._values[column].strip())
        return self._fail(column) if flag is None else flag

    def segment(self) -> Segment:
        low, high = self.minute("timeFrom"), self.minute("timeTo")
        if low >= high:
            self._fail("timeTo")
        return Segment(low, self.whole("levelFrom"), high, self.whole("levelTo"))

    def _fail(self, column: str) -> NoReturn:
        value = self._values[column]
        raise BadDay(f"{self._name} line {self._line}: {column} is {value[:40]!a}")


def _group(rows: Iterable[_Row]) -> dict[date, tuple[Acceptance, ...]]:
    """An acceptance is of the day of its first segment, with its segments of the day after."""
    pieces: defaultdict[tuple[str, int], list[tuple[Segment, _Row]]] = defaultdict(list)
    for row in rows:
        segment, is_deemed = row.segment(), row.flag("deemedBoFlag")
        if not is_deemed:
            pieces[row.unit(), row.whole("acceptanceNumber")].append((segment, row))
    days: defaultdict[date, list[Acceptance]] = defaultdict(list)
    for (unit, number), found in pieces.items():
        found.sort(key=lambda piece: piece[0].time_from)
        first = found[0][1]
        flags = (first.flag("soFlag"), first.flag("storFlag"), first.flag("rrFlag"))
        segments = tuple(segment for segment, _ in found)
        at = first.minute("acceptanceTime")
        made = Acceptance(unit, first.day(), number, at, segments, *flags)
        days[made.day].append(made)
    return {day: tuple(sorted(found, key=_order)) for day, found in sorted(days.items())}


def _order(one: Acceptance) -> tuple[datetime, str, int]:
    return one.accepted_at, one.bm_unit, one.number
