"""The formats that dates and times are written in, by the words that profiles name them with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_MONTHS: Final = (
    "JAN",
    "FEB",
    "MAR",
    "APR",
    "MAY",
    "JUN",
    "JUL",
    "AUG",
    "SEP",
    "OCT",
    "NOV",
    "DEC",
)
_PARTS: Final = re.compile(r"YYYY|MMM|MM|DD|HH|SS|.", re.DOTALL)
_ORDER: Final = ("year", "month", "day", "hour", "minute", "second")


class NotInFormat(ValueError):
    """A text that is no time of the format."""


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """A format by how it looks: `DD-MMM-YYYY HH:MM`. The first MM is the month and the next the
    minutes; MMM is a month's English name in capitals. All times are UTC. There are only those of
    the tables below.
    """

    name: str
    pattern: re.Pattern[str]
    parts: tuple[str, ...]

    @classmethod
    def of(cls, name: str) -> TimeFormat:
        parts = tuple(_parts(name))
        return cls(name, re.compile("".join(map(_pattern, parts))), parts)

    @property
    def size(self) -> int:
        return len(self.name)

    @property
    def literals(self) -> str:
        """The characters that every time of the format has."""
        return "".join(part for part in self.parts if part not in (*_ORDER, "name"))

    def read(self, text: str) -> datetime:
        """Raises NotInFormat."""
        return _read(self.name, text)

    def write(self, moment: datetime) -> str:
        return _write(self.name, moment)


def _parts(name: str) -> Iterator[str]:
    plain = {"YYYY": "year", "DD": "day", "HH": "hour", "SS": "second", "MMM": "name"}
    month_is_told = False
    for part in _PARTS.findall(name):
        if part == "MM":
            yield "minute" if month_is_told else "month"
        else:
            yield plain.get(part, part)
        month_is_told = month_is_told or part in ("MM", "MMM")


def _pattern(part: str) -> str:
    if part == "year":
        return "(?P<year>[0-9]{4})"
    if part == "name":
        return f"(?P<name>{'|'.join(_MONTHS)})"
    return f"(?P<{part}>[0-9]{{2}})" if part in _ORDER else re.escape(part)


def _written(part: str, moment: datetime) -> str:
    if part == "year":
        return f"{moment.year:04d}"
    if part == "name":
        return _MONTHS[moment.month - 1]
    return f"{getattr(moment, part):02d}" if part in _ORDER else part


# Both are cached, since in a series each time stands twice; by name, which is quickly compared.


@lru_cache(maxsize=8192)
def _write(name: str, moment: datetime) -> str:
    return "".join(_written(part, moment) for part in _ALL[name].parts)


@lru_cache(maxsize=8192)
def _read(name: str, text: str) -> datetime:
    found = _ALL[name].pattern.fullmatch(text)
    if found is None:
        raise NotInFormat(f"not a time like {name}")
    told = found.groupdict()
    if "name" in told:
        told["month"] = str(_MONTHS.index(told["name"]) + 1)
    try:
        return datetime(*(int(told.get(part, "0")) for part in _ORDER), tzinfo=UTC)  # type: ignore[arg-type,misc]
    except ValueError:
        raise NotInFormat("no such time") from None


TIMES: Final = {
    name: TimeFormat.of(name)
    for name in ("YYYYMMDDHHMM", "YYYY-MM-DD HH:MM", "DD-MMM-YYYY HH:MM", "DD/MM/YYYY HH:MM")
}
"""Whole minutes."""

STAMPS: Final = {
    name: TimeFormat.of(name)
    for name in (
        "YYYYMMDDHHMMSS",
        "YYYY-MM-DD HH:MM:SS",
        "DD-MMM-YYYY HH:MM:SS",
        "DD/MM/YYYY HH:MM:SS",
    )
}
"""Whole seconds."""

_ALL: Final = {**TIMES, **STAMPS}
