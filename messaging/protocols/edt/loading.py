"""Finds EDT profiles and reads one from its parsed file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from messaging.domain.units import FileCode
from messaging.protocols import loading
from messaging.protocols.base import UnknownProfile
from messaging.protocols.edt.forms import FORMS
from messaging.protocols.edt.profile import (
    EdtProfile,
    Field,
    Form,
    Kind,
    Lines,
    Names,
    RecordLayout,
    Refusal,
    ReplyWords,
)
from messaging.protocols.tables import Table, read_sources

OWN_FOLDER: Final = Path(__file__).parent / "profiles"

_LONGEST: Final = 100
_AGENT: Final = "agent"


def find_profiles(folder: Path | None = None) -> dict[str, Path]:
    """Profile names and files: our own, and those of a vendor's folder."""
    return loading.find_files(OWN_FOLDER, folder)


@cache
def load_profile(name: str, folder: Path | None = None) -> EdtProfile:
    """The profile by name, read once; UnknownProfile or FaultyProfile."""
    path = find_profiles(folder).get(name)
    if path is None:
        raise UnknownProfile(name)
    return read_profile(path)


def read_profile(path: Path) -> EdtProfile:
    """The profile in a file; FaultyProfile with everything that is wrong with it."""
    return loading.read_file(path, OWN_FOLDER, lambda root: _ProfileReader(root).profile())


class _ProfileReader:
    """The tables of one file."""

    def __init__(self, root: Table) -> None:
        self._root = root
        read_sources(root)

    def profile(self) -> EdtProfile:
        root = self._root
        name, title = root.text("name"), root.text("title")
        lines = self._lines(root.table("lines"))
        names = self._names(root.table("names"))
        replies = self._replies(root.table("replies"))
        refusals = self._refusals(root.table("refusals"))
        layouts = {key: self._fields(table) for key, table in root.tables("layouts")}
        records = {code: self._record(code, row, layouts) for code, row in root.tables("records")}
        self._check_records(records, lines)
        root.nothing_else()
        return EdtProfile(
            name,
            title,
            MappingProxyType(root.findings.sources),
            lines,
            names,
            replies,
            MappingProxyType(refusals),
            MappingProxyType(records),
            MappingProxyType({record.about: record for record in records.values()}),
            MappingProxyType({refusal.code: meaning for meaning, refusal in refusals.items()}),
        )

    def _lines(self, table: Table) -> Lines:
        lines = Lines(
            source=table.source(),
            separator=table.text("separator"),
            comments=table.text("comments"),
            blanks=table.text("blanks"),
            last_line_must_end=table.yes("last_line_must_end"),
            max_line=table.whole("max_line", 80, 100_000),
            max_bytes=table.whole("max_bytes", 1, 1_000_000_000),
            max_records=table.whole("max_records", 1, 10_000_000),
        )
        if len(lines.separator) != 1 or not lines.separator.isascii() or lines.separator.isalnum():
            table.fault("separator", "must be one ASCII character, no letter or digit")
        if not set(lines.blanks) <= {" ", "\t"} or lines.separator in lines.blanks:
            table.fault("blanks", "may hold a space and a tab, and not the separator")
        table.nothing_else()
        return lines

    def _names(self, table: Table) -> Names:
        digits = table.whole("digits", 1, 12)
        names = Names(
            source=table.source(),
            submission=table.text("submission"),
            received=table.text("received"),
            accepted=table.text("accepted"),
            rejected=table.text("rejected"),
            digits=digits,
            first=table.whole("first", 0, 10**digits - 2),
            repeat_memory=table.whole("repeat_memory", 1, (10**digits - 1) // 2),
            gap_text=table.text("gap_text"),
        )
        endings = (names.submission, names.received, names.accepted, names.rejected)
        if len(set(endings)) != len(endings) or not all(one.startswith(".") for one in endings):
            table.fault("", "file names must have four different endings, each with a point")
        table.nothing_else()
        return names

    def _replies(self, table: Table) -> ReplyWords:
        replies = ReplyWords(
            source=table.source(),
            title=table.text("title"),
            fault=table.text("fault"),
            end=table.text("end"),
            most_faults=table.whole("most_faults", 2, 200_000),
            more_text=table.text("more_text"),
            max_text=table.whole("max_text", 80, 10_000),
        )
        if replies.fault == replies.end:
            table.fault("end", "must not be the word of a fault")
        table.nothing_else()
        return replies

    def _refusals(self, table: Table) -> dict[FileCode, Refusal]:
        found: dict[FileCode, Refusal] = {}
        for meaning in FileCode:
            entry = table.table(meaning.name)
            found[meaning] = Refusal(entry.text("code"), entry.text("text"), entry.source())
            entry.nothing_else()
        table.nothing_else()
        if len({refusal.code for refusal in found.values()}) != len(found):
            table.fault("", "two of them have the same code")
        return found

    def _fields(self, table: Table) -> tuple[Field, ...]:
        fields: list[Field] = []
        for row in table.rows("fields"):
            field = self._field(row)
            for one in fields:
                if one.name == field.name:
                    row.fault("name", "stands twice")
                if one.meaning == field.meaning:
                    row.fault("meaning", "stands twice")
            fields.append(field)
        table.nothing_else()
        return tuple(fields)

    def _field(self, row: Table) -> Field:
        kind = row.choice("type", Kind)
        sized, decimal = kind is not Kind.TIME, kind is Kind.DECIMAL
        field = Field(
            name=row.text("name"),
            meaning=row.text("meaning"),
            kind=kind,
            source=row.source(),
            size=row.whole("size", 1, _LONGEST) if sized else 0,
            places=row.whole("places", 1, _LONGEST) if decimal else 0,
            zero_decimal=row.yes("zero_decimal", False) if kind is Kind.WHOLE else False,
            required=row.yes("required", True),
            may_end=row.yes("may_end", False),
        )
        if not field.name.isascii() or not field.name.isprintable() or "," in field.name:
            row.fault("name", "must be printable ASCII without a comma")
        row.nothing_else()
        return field

    def _record(
        self, code: str, row: Table, layouts: Mapping[str, tuple[Field, ...]]
    ) -> RecordLayout:
        form, about = row.choice("form", Form), row.text("about")
        fields = layouts.get(row.text("layout"))
        if fields is None:
            row.fault("layout", "names no layout")
        else:
            _check_form(row, form, fields)
        if about not in FORMS[form].abouts:
            row.fault("about", f"must be one of {', '.join(sorted(FORMS[form].abouts))}")
        if code != code.upper() or not code.isalnum():
            row.fault("", "a record type is made of capital letters and digits")
        record = RecordLayout(code, form, about, row.source(), fields or ())
        row.nothing_else()
        return record

    def _check_records(self, records: Mapping[str, RecordLayout], lines: Lines) -> None:
        abouts = [record.about for record in records.values()]
        for spec in FORMS.values():
            for about in sorted(spec.abouts):
                if abouts.count(about) != 1:
                    self._root.fault("records", f"must have one record about {about}")
        if any(code[:1] in lines.comments for code in records):
            self._root.fault("lines.comments", "a record type begins with one of them")


def _check_form(row: Table, form: Form, fields: tuple[Field, ...]) -> None:
    """Notes what a layout lacks, or has too much, to carry `form`."""
    spec = FORMS[form]
    kinds = {field.meaning: field.kind for field in fields}
    for meaning, kind in {_AGENT: Kind.AGENT, **spec.meanings}.items():
        if kinds.get(meaning) is not kind:
            row.fault("layout", f"must have a field meaning {meaning} of type {kind}")
    for field in fields:
        if field.meaning != _AGENT and field.meaning not in spec.meanings:
            row.fault("layout", f"{field.name} has no place in this form")
        if not field.required and field.meaning not in spec.optional:
            row.fault("layout", f"{field.name} can never be blank in this form")
    cut = next((place for place, field in enumerate(fields, start=1) if field.may_end), len(fields))
    for field in fields[cut:]:
        if field.required:
            row.fault("layout", f"a line may end before {field.name}, which is required")
