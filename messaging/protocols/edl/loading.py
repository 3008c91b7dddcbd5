"""Finds profile files and reads them whole: every fault of a file is reported at once, with its
place.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from messaging.domain.units import RefusalCode
from messaging.protocols.base import UnknownProfile
from messaging.protocols.edl.forms import FORMS, NEEDED
from messaging.protocols.edl.profile import (
    EdlProfile,
    Form,
    Framing,
    Limits,
    MessageLayout,
    Refusal,
    Role,
)
from messaging.protocols.edl.tables import ProfileFault, Table
from messaging.protocols.layouts import Field, Kind, Layout, Words

OWN_FOLDER: Final = Path(__file__).parent / "profiles"

_SENDERS: Final[dict[str, frozenset[Role]]] = {
    "host": frozenset({Role.HOST}),
    "control point": frozenset({Role.CONTROL_POINT}),
    "both": frozenset(Role),
}
_FIXED_SIZES: Final = {Kind.TIME: 12, Kind.STAMP: 14}
_LONGEST_NUMBER: Final = 18
_LONGEST_TEXT: Final = 100_000
_HEADER_FIELDS: Final = {
    "type": Kind.TEXT,
    "number": Kind.DIGITS,
    "sent_at": Kind.STAMP,
    "in_reply_to": Kind.DIGITS,
}


class FaultyProfile(Exception):
    """A profile file cannot be used; `faults` is all that is wrong with it."""

    def __init__(self, path: Path, faults: tuple[ProfileFault, ...]) -> None:
        super().__init__(f"{path.name}: " + "; ".join(str(fault) for fault in faults))
        self.path = path
        self.faults = faults


def find_profiles(folder: Path | None = None) -> dict[str, Path]:
    """Profile names and files: our own, and those of an extra `folder`, which may replace one of
    ours.
    """
    folders = [OWN_FOLDER, *([folder] if folder else [])]
    return {path.stem: path for place in folders for path in sorted(place.glob("*.toml"))}


@cache
def load_profile(name: str, folder: Path | None = None) -> EdlProfile:
    """The profile by name, read once; UnknownProfile or FaultyProfile."""
    path = find_profiles(folder).get(name)
    if path is None:
        raise UnknownProfile(name)
    return read_profile(path)


def read_profile(path: Path) -> EdlProfile:
    """The profile in a file; FaultyProfile with everything that is wrong with it."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FaultyProfile(path, (ProfileFault("file", str(error)),)) from error
    faults: list[ProfileFault] = []
    profile = _profile(Table(content, "", faults))
    if not faults and profile.name != path.stem:
        faults.append(ProfileFault("name", f"must be the file's, {path.stem}"))
    if faults:
        raise FaultyProfile(path, tuple(faults))
    return profile


def _profile(root: Table) -> EdlProfile:
    name, title = root.text("name"), root.text("title")
    framing = _framing(root.table("framing"))
    limits = _limits(root.table("limits"))
    refusals = _refusals(root)
    codes = {refusal.code: meaning for meaning, refusal in refusals.items()}
    words = _words(root, refusals)
    groups = {name: _layout(name, table, words, {}) for name, table in root.tables("groups")}
    prefix = _layout("prefix", root.table("prefix"), words, {})
    header = _layout("header", root.table("header"), words, {})
    _require(root, "prefix", prefix, {"control_point": Kind.TEXT})
    _require(root, "header", header, _HEADER_FIELDS)
    for field in header.fields:
        if not field.required and field.kind is not Kind.TEXT:
            root.fault("header", f"{field.name} can never be blank")
    layouts = {name: _layout(name, table, words, groups) for name, table in root.tables("layouts")}
    messages = _messages(root, layouts, header)
    root.nothing_else()
    profile = EdlProfile(
        name,
        title,
        framing,
        limits,
        MappingProxyType(refusals),
        prefix,
        header,
        MappingProxyType(messages),
        MappingProxyType({(m.form, m.about): m for m in messages.values()}),
        MappingProxyType(codes),
    )
    if not root.faults:
        _check_fit(root, profile)
    return profile


def _check_fit(root: Table, profile: EdlProfile) -> None:
    """What the profile itself makes a session say must fit the fields it is said in."""
    number = profile.number_text(profile.limits.number_modulus)
    if len(number) > profile.header.field("number").size:
        root.fault("limits.number_modulus", "has more digits than the header's field")
    for form in (Form.HELLO, Form.READY):
        if len(profile.name) > profile.message(form).data.field("profile").size:
            root.fault("name", f"does not fit the field of {form}")
    said = [refusal.text for refusal in profile.refusals.values()]
    room = profile.message(Form.NACK).data.field("text").size
    if any(len(text) > room for text in [*said, profile.limits.gap_text + number]):
        root.fault("refusals", f"a text is longer than the {room} characters of a nack")


def _framing(table: Table) -> Framing:
    framing = Framing(
        source=table.text("source"),
        part_end=table.character("part_end"),
        message_end=table.character("message_end"),
        tolerated_before_end=table.text("tolerated_before_end", ""),
        replacement=table.character("replacement"),
        max_bytes=table.whole("max_bytes", 1, 100_000_000),
    )
    if framing.replacement == framing.part_end or not framing.replacement.isprintable():
        table.fault("replacement", "must be printable and not part_end")
    if len(framing.tolerated_before_end) > 1:
        table.fault("tolerated_before_end", "must be one character, or empty")
    if framing.message_end.isprintable():
        table.fault("message_end", "must not be printable: it could stand in a text")
    table.nothing_else()
    return framing


def _limits(table: Table) -> Limits:
    limits = Limits(
        source=table.text("source"),
        window=table.whole("window", 1, 100_000),
        answer=timedelta(seconds=table.whole("answer_seconds", 1, 86_400)),
        silence=timedelta(seconds=table.whole("silence_seconds", 1, 86_400)),
        heartbeat=timedelta(seconds=table.whole("heartbeat_seconds", 1, 86_400)),
        repeat_memory=table.whole("repeat_memory", 1, 10_000_000),
        number_modulus=table.whole("number_modulus", 2, 10**_LONGEST_NUMBER - 1),
        gap_text=table.text("gap_text"),
    )
    if limits.repeat_memory >= limits.number_modulus // 2:
        table.fault("repeat_memory", "must be less than half of number_modulus")
    table.nothing_else()
    return limits


def _refusals(root: Table) -> dict[RefusalCode, Refusal]:
    found: dict[RefusalCode, Refusal] = {}
    table = root.table("refusals")
    for meaning in RefusalCode:
        entry = table.table(meaning.name)
        found[meaning] = Refusal(entry.text("code"), entry.text("text"), entry.text("source"))
        entry.nothing_else()
    table.nothing_else()
    if len({refusal.code for refusal in found.values()}) != len(found):
        root.fault("refusals", "two of them have the same code")
    return found


def _words(root: Table, refusals: Mapping[RefusalCode, Refusal]) -> dict[str, Words]:
    written = {str(meaning): refusal.code for meaning, refusal in refusals.items()}
    found = {"refusals": Words.of(written, open=True)}
    for name, table in root.tables("words"):
        words = {key: table.text(key) for key in table.names()}
        if len(set(words.values())) != len(words):
            table.fault("", "two meanings have the same word")
        found[name] = Words.of(words)
    return found


def _layout(
    name: str, table: Table, words: Mapping[str, Words], groups: Mapping[str, Layout]
) -> Layout:
    fields: list[Field] = []
    for row in table.rows("fields"):
        position = fields[-1].start + fields[-1].size if fields else 1
        if fields and fields[-1].kind is Kind.SERIES:
            row.fault("", "nothing can follow a series")
        if any(field.name == row.text("name") for field in fields):
            row.fault("name", "stands twice")
        fields.append(_field(row, position, words, groups))
    table.nothing_else()
    return Layout(name, tuple(fields))


def _field(
    row: Table, position: int, words: Mapping[str, Words], groups: Mapping[str, Layout]
) -> Field:
    kind = row.choice("type", Kind)
    longest = _LONGEST_TEXT if kind is Kind.TEXT else _LONGEST_NUMBER
    size = row.whole("size", 1, longest)
    if size != _FIXED_SIZES.get(kind, size):
        row.fault("size", f"a {kind} has {_FIXED_SIZES[kind]} characters")
    field = Field(
        name=row.text("name"),
        kind=kind,
        start=row.whole("start", position, _LONGEST_TEXT, position),
        size=size,
        source=row.text("source"),
        required=row.yes("required", True),
        places=row.whole("places", 0, size) if kind is Kind.DECIMAL else 0,
        alphabet=row.text("alphabet", "") if kind is Kind.TEXT else "",
        words=_words_of(row, kind, size, words),
        least=row.whole("least", 1, 10**size - 1) if kind is Kind.SERIES else 1,
        group=_group_of(row, groups) if kind is Kind.SERIES else None,
    )
    row.nothing_else()
    return field


def _words_of(row: Table, kind: Kind, size: int, words: Mapping[str, Words]) -> Words | None:
    if kind is not Kind.FLAG and not (kind is Kind.TEXT and row.has("words")):
        return None
    found = words.get(row.text("words"))
    if found is None:
        row.fault("words", "names no table of words")
    elif any(len(word) > size for word in found.meant):
        row.fault("words", f"one of them is longer than {size} characters")
    elif kind is Kind.FLAG and set(found.written) != {"yes", "no"}:
        row.fault("words", "a flag takes the words yes and no")
    return found


def _group_of(row: Table, groups: Mapping[str, Layout]) -> Layout | None:
    found = groups.get(row.text("group"))
    if found is None:
        row.fault("group", "names no group")
    return found


def _messages(
    root: Table, layouts: Mapping[str, Layout], header: Layout
) -> dict[str, MessageLayout]:
    found: dict[str, MessageLayout] = {}
    meanings: set[tuple[Form, str]] = set()
    for code, table in root.tables("messages"):
        message = _message(code, table, layouts)
        if (message.form, message.about) in meanings:
            table.fault("", "another message has the same form and about")
        meanings.add((message.form, message.about))
        found[code] = message
    for form in sorted(NEEDED - {form for form, _ in meanings}):
        root.fault("messages", f"none has the form {form}")
    sizes = {field.name: field.size for field in header.fields}
    for code in found:
        if len(code) > sizes.get("type", 0):
            root.fault(f"messages.{code}", "is longer than the header's field")
    return found


def _message(code: str, table: Table, layouts: Mapping[str, Layout]) -> MessageLayout:
    form = table.choice("form", Form)
    layout = layouts.get(table.text("layout"))
    if layout is None:
        table.fault("layout", "names no layout")
        layout = Layout("", ())
    else:
        _check_form(table, form, layout)
    sender = table.text("sender")
    if sender not in _SENDERS:
        table.fault("sender", f"must be one of {', '.join(_SENDERS)}")
    about = table.text("about", "")
    if about not in FORMS[form].abouts:
        table.fault("about", f"must be one of {', '.join(sorted(FORMS[form].abouts))}")
    numbered = table.yes("numbered")
    if numbered != FORMS[form].numbered:
        table.fault("numbered", f"a {form} is {'' if FORMS[form].numbered else 'not '}numbered")
    message = MessageLayout(
        code, form, about, _SENDERS.get(sender, frozenset()), numbered, table.text("source"), layout
    )
    table.nothing_else()
    return message


def _check_form(table: Table, form: Form, layout: Layout) -> None:
    spec = FORMS[form]
    _require(table, "layout", layout, spec.fields)
    for field in layout.fields:
        if not field.required and field.name not in spec.optional:
            table.fault("layout", f"{layout.name}: {field.name} can never be blank in a {form}")
        if field.group:
            _require(table, "layout", field.group, spec.group)
        meanings = spec.words.get(field.name)
        if meanings and (field.words is None or set(field.words.written) != meanings):
            names = ", ".join(sorted(meanings))
            table.fault("layout", f"{layout.name}: {field.name} takes words for {names}")


def _require(table: Table, key: str, layout: Layout, fields: Mapping[str, Kind]) -> None:
    kinds = {field.name: field.kind for field in layout.fields}
    for name, kind in fields.items():
        if kinds.get(name) is not kind:
            table.fault(key, f"{layout.name} must have a field {name} of type {kind}")
    for name in kinds.keys() - fields.keys():
        table.fault(key, f"{layout.name} has a field {name} that nothing is read into")
