"""The style of delimited fields: those of prefix, header and data one after the other, each as long
as it is and ended by the profile's mark, then a checksum of all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from messaging.protocols.base import RemoteProtocolError
from messaging.protocols.edl.checksums import CHECKSUMS
from messaging.protocols.edl.profile import EdlProfile, Framing
from messaging.protocols.edl.style import is_printable
from messaging.protocols.layouts import (
    Field,
    Kind,
    Layout,
    Unreadable,
    Values,
    group_of,
    read_count,
    read_field,
    series_of,
    write_field,
)


class DelimitedStyle:
    """Fields by their marks. A message whose checksum does not hold is not read at all: its number
    may be what was garbled.
    """

    def split(self, profile: EdlProfile, content: bytes) -> tuple[dict[str, Any], str | None]:
        framing = profile.framing
        text = _checked(framing, content)
        fields = (*profile.prefix.fields, *profile.header.fields)
        *raw, data = text.split(framing.mark, len(fields))
        if len(raw) != len(fields) or not is_printable("".join(raw)):
            raise RemoteProtocolError("prefix and header cannot be read")
        head = {field.name: _value(field, one, "") for field, one in zip(fields, raw, strict=True)}
        whole = is_printable(data) and (not data or data.endswith(framing.mark))
        return head, data if whole else None

    def join(self, profile: EdlProfile, head: Values, data: str) -> bytes:
        framing = profile.framing
        fields = (*profile.prefix.fields, *profile.header.fields)
        text = "".join(_written(framing, field, head.get(field.name)) for field in fields) + data
        return (text + _sum_of(framing, text.encode("ascii")) + framing.message_end).encode("ascii")

    def read(self, profile: EdlProfile, layout: Layout, data: str) -> dict[str, Any]:
        cursor = _Cursor(data.split(profile.framing.mark)[:-1])
        values = cursor.values(layout, "")
        if cursor.left:
            raise RemoteProtocolError(f"{layout.name}: {cursor.left} fields too many")
        return values

    def write(self, profile: EdlProfile, layout: Layout, values: Values) -> str:
        return "".join(_write(profile.framing, layout, values))


class _Cursor:
    """Takes field after field; a series says itself how many follow."""

    def __init__(self, raw: list[str]) -> None:
        self._raw = raw
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._raw) - self._at

    def values(self, layout: Layout, place: str) -> dict[str, Any]:
        return {field.name: self._value(field, place) for field in layout.fields}

    def _value(self, field: Field, place: str) -> object:
        name = f"{place}{field.name}"
        if not self.left:
            raise Unreadable("missing").told(name)
        raw = self._raw[self._at]
        self._at += 1
        if field.kind is not Kind.SERIES:
            return _value(field, raw, place)
        group = group_of(field)
        try:
            count = read_count(field, _fitting(field, raw))
            # Before any of them is read: a count is a few bytes, and may claim anything.
            if count * len(group.fields) > self.left:
                raise Unreadable(f"{count} groups do not stand in {self.left} fields")
        except Unreadable as fault:
            raise fault.told(name) from None
        return tuple(self.values(group, f"{name}[{index}].") for index in range(count))


def _value(field: Field, raw: str, place: str) -> object:
    try:
        return read_field(field, _fitting(field, raw))
    except Unreadable as fault:
        raise fault.told(f"{place}{field.name}") from None


def _fitting(field: Field, raw: str) -> str:
    if len(raw) > field.size:
        raise Unreadable(f"{len(raw)} characters, at most {field.size}")
    return raw


def _checked(framing: Framing, content: bytes) -> str:
    """The text of all fields, each with its mark."""
    end = framing.message_end.encode()
    if not content.endswith(end):
        raise RemoteProtocolError("the message does not end as it must")
    whole = content[: -len(end)]
    if framing.tolerated_before_end:
        whole = whole.removesuffix(framing.tolerated_before_end.encode())
    digits = CHECKSUMS[framing.checksum].digits if framing.checksum else 0
    body, told = whole[: len(whole) - digits], whole[len(whole) - digits :]
    if told != _sum_of(framing, body).encode():
        raise RemoteProtocolError("the checksum does not hold")
    return body.decode("latin-1")


def _sum_of(framing: Framing, body: bytes) -> str:
    return CHECKSUMS[framing.checksum].text(body) if framing.checksum else ""


def _write(framing: Framing, layout: Layout, values: Values) -> Iterator[str]:
    for field in layout.fields:
        value = values.get(field.name)
        if field.kind is not Kind.SERIES:
            yield _written(framing, field, value)
            continue
        count, groups = series_of(field, value)
        yield count + framing.mark
        for one in groups:
            yield from _write(framing, group_of(field), one)


def _written(framing: Framing, field: Field, value: object) -> str:
    return framing.clean(write_field(field, value).rstrip(" ")) + framing.mark
