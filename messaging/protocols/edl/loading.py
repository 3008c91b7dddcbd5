"""Finds EDL profiles and reads one from its parsed file; its layouts are read by `field_tables`,
and what must fit together is held together by `checking`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from messaging.domain.units import RefusalCode
from messaging.protocols import loading
from messaging.protocols.base import UnknownProfile
from messaging.protocols.edl.checking import check_form, check_whole
from messaging.protocols.edl.checksums import CHECKSUMS
from messaging.protocols.edl.field_tables import LayoutReader
from messaging.protocols.edl.forms import FORMS, HEADER_FIELDS, NEEDED, PREFIX_FIELDS
from messaging.protocols.edl.profile import (
    EdlProfile,
    Form,
    Formats,
    Framing,
    Limits,
    MessageLayout,
    Refusal,
    Role,
    StyleName,
)
from messaging.protocols.layouts import Layout
from messaging.protocols.tables import Table, read_sources
from messaging.protocols.times import STAMPS, TIMES, TimeFormat

OWN_FOLDER: Final = Path(__file__).parent / "profiles"

_SENDERS: Final[dict[str, frozenset[Role]]] = {
    "host": frozenset({Role.HOST}),
    "control point": frozenset({Role.CONTROL_POINT}),
    "both": frozenset(Role),
}
_MOST_DIGITS: Final = 18


def find_profiles(folder: Path | None = None) -> dict[str, Path]:
    """Profile names and files: our own, and those of a vendor's folder."""
    return loading.find_files(OWN_FOLDER, folder)


@cache
def load_profile(name: str, folder: Path | None = None) -> EdlProfile:
    """The profile by name, read once; UnknownProfile or FaultyProfile."""
    path = find_profiles(folder).get(name)
    if path is None:
        raise UnknownProfile(name)
    return read_profile(path)


def read_profile(path: Path) -> EdlProfile:
    """The profile in a file; FaultyProfile with everything that is wrong with it."""
    return loading.read_file(path, OWN_FOLDER, _profile)


def _profile(root: Table) -> EdlProfile:
    read_sources(root)
    name, title = root.text("name"), root.text("title")
    framing = _framing(root.table("framing"))
    formats = _formats(root.table("formats"))
    limits = _limits(root.table("limits"))
    refusals = _refusals(root)
    reader = LayoutReader(root, framing.style, formats, refusals)
    prefix, header = reader.layout("prefix", PREFIX_FIELDS), reader.layout("header", HEADER_FIELDS)
    messages = _messages(root, reader.layouts(), header)
    root.nothing_else()
    profile = EdlProfile(
        name,
        title,
        MappingProxyType(root.findings.sources),
        framing,
        formats,
        limits,
        MappingProxyType(refusals),
        prefix,
        header,
        MappingProxyType(messages),
        MappingProxyType({(m.form, m.about): m for m in messages.values()}),
        MappingProxyType({refusal.code: meaning for meaning, refusal in refusals.items()}),
    )
    check_whole(root, profile, reader.words)
    return profile


def _framing(table: Table) -> Framing:
    style = table.choice("style", StyleName)
    delimited = style is StyleName.DELIMITED
    framing = Framing(
        source=table.source(),
        style=style,
        mark=table.character("field_end" if delimited else "part_end"),
        message_end=table.text("message_end"),
        tolerated_before_end=table.text("tolerated_before_end", ""),
        replacement=table.character("replacement"),
        max_bytes=table.whole("max_bytes", 1, 100_000_000),
        checksum=table.text("checksum") if delimited else "",
    )
    if framing.replacement == framing.mark or not framing.replacement.isprintable():
        table.fault("replacement", "must be printable, and not what ends a part or a field")
    if len(framing.tolerated_before_end) > 1 or not framing.tolerated_before_end.isascii():
        table.fault("tolerated_before_end", "must be one ASCII character, or empty")
    end = framing.message_end
    if not 1 <= len(end) <= 2 or not end.isascii() or any(one.isprintable() for one in end):
        text = "must be one or two ASCII characters that are not printable: others may be in a text"
        table.fault("message_end", text)
    if framing.checksum and framing.checksum not in CHECKSUMS:
        table.fault("checksum", f"must be one of {', '.join(CHECKSUMS)}, or empty")
    table.nothing_else()
    return framing


def _formats(table: Table) -> Formats:
    time, stamp = _format(table, "time", TIMES), _format(table, "stamp", STAMPS)
    formats = Formats(table.source(), time, stamp)
    table.nothing_else()
    return formats


def _format(table: Table, key: str, known: Mapping[str, TimeFormat]) -> TimeFormat:
    found = known.get(table.text(key))
    if found is None and table.has(key):
        table.fault(key, f"must be one of {', '.join(known)}")
    return found or next(iter(known.values()))


def _limits(table: Table) -> Limits:
    limits = Limits(
        source=table.source(),
        window=table.whole("window", 1, 100_000),
        answer=timedelta(seconds=table.whole("answer_seconds", 1, 86_400)),
        silence=timedelta(seconds=table.whole("silence_seconds", 1, 86_400)),
        heartbeat=timedelta(seconds=table.whole("heartbeat_seconds", 1, 86_400)),
        repeat_memory=table.whole("repeat_memory", 1, 10_000_000),
        number_modulus=table.whole("number_modulus", 2, 10**_MOST_DIGITS - 1),
        gap_text=table.text("gap_text"),
    )
    if limits.repeat_memory >= limits.number_modulus // 2:
        table.fault("repeat_memory", "must be less than half of number_modulus")
    if limits.heartbeat >= limits.silence:
        table.fault("heartbeat_seconds", "must be less than silence_seconds")
    table.nothing_else()
    return limits


def _refusals(root: Table) -> dict[RefusalCode, Refusal]:
    found: dict[RefusalCode, Refusal] = {}
    meant: dict[str, RefusalCode] = {}
    table = root.table("refusals")
    for meaning in RefusalCode:
        entry = table.table(meaning.name)
        refusal = Refusal(entry.text("code"), entry.text("text"), entry.source())
        if refusal.code in meant:
            other = meant[refusal.code].name
            entry.fault("code", f"{refusal.code} is the code of {other} as well")
        meant[refusal.code] = meaning
        found[meaning] = refusal
        entry.nothing_else()
    table.nothing_else()
    return found


def _messages(
    root: Table, layouts: Mapping[str, Layout], header: Layout
) -> dict[str, MessageLayout]:
    found: dict[str, MessageLayout] = {}
    meanings: dict[tuple[Form, str], str] = {}
    size = next((field.size for field in header.fields if field.name == "type"), 0)
    for code, table in root.tables("messages"):
        message = _message(code, table, layouts)
        before = meanings.setdefault((message.form, message.about), code)
        if before != code:
            table.fault("", f"{before} has the same form and about")
        if len(code) > size:
            table.fault("", f"is longer than the {size} characters of the header's field")
        found[code] = message
    for form in sorted(NEEDED - {form for form, _ in meanings}):
        root.fault("messages", f"none has the form {form}")
    return found


def _message(code: str, table: Table, layouts: Mapping[str, Layout]) -> MessageLayout:
    form = table.choice("form", Form)
    spec = FORMS[form]
    name = table.text("layout")
    layout = layouts.get(name)
    if layout is None and name:
        table.fault("layout", f"no layout is called {name}")
    sender = table.text("sender")
    if sender not in _SENDERS and table.has("sender"):
        table.fault("sender", f"must be one of {', '.join(_SENDERS)}")
    about = table.text("about", "")
    if about not in spec.abouts and table.has("form"):
        table.fault("about", f"must be one of {', '.join(sorted(spec.abouts))}")
    numbered = table.yes("numbered")
    if numbered != spec.numbered and table.has("numbered"):
        table.fault("numbered", f"a {form} is {'' if spec.numbered else 'not '}numbered")
    message = MessageLayout(
        code,
        form,
        about,
        _SENDERS.get(sender, frozenset()),
        numbered,
        table.source(),
        layout or Layout("", ()),
    )
    table.nothing_else()
    if layout is not None:
        check_form(table, message)
    return message
