"""A message field by field as its profile describes it, for a person to look at: whatever can be
told of it, however broken it is. Nothing is decided by what is said here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from messaging.protocols.edl.profile import EdlProfile, StyleName
from messaging.protocols.layouts import Field, Kind, Layout, Unreadable, group_of, read_field

MOST_GROUPS: Final = 200
_TYPE: Final = "type"


@dataclass(frozen=True, slots=True)
class ShownField:
    """`place` is where it stands: characters of its part, or the number of the field. `value` is
    what it means, or, where `fault` says why it means nothing, empty.
    """

    part: str
    place: str
    name: str
    raw: str
    value: str
    fault: str
    source: str


def fields_of(profile: EdlProfile, content: bytes) -> tuple[ShownField, ...]:
    """Of prefix, header and data; what stands beyond the fields is told as one without a name."""
    text = content.decode("latin-1").removesuffix(profile.framing.message_end)
    text = text.removesuffix(profile.framing.tolerated_before_end or "\0")
    if profile.framing.style is StyleName.FIXED:
        return tuple(_fixed(profile, text))
    return tuple(_delimited(profile, text))


def _fixed(profile: EdlProfile, text: str) -> Iterator[ShownField]:
    prefix, header, data, *rest = [*text.split(profile.framing.mark, 3), "", "", ""]
    code = ""
    parts = (("prefix", prefix, profile.prefix), ("header", header, profile.header))
    for part, raw, layout in parts:
        for one in _positions(part, layout, raw, 0, ""):
            code = one.value if one.name == _TYPE else code
            yield one
    known = profile.messages.get(code)
    if known is None:
        yield _extra("data", 0, data)
    else:
        yield from _positions("data", known.data, data, 0, "")
    yield from (_extra("end", 0, one) for one in rest if one)


def _positions(
    part: str, layout: Layout, text: str, offset: int, place: str
) -> Iterator[ShownField]:
    end = offset
    for field in layout.fields:
        start = offset + field.start - 1
        end = start + field.size
        raw = text[start:end]
        yield _shown(part, f"{start + 1}-{end}", f"{place}{field.name}", field, raw)
        if field.kind is Kind.SERIES:
            group = group_of(field)
            while end < len(text) and (end - start) // group.size < MOST_GROUPS:
                index = (end - start - field.size) // group.size
                yield from _positions(part, group, text, end, f"{field.name}[{index}].")
                end += group.size
    if not place and end < len(text):
        yield _extra(part, end, text[end:])


def _delimited(profile: EdlProfile, text: str) -> Iterator[ShownField]:
    # The last piece is the checksum, or what has no end.
    *raws, last = text.split(profile.framing.mark)
    cursor, code, part = _Cursor(raws), "", "header"
    for field in chain(profile.prefix.fields, profile.header.fields):
        one = cursor.shown(part, field, "")
        code = one.value if one.name == _TYPE else code
        yield one
    known = profile.messages.get(code)
    if known is not None:
        yield from cursor.layout("data", known.data, "")
    yield from (_extra("data", cursor.at + index, raw) for index, raw in enumerate(cursor.left))
    if last:
        yield ShownField("end", "", "checksum", last, last, "", profile.framing.source)


class _Cursor:
    """Takes field after field, and says of those that are missing that they are."""

    def __init__(self, raws: list[str]) -> None:
        self._raws = raws
        self.at = 0

    @property
    def left(self) -> list[str]:
        return self._raws[self.at :]

    def shown(self, part: str, field: Field, place: str) -> ShownField:
        self.at += 1
        raw = self._raws[self.at - 1] if self.at <= len(self._raws) else ""
        return _shown(part, str(self.at), f"{place}{field.name}", field, raw)

    def layout(self, part: str, layout: Layout, place: str) -> Iterator[ShownField]:
        for field in layout.fields:
            yield self.shown(part, field, place)
            if field.kind is Kind.SERIES:
                group = group_of(field)
                count = _count(self._raws[self.at - 1 : self.at])
                # What claims more than is there is shown as far as it is.
                for index in range(min(count, len(self.left) // len(group.fields), MOST_GROUPS)):
                    yield from self.layout(part, group, f"{field.name}[{index}].")


def _count(raw: list[str]) -> int:
    """Of the groups that follow; none where it can't be read."""
    text = raw[0].strip() if raw else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _shown(part: str, place: str, name: str, field: Field, raw: str) -> ShownField:
    value, fault = "", ""
    try:
        found = raw.strip() if field.kind is Kind.SERIES else read_field(field, raw)
        value = "" if found is None else str(found)
    except Unreadable as error:
        fault = str(error)
    return ShownField(part, place, name, raw, value, fault, field.source)


def _extra(part: str, offset: int, raw: str) -> ShownField:
    return ShownField(part, f"{offset + 1}-", "", raw, "", "no field is described here", "")
