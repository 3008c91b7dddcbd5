"""Reads a profile's words, groups and layouts; holds a layout against the form it is to carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from messaging.protocols.neso.strict_json import MOST_DIGITS
from messaging.protocols.neso.wa.forms import FORMS, FormSpec
from messaging.protocols.neso.wa.profile import (
    Form,
    Kind,
    Layout,
    Member,
    RecordLayout,
    RecordSet,
    Spelling,
    Words,
)
from messaging.protocols.neso.wa.spellings import PLAIN, SPELLINGS
from messaging.protocols.tables import Table

Within = tuple[str, ...]

_BOUNDED: Final = frozenset({Kind.TEXT, Kind.WHOLE, Kind.LIST, Kind.PAYLOADS, Kind.RECORDS})
_LARGEST: Final = 10**MOST_DIGITS - 1
_MOST_PLACES: Final = 6


@dataclass(frozen=True, slots=True)
class Nesting:
    """In which objects of a payload its parts stand, outermost first; in none where it is flat."""

    envelope: Within = ()
    told_by: Within = ()
    body: Within = ()


def read_nesting(root: Table) -> Nesting:
    if not root.has("nesting"):
        return Nesting()
    table = root.table("nesting")
    places = [read_within(table, key) for key in ("envelope", "told_by", "body")]
    table.source()
    table.nothing_else()
    return Nesting(*places)


def read_within(table: Table, key: str = "within") -> Within:
    return table.names_in(key) if table.has(key) else ()


class Formats:
    """How each kind of value is spelt where a member says nothing else: the table [formats]."""

    def __init__(self, root: Table) -> None:
        self._words: dict[Kind, str] = {}
        if not root.has("formats"):
            return
        table = root.table("formats")
        table.source()
        for kind in SPELLINGS:
            if table.has(kind.value):
                self._words[kind] = table.text(kind.value)
                self._find(table, kind.value, kind, self._words[kind])
        table.nothing_else()

    def spelling_of(self, row: Table, kind: Kind) -> Spelling | None:
        """None is the kind's plain way."""
        if kind in SPELLINGS and row.has("format"):
            return self._find(row, "format", kind, row.text("format"))
        return SPELLINGS.get(kind, {}).get(self._words.get(kind, PLAIN))

    def _find(self, row: Table, key: str, kind: Kind, word: str) -> Spelling | None:
        found = SPELLINGS[kind].get(word)
        if found is None and word != PLAIN:
            row.fault(key, f"must be one of {', '.join([PLAIN, *SPELLINGS[kind]])}")
        return found


class LayoutReader:
    """The tables of a profile that layouts are made of; faults are noted where they stand."""

    def __init__(self, root: Table, formats: Formats, nesting: Nesting) -> None:
        self._root = root
        self._formats = formats
        self._nesting = nesting
        self._words = {name: _read_words(table) for name, table in root.tables("words")}
        self._groups: dict[str, Layout] = {}
        for name, table in root.tables("groups"):
            self._groups[name] = self._layout(name, table)
        self._records = {name: self._record_set(table) for name, table in root.tables("records")}

    def layouts(self) -> dict[str, Layout]:
        body = self._nesting.body
        return {
            name: self._layout(name, table, body) for name, table in self._root.tables("layouts")
        }

    def _layout(self, name: str, table: Table, within: Within = ()) -> Layout:
        members: list[Member] = []
        for row in table.rows("members"):
            member = self._member(row, within)
            if any(meet(member, one) for one in members):
                row.fault("name", "stands twice")
            if any(member.meaning == one.meaning for one in members):
                row.fault("meaning", "stands twice")
            members.append(member)
        table.nothing_else()
        return Layout(name, tuple(members))

    def _member(self, row: Table, within: Within) -> Member:
        kind = row.choice("type", Kind)
        spelling = self._formats.spelling_of(row, kind)
        has_places = spelling is not None and spelling.has_places
        lowest = -_LARGEST if kind is Kind.WHOLE else 0
        bounded = kind in _BOUNDED
        member = Member(
            name=row.text("name"),
            meaning=row.text("meaning"),
            kind=kind,
            source=row.source(),
            null=row.yes("null", False),
            least=row.whole("least", lowest, _LARGEST) if bounded and row.has("least") else None,
            most=row.whole("most", lowest, _LARGEST) if bounded and row.has("most") else None,
            alphabet=row.text("alphabet", "") if kind is Kind.TEXT else "",
            words=self._words_of(row) if kind is Kind.WORD else None,
            group=self._group_of(row) if kind is Kind.LIST else None,
            types=row.texts("types") if kind is Kind.PAYLOADS else frozenset(),
            records=self._records_of(row) if kind is Kind.RECORDS else None,
            absent=row.yes("absent", False),
            within=within + read_within(row),
            spelling=spelling,
            places=row.whole("places", 1, _MOST_PLACES) if has_places else 0,
        )
        if member.null and member.absent:
            row.fault("absent", "a member that may be null is there")
        if member.least is not None and member.most is not None and member.least > member.most:
            row.fault("least", "must not be above most")
        row.nothing_else()
        return member

    def _record_set(self, table: Table) -> RecordSet:
        told_by = Member(table.text("told_by"), "", Kind.TEXT, table.text("source"))
        by_word: dict[str, RecordLayout] = {}
        for word, row in table.tables("types"):
            group = self._group_of(row)
            by_word[word] = RecordLayout(word, row.text("about"), row.text("source"), group)
            if any(meet(member, told_by) for member in group.members):
                row.fault("group", f"{group.name} has {told_by.name}, which is taken")
            row.nothing_else()
        by_about = {layout.about: layout for layout in by_word.values()}
        if len(by_about) != len(by_word):
            table.fault("types", "two of them have the same about")
        table.nothing_else()
        return RecordSet(told_by, by_word, by_about)

    def _records_of(self, row: Table) -> RecordSet:
        found = self._records.get(row.text("records"))
        if found is None:
            row.fault("records", "names no table of records")
        return found or RecordSet(Member("", "", Kind.TEXT, ""), {}, {})

    def _words_of(self, row: Table) -> Words:
        name = row.text("words")
        found = self._words.get(name)
        if found is None and name:
            row.fault("words", f"no table of words is called {name}")
        return found or Words.of({})

    def _group_of(self, row: Table) -> Layout:
        name = row.text("group")
        found = self._groups.get(name)
        if found is None and name:
            row.fault("group", f"no group that stands before is called {name}")
        return found or Layout("", ())


def meet(one: Member, other: Member) -> bool:
    """Whether two members of an object have the same place, or one has the other's way in."""
    return all(a == b for a, b in zip(one.steps, other.steps, strict=False))


def check_form(row: Table, form: Form, layout: Layout) -> None:
    """Notes what `layout` lacks, or has too much, to carry `form`."""
    spec = FORMS[form]
    _check_members(row, layout, spec.members)
    for member in layout.members:
        _check_null(row, layout, member, member.meaning, spec)
        if member.records is not None:
            _check_records(row, member.records, spec)
        if member.words is not None:
            _check_words(row, layout, member, spec.words.get(member.meaning, frozenset()))
        if member.group is not None:
            _check_members(row, member.group, spec.groups.get(member.meaning, {}))
            for one in member.group.members:
                _check_null(row, member.group, one, f"{member.meaning}.{one.meaning}", spec)


def _check_members(row: Table, layout: Layout, wanted: Mapping[str, Kind]) -> None:
    kinds = {member.meaning: member.kind for member in layout.members}
    for meaning, kind in wanted.items():
        if kinds.get(meaning) is not kind:
            row.fault(
                "layout", f"{layout.name} must have a member meaning {meaning} of type {kind}"
            )
    for meaning in kinds:
        if meaning not in wanted:
            row.fault("layout", f"{layout.name} has {meaning}, which has no place in this form")


def _check_null(row: Table, layout: Layout, member: Member, path: str, spec: FormSpec) -> None:
    if member.absent and path not in spec.absent:
        row.fault("layout", f"{layout.name} may leave out {member.name}, which this form needs")
    if member.null and path not in spec.nullable:
        row.fault(
            "layout", f"{layout.name} lets {member.name} be null, which this form cannot hold"
        )


def _check_records(row: Table, records: RecordSet, spec: FormSpec) -> None:
    """Each type of record that the form has, with the members it wants, and no other."""
    for about in sorted(spec.records.keys() ^ records.by_about.keys()):
        row.fault(
            "layout", f"its records must be about {about}, once, and nothing the form has not"
        )
    for about, wanted in spec.records.items():
        found = records.by_about.get(about)
        if found is None:
            continue
        _check_members(row, found.group, wanted)
        for member in found.group.members:
            _check_null(row, found.group, member, f"records.{member.meaning}", spec)


def _check_words(row: Table, layout: Layout, member: Member, meanings: frozenset[str]) -> None:
    if member.words is not None and set(member.words.written) != meanings:
        known = ", ".join(sorted(meanings))
        row.fault("layout", f"{layout.name}: the words of {member.name} must mean {known}")


def _read_words(table: Table) -> Words:
    written = {key: table.text(key) for key in table.names()}
    if len(set(written.values())) != len(written):
        table.fault("", "two meanings have the same word")
    return Words.of(written)
