"""A Wider Access profile as a page of tables, payload by payload."""

from __future__ import annotations

from collections.abc import Iterator

from messaging.protocols.neso.wa.profile import (
    Kind,
    Layout,
    Member,
    MessageLayout,
    PayloadType,
    RecordLayout,
    RecordSet,
    Ruling,
    Spelling,
    WaProfile,
)
from messaging.protocols.pages import Page, Row, Section, code

_ECHO = "An answer bears the messageId of what it answers, and is told from a question by its type."
_MEMBERS = ("member", "type", "format", "meaning", "provenance")


def page_of(profile: WaProfile) -> Page:
    return Page(
        f"Wider Access profile `{profile.name}`",
        f"{profile.title}. All times are UTC; MW are whole numbers, export positive.",
        profile.sources,
        tuple(_sections(profile)),
    )


def _sections(profile: WaProfile) -> Iterator[Section]:
    yield _services(profile)
    yield _exchanges(profile)
    yield _envelope(profile)
    yield _types(profile)
    for type_ in profile.types.values():
        yield from _payloads(type_)
    yield _statuses(profile)
    yield _answering(profile)


def _services(profile: WaProfile) -> Section:
    rows = tuple(
        (one.name, one.method, code(one.path), f"{one.max_bytes:,}", one.source)
        for one in profile.services.values()
    )
    columns = ("service", "method", "path", "most bytes of a payload", "provenance")
    text = "A path follows the endpoint's base URL; `{messageId}` in it is that of the question."
    return Section("Services", text, columns, rows)


def _exchanges(profile: WaProfile) -> Section:
    rows = tuple(
        (
            one.service.name,
            one.type,
            one.direction.value,
            one.answer,
            one.receipt.value,
            code(one.correlation),
            one.source,
        )
        for one in profile.exchanges
    )
    columns = ("service", "asks", "direction", "answer", "receipt", "correlation", "provenance")
    text = (
        "Every refusal is a receipt. Receipt `later`: one that says only that the message came is "
        "followed by a final one."
    )
    return Section("Exchanges", text, columns, rows)


def _envelope(profile: WaProfile) -> Section:
    rows = tuple(_row(member, "") for member in profile.envelope.members)
    text = _ECHO if profile.answers_echo else ""
    return Section("Around every payload", text, _MEMBERS, rows)


def _types(profile: WaProfile) -> Section:
    rows = tuple(
        (
            code(type_.name),
            code(_dotted(type_.told_by)) if type_.told_by else "",
            ", ".join(sorted({one.word for one in _all(type_) if one.word})),
            type_.source,
        )
        for type_ in profile.types.values()
    )
    columns = ("type", "told apart by", "its words", "provenance")
    return Section("Types", "", columns, rows)


def _payloads(type_: PayloadType) -> Iterator[Section]:
    """Payloads that look the same stand under one heading."""
    alike: dict[str, list[MessageLayout]] = {}
    for message in _all(type_):
        alike.setdefault(message.body.name, []).append(message)
    for messages in alike.values():
        names = " ".join(code(one.word) for one in messages if one.word)
        kind = "answer" if messages[0].answer else ""
        title = " ".join(part for part in (type_.name, kind, names) if part)
        text = "" if messages[0].body.members else "Nothing but what is around it."
        rows = tuple(_rows(messages[0].body, ""))
        yield Section(title, text, _MEMBERS, rows)
        for member in messages[0].body.members:
            if member.records:
                yield from _records(f"{title}: {code(member.name)}", member.records)


def _records(title: str, records: RecordSet) -> Iterator[Section]:
    """The objects of a list, those that look the same under one heading."""
    alike: dict[Layout, list[RecordLayout]] = {}
    for record in records.by_word.values():
        alike.setdefault(record.group, []).append(record)
    for layout, same in alike.items():
        words = " ".join(code(record.word) for record in same)
        rows = (_row(records.told_by, ""), *_rows(layout, ""))
        yield Section(f"{title} of {words}", "", _MEMBERS, rows)


def _all(type_: PayloadType) -> tuple[MessageLayout, ...]:
    return (*type_.questions.values(), *type_.answers.values())


def _rows(layout: Layout, place: str) -> Iterator[Row]:
    for member in layout.members:
        yield _row(member, place)
        if member.group:
            yield from _rows(member.group, f"{place}{_dotted(member)}[].")


def _dotted(member: Member) -> str:
    """With the objects that it stands in."""
    return ".".join(member.steps)


def _row(member: Member, place: str) -> Row:
    name = f"{place}{_dotted(member)}"
    return name, member.kind.value, _format(member), member.meaning, member.source


def _format(member: Member) -> str:
    parts = ["may be null"] if member.null else []
    parts += ["may be absent"] if member.absent else []
    parts += [_spelt(member.spelling, member.places)] if member.spelling else []
    unit = {Kind.TEXT: " characters", Kind.LIST: " items", Kind.PAYLOADS: " items"}
    bounds = unit.get(member.kind, "")
    if member.least is not None:
        parts.append(f"at least {member.least}{bounds}")
    if member.most is not None:
        parts.append(f"at most {member.most}{bounds}")
    if member.alphabet:
        parts.append(f"only {code(member.alphabet)}")
    if member.words:
        parts.append(", ".join(code(word) for word in member.words.meant))
    if member.types:
        parts.append(f"of type {', '.join(sorted(member.types))}")
    return "; ".join(parts)


def _spelt(spelling: Spelling, places: int) -> str:
    return f"as {spelling.name}" + (f", {places} decimal places" if spelling.has_places else "")


def _answering(profile: WaProfile) -> Section:
    answering = profile.answering
    rows = (
        ("taken, or a repeat", str(answering.taken), answering.source),
        ("refused for what it says", str(answering.refused), answering.source),
    )
    columns = ("what came was", "HTTP status", "provenance")
    return Section("What the host answers under a seal", "", columns, rows)


def _statuses(profile: WaProfile) -> Section:
    rulings = profile.rulings
    named: list[tuple[str, Ruling]] = [(str(one), found) for one, found in rulings.exact.items()]
    named += [(f"{one}xx", found) for one, found in rulings.hundreds.items()]
    named.append(("any other", rulings.other))
    rows = tuple((name, one.outcome.value, one.sealing.value, one.source) for name, one in named)
    columns = ("HTTP status", "outcome", "counts under a seal", "provenance")
    return Section("HTTP statuses", "", columns, rows)
