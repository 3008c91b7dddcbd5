"""Reads a parsed TOML table and keeps note of every fault with its place, instead of stopping at
the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class ProfileFault:
    """`place` leads through the file: `layouts.nack.fields[1].size`."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class Table:
    """One table of a profile file. What it holds badly reads as a stand-in, and as a fault in
    `faults`.
    """

    def __init__(self, content: object, place: str, faults: list[ProfileFault]) -> None:
        self.place = place
        self.faults = faults
        self._content: dict[str, object] = {}
        self._asked: set[str] = set()
        if isinstance(content, dict):
            self._content = content
        else:
            self.fault("", "must be a table")

    def fault(self, key: str, text: str) -> None:
        place = ".".join(part for part in (self.place, key) if part)
        self.faults.append(ProfileFault(place, text))

    def names(self) -> tuple[str, ...]:
        return tuple(self._content)

    def has(self, key: str) -> bool:
        return key in self._content

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, default)
        if isinstance(value, str):
            return value
        self.fault(key, "must be text")
        return ""

    def character(self, key: str) -> str:
        value = self.text(key)
        if len(value) != 1 or not value.isascii():
            self.fault(key, "must be one ASCII character")
            return "?"
        return value

    def whole(self, key: str, least: int, most: int, default: int | None = None) -> int:
        value = self._get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.fault(key, f"must be a whole number from {least} to {most}")
        return least

    def yes(self, key: str, default: bool | None = None) -> bool:
        value = self._get(key, default)
        if isinstance(value, bool):
            return value
        self.fault(key, "must be true or false")
        return False

    def choice(self, key: str, kinds: type[Choice]) -> Choice:
        value = self._get(key, None)
        kind = next((kind for kind in kinds if kind.value == value), None)
        if kind is None:
            self.fault(key, f"must be one of {', '.join(kinds)}")
            return next(iter(kinds))
        return kind

    def table(self, key: str) -> Table:
        return Table(self._get(key, None), f"{self.place}.{key}".lstrip("."), self.faults)

    def tables(self, key: str) -> Iterator[tuple[str, Table]]:
        """The tables under `key` by their names."""
        inner = self.table(key)
        for name in inner.names():
            yield name, inner.table(name)

    def rows(self, key: str) -> Iterator[Table]:
        value = self._get(key, None)
        if not isinstance(value, list):
            self.fault(key, "must be a list of tables")
            return
        for index, row in enumerate(value):
            yield Table(row, f"{self.place}.{key}[{index}]".lstrip("."), self.faults)

    def nothing_else(self) -> None:
        """Every key nobody asked for is a fault: it is misspelt, or meant for another program."""
        for key in self._content:
            if key not in self._asked:
                self.fault(key, "is not known here")

    def _get(self, key: str, default: object) -> object:
        self._asked.add(key)
        value = self._content.get(key, default)
        if value is None:
            self.fault(key, "is missing")
        return value
