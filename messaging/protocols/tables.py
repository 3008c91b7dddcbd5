"""Reads a parsed TOML table and notes every fault with its place, not the first alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class ProfileFault:
    """`place` leads through the file: `layouts.nack.fields[1].size`; `line` counts from 1, 0 where
    it is not known.
    """

    place: str
    text: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(slots=True)
class Findings:
    """What is collected while a file is read. `sources` are the words that an entry's `source` may
    begin with, and what stands behind each.
    """

    faults: list[ProfileFault] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)


class Table:
    """One table of a profile file. What it holds badly reads as a stand-in, and as a fault in
    `findings`.
    """

    def __init__(self, content: object, place: str, findings: Findings) -> None:
        self.place = place
        self.findings = findings
        self._content: dict[str, object] = {}
        self._asked: set[str] = set()
        if isinstance(content, dict):
            self._content = content
        else:
            self.fault("", "must be a table")

    @property
    def faults(self) -> list[ProfileFault]:
        return self.findings.faults

    def fault(self, key: str, text: str) -> None:
        """Noted once, however many messages share what is at fault."""
        found = ProfileFault(".".join(part for part in (self.place, key) if part), text)
        if found not in self.faults:
            self.faults.append(found)

    def names(self) -> tuple[str, ...]:
        return tuple(self._content)

    def has(self, key: str) -> bool:
        return key in self._content

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, default)
        if isinstance(value, str):
            return value
        self._wrong(key, value, "must be text")
        return ""

    def texts(self, key: str) -> frozenset[str]:
        """A list of texts, at least one."""
        value = self._get(key, None)
        if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
            return frozenset(value)
        self._wrong(key, value, "must be a list of texts")
        return frozenset()

    def names_in(self, key: str) -> tuple[str, ...]:
        """A list of texts in their order, none empty."""
        value = self._get(key, None)
        if isinstance(value, list) and value and all(isinstance(n, str) and n for n in value):
            return tuple(value)
        self._wrong(key, value, "must be a list of names")
        return ()

    def source(self, key: str = "source") -> str:
        """Where an entry is known from: a word of the table [sources], alone or before a colon and
        a place in it.
        """
        text = self.text(key)
        if text and text.partition(":")[0] not in self.findings.sources:
            self.fault(key, f"begins with none of the words of [sources]: {text}")
        return text

    def character(self, key: str) -> str:
        value = self._get(key, None)
        if isinstance(value, str) and len(value) == 1 and value.isascii():
            return value
        self._wrong(key, value, "must be one ASCII character")
        return "?"

    def whole(self, key: str, least: int, most: int, default: int | None = None) -> int:
        value = self._get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self._wrong(key, value, f"must be a whole number from {least} to {most}")
        return least

    def yes(self, key: str, default: bool | None = None) -> bool:
        value = self._get(key, default)
        if isinstance(value, bool):
            return value
        self._wrong(key, value, "must be true or false")
        return False

    def choice(self, key: str, kinds: type[Choice]) -> Choice:
        value = self._get(key, None)
        kind = next((kind for kind in kinds if kind.value == value), None)
        if kind is None:
            self._wrong(key, value, f"must be one of {', '.join(kinds)}")
            return next(iter(kinds))
        return kind

    def table(self, key: str) -> Table:
        """A table that is missing is one fault: what it would have held is not missed as well."""
        content = self._get(key, None)
        place = f"{self.place}.{key}".lstrip(".")
        if content is None:
            return Table({}, place, Findings(sources=self.findings.sources))
        return Table(content, place, self.findings)

    def tables(self, key: str) -> Iterator[tuple[str, Table]]:
        """The tables under `key` by their names."""
        inner = self.table(key)
        for name in inner.names():
            yield name, inner.table(name)

    def rows(self, key: str) -> Iterator[Table]:
        value = self._get(key, None)
        if not isinstance(value, list):
            self._wrong(key, value, "must be a list of tables")
            return
        for index, row in enumerate(value):
            yield Table(row, f"{self.place}.{key}[{index}]".lstrip("."), self.findings)

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

    def _wrong(self, key: str, value: object, text: str) -> None:
        """A missing value has had its fault already."""
        if value is not None:
            self.fault(key, text)


def read_sources(root: Table) -> None:
    """The table [sources], which every `source` of the file is held against from then on."""
    table = root.table("sources")
    root.findings.sources.update({name: table.text(name) for name in table.names()})
