"""Finds Wider Access profiles and reads one from its parsed file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from messaging.protocols import loading
from messaging.protocols.base import UnknownProfile
from messaging.protocols.neso.wa.exchange_table import (
    read_answering,
    read_exchanges,
    read_rulings,
    read_services,
)
from messaging.protocols.neso.wa.forms import FORMS
from messaging.protocols.neso.wa.layouts import (
    Formats,
    LayoutReader,
    Nesting,
    check_form,
    meet,
    read_nesting,
    read_within,
)
from messaging.protocols.neso.wa.profile import (
    Envelope,
    Form,
    Kind,
    Layout,
    Member,
    MessageLayout,
    PayloadType,
    WaProfile,
)
from messaging.protocols.neso.wa.widths import check_widths
from messaging.protocols.tables import Table, read_sources

OWN_FOLDER: Final = Path(__file__).parent / "profiles"

_ENVELOPE: Final = {
    "type": Kind.TEXT,
    "message_id": Kind.ID,
    "sent_at": Kind.STAMP,
    "profile": Kind.TEXT,
    # Whatever a peer calls its message must be answered, also to say that it is no UUID.
    "in_reply_to": Kind.TEXT,
}
_ANSWERED: Final = "in_reply_to"
_LONGEST_REFERENCE: Final = 200
"""As much as a seal's jti holds."""

_INSTRUCTIONS: Final = frozenset({Form.ACCEPTANCE, Form.ANCILLARY, Form.EMERGENCY})


def find_profiles(folder: Path | None = None) -> dict[str, Path]:
    """Profile names and files: our own, and those of a vendor's folder."""
    return loading.find_files(OWN_FOLDER, folder)


@cache
def load_profile(name: str, folder: Path | None = None) -> WaProfile:
    """The profile by name, read once; UnknownProfile or FaultyProfile."""
    path = find_profiles(folder).get(name)
    if path is None:
        raise UnknownProfile(name)
    return read_profile(path)


def read_profile(path: Path) -> WaProfile:
    """The profile in a file; FaultyProfile with everything that is wrong with it."""
    return loading.read_file(path, OWN_FOLDER, _profile)


def _profile(root: Table) -> WaProfile:
    read_sources(root)
    name, title = root.text("name"), root.text("title")
    formats, nesting = Formats(root), read_nesting(root)
    envelope = _envelope(root.table("envelope"), formats, nesting)
    layouts = LayoutReader(root, formats, nesting).layouts()
    types = dict(_types(root, layouts, envelope, nesting))
    _check_embedded(root, types)
    messages = [one for type_ in types.values() for one in _payloads_of(type_)]
    services = read_services(root)
    exchanges = read_exchanges(root, services, types, envelope)
    rulings = read_rulings(root.table("statuses"))
    answering = read_answering(root, rulings)
    root.nothing_else()
    check_widths(root, messages)
    return WaProfile(
        name,
        title,
        MappingProxyType(root.findings.sources),
        envelope,
        MappingProxyType(types),
        MappingProxyType({(one.form, one.about): one for one in messages}),
        MappingProxyType(services),
        exchanges,
        rulings,
        answering,
    )


def _envelope(table: Table, formats: Formats, nesting: Nesting) -> Envelope:
    members: dict[str, Member] = {}
    for meaning, kind in _ENVELOPE.items():
        if meaning == _ANSWERED and not table.has(meaning):
            continue
        row = table.table(meaning)
        member = Member(
            row.text("name"),
            meaning,
            kind,
            row.source(),
            within=nesting.envelope + read_within(row),
            spelling=formats.spelling_of(row, kind),
        )
        if any(meet(member, one) for one in members.values()):
            table.fault("", "two members have the same name")
        members[meaning] = member
        row.nothing_else()
    table.nothing_else()
    answered = members.pop(_ANSWERED, None)
    if answered is not None:
        answered = replace(answered, least=1, most=_LONGEST_REFERENCE)
    return Envelope(in_reply_to=answered, **members)


def _types(
    root: Table, layouts: Mapping[str, Layout], envelope: Envelope, nesting: Nesting
) -> Iterator[tuple[str, PayloadType]]:
    meanings: set[tuple[Form, str]] = set()
    for name, table in root.tables("types"):
        yield name, _type(name, table, layouts, envelope, nesting, meanings)
    for form, spec in FORMS.items():
        for about in sorted(spec.abouts):
            if (form, about) not in meanings:
                root.fault("types", f"none has a payload of the form {form} {about}".rstrip())


def _type(
    name: str,
    table: Table,
    layouts: Mapping[str, Layout],
    envelope: Envelope,
    nesting: Nesting,
    meanings: set[tuple[Form, str]],
) -> PayloadType:
    source = table.source()
    told_by = None
    if table.has("told_by"):
        told_by = Member(table.text("told_by"), "", Kind.TEXT, source, within=nesting.told_by)
    questions: dict[str, MessageLayout] = {}
    answers: dict[str, MessageLayout] = {}
    for word, row in table.tables("payloads"):
        one = _payload(name, word if told_by else "", row, layouts)
        if (one.form, one.about) in meanings:
            row.fault("", "another payload has the same form and about")
        meanings.add((one.form, one.about))
        _check_names(row, one, told_by, envelope)
        place = answers if one.answer else questions
        if one.word in place:
            row.fault("", "nothing tells it from the payload before it: told_by is missing")
        place[one.word] = one
    if not questions and not answers and table.has("payloads"):
        table.fault("payloads", "must hold one at least")
    if questions and answers and envelope.in_reply_to is None:
        table.fault("payloads", "without in_reply_to a question must be of another type")
    table.nothing_else()
    return PayloadType(
        name, told_by, source, MappingProxyType(questions), MappingProxyType(answers)
    )


def _payload(type_: str, word: str, row: Table, layouts: Mapping[str, Layout]) -> MessageLayout:
    form = row.choice("form", Form)
    about = row.text("about", "")
    layout = layouts.get(row.text("layout"))
    if layout is None:
        row.fault("layout", "names no layout")
        layout = Layout("", ())
    else:
        check_form(row, form, layout)
    if about not in FORMS[form].abouts:
        row.fault("about", f"must be one of {', '.join(sorted(FORMS[form].abouts))}")
    message = MessageLayout(type_, word, form, about, FORMS[form].answer, row.source(), layout)
    row.nothing_else()
    return message


def _check_names(
    row: Table, message: MessageLayout, told_by: Member | None, envelope: Envelope
) -> None:
    """Envelope, telling member and body may share an object."""
    taken = [*envelope.members, *([told_by] if told_by else [])]
    for member in message.body.members:
        if any(meet(member, one) for one in taken):
            row.fault("layout", f"{message.body.name} has {member.name}, which is taken")
    if told_by is not None and any(meet(told_by, one) for one in envelope.members):
        row.fault("", f"{told_by.name} tells it apart, and is taken")


def _check_embedded(root: Table, types: Mapping[str, PayloadType]) -> None:
    """A list of whole payloads holds instructions only."""
    listed = {
        name
        for type_ in types.values()
        for message in _payloads_of(type_)
        for member in message.body.members
        for name in member.types
    }
    for name in sorted(listed):
        found = types.get(name)
        if found is None or any(one.form not in _INSTRUCTIONS for one in _payloads_of(found)):
            root.fault(
                f"types.{name}", "stands in a list of payloads, so it must hold instructions"
            )


def _payloads_of(type_: PayloadType) -> Iterator[MessageLayout]:
    yield from type_.questions.values()
    yield from type_.answers.values()
