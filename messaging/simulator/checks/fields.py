"""Reads single members strictly by kind and notes what is wrong with each; what a message consists
of is not known here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from messaging.simulator.checks.findings import Code, Findings, Path
from messaging.simulator.stamps import read_market_time, read_stamp

_MISSING = object()
_EXCERPT = 40


def count_places(value: Decimal) -> int:
    """Decimal places that matter, exactly: arithmetic would round a long number first."""
    _, digits, exponent = value.as_tuple()
    if not value or not isinstance(exponent, int):
        return 0
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return max(0, -(exponent + zeros))


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object under inspection. Every reader answers None after noting a violation."""

    members: Mapping[str, object]
    path: Path
    findings: Findings

    def note(self, name: str, code: Code, text: str) -> None:
        self.findings.add((*self.path, name), code, text)

    def _get(self, name: str) -> object:
        value = self.members.get(name, _MISSING)
        if value is _MISSING:
            self.note(name, Code.MALFORMED, "required member is missing")
        return value

    def is_null(self, name: str) -> bool:
        return name in self.members and self.members[name] is None

    def has(self, name: str) -> bool:
        return name in self.members

    def text(self, name: str) -> str | None:
        value = self._get(name)
        if isinstance(value, str):
            return value
        if value is not _MISSING:
            self.note(name, Code.MALFORMED, "not a string")
        return None

    def text_or_null(self, name: str) -> str | None:
        return None if self.is_null(name) else self.text(name)

    def one_of(
        self, name: str, allowed: Collection[str], code: Code = Code.RANGE, what: str = "value"
    ) -> str | None:
        value = self.text(name)
        if value is not None and value not in allowed:
            self.note(name, code, f"unknown {what} {value[:_EXCERPT]!a}")
            return None
        return value

    def integer(self, name: str, low: int, high: int) -> int | None:
        value = self._get(name)
        # bool is an int to Python but not to JSON, and 100.0 arrives as a Decimal.
        if type(value) is int:
            return self._within(name, value, low, high)
        if value is not _MISSING:
            self.note(name, Code.MALFORMED, "not an integer")
        return None

    def _within(self, name: str, value: int, low: int, high: int) -> int | None:
        if low <= value <= high:
            return value
        self.note(name, Code.RANGE, f"not within {low}..{high}")
        return None

    def number(self, name: str, low: Decimal, high: Decimal, places: int) -> Decimal | None:
        value = self._get(name)
        if type(value) is int or isinstance(value, Decimal):
            return self._decimal(name, Decimal(value), low, high, places)
        if value is not _MISSING:
            self.note(name, Code.MALFORMED, "not a number")
        return None

    def _decimal(
        self, name: str, value: Decimal, low: Decimal, high: Decimal, places: int
    ) -> Decimal | None:
        if not low <= value <= high:
            self.note(name, Code.RANGE, f"not within {low}..{high}")
            return None
        if count_places(value) > places:
            self.note(name, Code.RANGE, f"more than {places} decimal places")
            return None
        return value

    def stamp(self, name: str) -> datetime | None:
        value = self.text(name)
        stamp = None if value is None else read_stamp(value)
        if value is not None and stamp is None:
            self.note(name, Code.MALFORMED, "not YYYY-MM-DDTHH:MM:SS[.ffffff]Z")
        return stamp

    def market_time(self, name: str) -> datetime | None:
        value = self.text(name)
        stamp = None if value is None else read_market_time(value)
        if value is not None and stamp is None:
            self.note(name, Code.MALFORMED, "not a whole minute as YYYY-MM-DDTHH:MM:00Z")
        return stamp

    def objects(self, name: str) -> Iterator[Fields]:
        """The objects of a list that must not be empty."""
        value = self._get(name)
        if not isinstance(value, list):
            if value is not _MISSING:
                self.note(name, Code.MALFORMED, "not a list")
            return
        if not value:
            self.note(name, Code.MALFORMED, "empty list")
        for index, item in enumerate(value):
            path = (*self.path, name, index)
            if isinstance(item, dict):
                yield Fields(item, path, self.findings)
            else:
                self.findings.add(path, Code.MALFORMED, "not an object")

    def absent(self, names: Collection[str]) -> None:
        for name in names:
            if name in self.members:
                self.note(name, Code.MALFORMED, "does not belong to this type")
