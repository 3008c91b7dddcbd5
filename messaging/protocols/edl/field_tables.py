"""Reads the tables of a profile that layouts are made of: words, groups, and the fields of parts
and messages. Whether a layout suits its message is for `checking`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from messaging.domain.units import RefusalCode
from messaging.protocols.edl.profile import Formats, Refusal, StyleName
from messaging.protocols.layouts import Field, Kind, Layout, Words
from messaging.protocols.tables import Table

_LONGEST_NUMBER: Final = 18
_LONGEST_TEXT: Final = 100_000
_REFUSALS: Final = "refusals"
_NO_FLAG: Final = Words.of({})


class LayoutReader:
    """Faults are noted where they stand. `words` are the tables of words by their names."""

    def __init__(
        self,
        root: Table,
        style: StyleName,
        formats: Formats,
        refusals: Mapping[RefusalCode, Refusal],
    ) -> None:
        self._root = root
        self._is_fixed = style is StyleName.FIXED
        self._formats = {Kind.TIME: formats.time, Kind.STAMP: formats.stamp}
        self.words = self._read_words(refusals)
        self._groups: dict[str, Layout] = {}
        for name, table in root.tables("groups"):
            self._groups[name] = self._layout(name, table, in_group=True)

    def layouts(self) -> dict[str, Layout]:
        return {name: self._layout(name, table) for name, table in self._root.tables("layouts")}

    def layout(self, key: str, wanted: Mapping[str, Kind]) -> Layout:
        """A part that every message has, with just these fields."""
        table = self._root.table(key)
        layout = self._layout(key, table)
        if self._root.has(key):
            require(self._root, key, layout, wanted)
        for index, field in enumerate(layout.fields):
            if not field.required and field.kind is not Kind.TEXT:
                table.fault(f"fields[{index}].required", f"{field.name} can never be blank")
        return layout

    def _read_words(self, refusals: Mapping[RefusalCode, Refusal]) -> dict[str, Words]:
        written = {str(meaning): refusal.code for meaning, refusal in refusals.items()}
        found = {_REFUSALS: Words.of(written, open=True)}
        for name, table in self._root.tables("words"):
            words = {key: table.text(key) for key in table.names()}
            for key, word in words.items():
                if list(words.values()).count(word) > 1:
                    table.fault(key, f"another meaning is written {word} as well")
            if name == _REFUSALS:
                table.fault("", "is the name of the refusals' own table")
            found.setdefault(name, Words.of(words))
        return found

    def _layout(self, name: str, table: Table, *, in_group: bool = False) -> Layout:
        fields: list[Field] = []
        for row in table.rows("fields"):
            field = self._field(row, fields)
            if any(field.name == one.name for one in fields):
                row.fault("name", f"{field.name} stands twice")
            if self._is_fixed and field.kind is Kind.SERIES and in_group:
                row.fault("type", "a series within a group needs fields that are delimited")
            if self._is_fixed and fields and fields[-1].kind is Kind.SERIES:
                row.fault("", "nothing can follow a series where positions are fixed")
            fields.append(field)
        if in_group and table.has("fields") and not fields:
            table.fault("fields", "a group has a field at least")
        table.nothing_else()
        return Layout(name, tuple(fields))

    def _field(self, row: Table, before: list[Field]) -> Field:
        kind = row.choice("type", Kind)
        longest = _LONGEST_TEXT if kind is Kind.TEXT else _LONGEST_NUMBER
        format = self._formats.get(kind)
        size = row.whole("size", 1, max(longest, format.size if format else 0))
        if format and row.has("size") and size != format.size:
            row.fault("size", f"a {kind} has {format.size} characters: {format.name}")
        field = Field(
            name=row.text("name"),
            kind=kind,
            start=self._start(row, size, before),
            size=size,
            source=row.source(),
            required=row.yes("required", True),
            places=row.whole("places", 0, size) if kind is Kind.DECIMAL else 0,
            alphabet=row.text("alphabet", "") if kind is Kind.TEXT else "",
            words=self._words_of(row, kind, size),
            least=row.whole("least", 1, 10**size - 1) if kind is Kind.SERIES else 1,
            group=self._group_of(row) if kind is Kind.SERIES else None,
            format=format,
        )
        row.nothing_else()
        return field

    def _start(self, row: Table, size: int, before: list[Field]) -> int:
        """Where positions are fixed, in characters; else which field it is."""
        if not self._is_fixed:
            return len(before) + 1
        free = before[-1].start + before[-1].size if before else 1
        start = row.whole("start", 1, _LONGEST_TEXT, free)
        if start < free:
            row.fault("start", f"{start} overlaps {before[-1].name}, which ends at {free - 1}")
        if start + size - 1 > _LONGEST_TEXT:
            row.fault("start", f"ends after character {_LONGEST_TEXT}")
        return start

    def _words_of(self, row: Table, kind: Kind, size: int) -> Words | None:
        if kind is not Kind.FLAG and not (kind is Kind.TEXT and row.has("words")):
            return None
        name = row.text("words")
        found = self.words.get(name)
        if found is None:
            if name:
                row.fault("words", f"no table of words is called {name}")
            return _NO_FLAG if kind is Kind.FLAG else None
        long = [word for word in found.meant if len(word) > size]
        if long:
            row.fault("words", f"{long[0]} is longer than {size} characters")
        if kind is Kind.FLAG and set(found.written) != {"yes", "no"}:
            row.fault("words", "a flag takes the words yes and no")
        return found

    def _group_of(self, row: Table) -> Layout | None:
        name = row.text("group")
        found = self._groups.get(name)
        if found is None and name:
            row.fault("group", f"no group that stands before is called {name}")
        return found


def require(
    table: Table,
    key: str,
    layout: Layout,
    fields: Mapping[str, Kind],
    extra: Mapping[str, Kind] | None = None,
) -> None:
    """Notes which of `fields` a layout lacks, and which it has that are in neither."""
    kinds = {field.name: field.kind for field in layout.fields}
    for name, kind in fields.items():
        if kinds.get(name) is not kind:
            table.fault(key, f"{layout.name} must have a field {name} of type {kind}")
    for name, found in kinds.items():
        if name not in fields and (extra or {}).get(name) is not found:
            table.fault(key, f"{layout.name} has a field {name} that nothing is read into")
