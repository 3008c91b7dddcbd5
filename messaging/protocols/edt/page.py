"""An EDT profile as a page of tables, record by record."""

from __future__ import annotations

from collections.abc import Iterator

from messaging.protocols.edt.profile import EdtProfile, Field, Kind, RecordLayout
from messaging.protocols.pages import Page, Row, Section, code

_TIMES = "`YYYY-MM-DD HH:MM`; `YYYYMMDDHHMM` is read as well"


def page_of(profile: EdtProfile) -> Page:
    return Page(
        f"EDT profile `{profile.name}`",
        f"{profile.title}. All times are UTC; MW are whole numbers, export positive.",
        profile.sources,
        tuple(_sections(profile)),
    )


def _sections(profile: EdtProfile) -> Iterator[Section]:
    yield _lines(profile)
    yield _names(profile)
    yield _replies(profile)
    yield from _records(profile)
    yield _refusals(profile)


def _lines(profile: EdtProfile) -> Section:
    lines = profile.lines
    rows = (
        ("between fields", code(lines.separator)),
        ("ignored around a field", ", ".join(f"0x{ord(one):02X}" for one in lines.blanks)),
        ("a line that is skipped begins with", ", ".join(map(code, lines.comments))),
        ("the last line must have its end", "yes" if lines.last_line_must_end else "no"),
        ("most characters of a line", f"{lines.max_line:,}"),
        ("most bytes of a file", f"{lines.max_bytes:,}"),
        ("most records of a file", f"{lines.max_records:,}"),
    )
    text = (
        "ASCII, a line feed after each line, a carriage return before it tolerated. Case is folded."
    )
    return Section("Lines", text, _VALUE, tuple((*row, lines.source) for row in rows))


def _names(profile: EdtProfile) -> Section:
    names = profile.names
    rows = (
        ("a submission", f"agent, `_`, {names.digits} digits, {code(names.submission)}"),
        ("received, in sequence", code(names.received)),
        ("accepted by the system operator", code(names.accepted)),
        ("rejected", code(names.rejected)),
        ("the first number", str(names.first)),
        ("numbers back that count as repeats", f"{names.repeat_memory:,}"),
        ("text of the refusal of a gap, before the number", code(names.gap_text)),
    )
    return Section("File names", "", _VALUE, tuple((*row, names.source) for row in rows))


def _replies(profile: EdtProfile) -> Section:
    replies = profile.replies
    rows = (
        ("the first line, before the name of the file", code(replies.title)),
        ("a fault", f"{code(replies.fault)}, then line, code, field and text"),
        ("the last line", f"{code(replies.end)}, then records read and records accepted"),
        ("most faults that are listed", f"{replies.most_faults:,}"),
        ("most characters of a text", f"{replies.max_text:,}"),
    )
    return Section("Replies", "", _VALUE, tuple((*row, replies.source) for row in rows))


def _records(profile: EdtProfile) -> Iterator[Section]:
    """Record types that look the same stand under one heading."""
    alike: dict[tuple[Field, ...], list[RecordLayout]] = {}
    for record in profile.records.values():
        alike.setdefault(record.fields, []).append(record)
    columns = ("place", "field", "type", "most characters", "format", "provenance")
    for fields, records in alike.items():
        title = " ".join(code(record.code) for record in records)
        text = f"Types known from: {', '.join(sorted({record.source for record in records}))}."
        rows = tuple(_row(place, field) for place, field in enumerate(fields, 1))
        yield Section(title, text, columns, rows)


def _row(place: int, field: Field) -> Row:
    size = str(field.size) if field.size else ""
    return str(place), field.name, field.kind.value, size, _format(field), field.source


def _format(field: Field) -> str:
    parts = [] if field.required else ["may be blank"]
    if field.kind is Kind.TIME:
        parts.append(_TIMES)
    if field.kind is Kind.DECIMAL:
        parts.append(f"at most {field.places} decimals")
    if field.zero_decimal:
        parts.append("a zero decimal is read")
    if field.may_end:
        parts.append("a line may end here")
    return "; ".join(parts)


def _refusals(profile: EdtProfile) -> Section:
    rows = tuple(
        (code(one.code), meaning.name.lower().replace("_", " "), one.text, one.source)
        for meaning, one in profile.refusals.items()
    )
    return Section("Codes", "", ("code", "meaning", "text", "provenance"), rows)


_VALUE = ("what", "value", "provenance")
