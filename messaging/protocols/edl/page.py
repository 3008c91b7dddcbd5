"""An EDL profile as a page of tables, message by message."""

from __future__ import annotations

from collections.abc import Iterator

from messaging.protocols.edl.checksums import CHECKSUMS
from messaging.protocols.edl.profile import EdlProfile, MessageLayout, Role, StyleName
from messaging.protocols.layouts import Field, Kind, Layout
from messaging.protocols.pages import Page, Row, Section, code

_FIXED_COLUMNS = ("field", "start", "size", "type", "format", "provenance")
_OTHER_COLUMNS = ("field", "place", "most characters", "type", "format", "provenance")


def page_of(profile: EdlProfile) -> Page:
    return Page(
        f"EDL profile `{profile.name}`",
        f"{profile.title}. All times are UTC; MW are whole numbers, export positive.",
        profile.sources,
        tuple(_sections(profile)),
    )


def _sections(profile: EdlProfile) -> Iterator[Section]:
    yield _framing(profile)
    yield _limits(profile)
    yield _fields(profile, "Prefix", "", profile.prefix)
    yield _fields(profile, "Header", "", profile.header)
    yield _overview(profile)
    yield from _messages(profile)
    yield _refusals(profile)


def _framing(profile: EdlProfile) -> Section:
    framing, formats = profile.framing, profile.formats
    if framing.style is StyleName.FIXED:
        text = (
            f"A message is prefix, header and data, each ended by {code(framing.mark)}, then "
            f"{code(framing.message_end)}. Fields stand at fixed positions, counted from 1 in "
            "each part."
        )
    else:
        text = (
            "A message is the fields of prefix, header and data one after the other, each as long "
            f"as it is and ended by {code(framing.mark)}, then the checksum, then "
            f"{code(framing.message_end)}. A number has no zeros or blanks before "
            "it. Places count from 1 in each part."
        )
    rows = [("style", framing.style.value)]
    if framing.checksum:
        found = CHECKSUMS[framing.checksum]
        told = f"{framing.checksum}: {found.title}, of everything before it, in {found.digits}"
        rows.append(("checksum", f"{told} hexadecimal digits"))
    if framing.tolerated_before_end:
        rows.append(("read and ignored before the end", code(framing.tolerated_before_end)))
    rows.append(("written for what may not be written", code(framing.replacement)))
    rows.append(("most bytes of a message", f"{framing.max_bytes:,}"))
    values = [(*row, framing.source) for row in rows]
    values.append(("market times", formats.time.name, formats.source))
    values.append(("time of sending", formats.stamp.name, formats.source))
    return Section("Framing", text, ("what", "value", "provenance"), tuple(values))


def _limits(profile: EdlProfile) -> Section:
    limits = profile.limits
    rows = (
        ("messages that may wait for an answer", f"{limits.window:,}"),
        ("without an answer: close", f"{limits.answer.total_seconds():g} s"),
        ("without anything received: close", f"{limits.silence.total_seconds():g} s"),
        ("without anything sent: heartbeat", f"{limits.heartbeat.total_seconds():g} s"),
        ("numbers back that count as repeats", f"{limits.repeat_memory:,}"),
        ("highest log number, after which comes 1", f"{limits.number_modulus:,}"),
        ("text of the refusal of a gap, before the number", code(limits.gap_text)),
    )
    values = tuple((*row, limits.source) for row in rows)
    return Section("Limits", "", ("what", "value", "provenance"), values)


def _overview(profile: EdlProfile) -> Section:
    rows = tuple(
        (
            code(one.code),
            f"{one.form} {one.about}".strip(),
            _senders(one),
            "yes" if one.numbered else "no",
            one.source,
        )
        for one in profile.messages.values()
    )
    columns = ("code", "what it is", "who sends it", "numbered", "provenance")
    return Section("Messages", "", columns, rows)


def _messages(profile: EdlProfile) -> Iterator[Section]:
    """Messages that look the same stand under one heading."""
    alike: dict[str, list[MessageLayout]] = {}
    for message in profile.messages.values():
        alike.setdefault(message.data.name, []).append(message)
    for messages in alike.values():
        title = " ".join(code(one.code) for one in messages)
        text = "" if messages[0].data.fields else "No data."
        if messages[0].several:
            text = (
                "One message carries several BM units, each once. It is acknowledged or refused "
                "whole; what the system operator says of each comes in a result of its own, in "
                "reply to the same log number, that names the BM unit."
            )
        yield _fields(profile, title, text, messages[0].data)


def _fields(profile: EdlProfile, title: str, text: str, layout: Layout) -> Section:
    fixed = profile.framing.style is StyleName.FIXED
    columns = _FIXED_COLUMNS if fixed else _OTHER_COLUMNS
    return Section(title, text, columns, tuple(_rows(layout, "")))


def _rows(layout: Layout, place: str) -> Iterator[Row]:
    for field in layout.fields:
        name, start, size = f"{place}{field.name}", str(field.start), str(field.size)
        yield name, start, size, field.kind.value, _format(field), field.source
        if field.group:
            yield from _rows(field.group, f"{name}[].")


def _format(field: Field) -> str:
    parts = [] if field.required else ["may be blank"]
    if field.format:
        parts.append(field.format.name)
    if field.kind is Kind.DECIMAL:
        parts.append(f"at most {field.places} decimals")
    if field.kind is Kind.SERIES:
        parts.append(f"how many groups follow, at least {field.least}")
    if field.alphabet:
        parts.append(f"only {code(field.alphabet)}")
    if field.words and field.words.open:
        parts.append("a code of the table below")
    elif field.words:
        pairs = (f"{code(word)} = {meant}" for meant, word in field.words.written.items())
        parts.append(", ".join(pairs))
    return "; ".join(parts)


def _senders(message: MessageLayout) -> str:
    return "both" if len(message.senders) == len(Role) else next(iter(message.senders)).value


def _refusals(profile: EdlProfile) -> Section:
    rows = tuple(
        (code(one.code), meaning.name.lower().replace("_", " "), one.text, one.source)
        for meaning, one in profile.refusals.items()
    )
    return Section("Codes", "", ("code", "meaning", "text", "provenance"), rows)
