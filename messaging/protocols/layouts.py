"""Fixed-position layouts, read and written by their description: what a field is, and how it
becomes a value and text again.

Which fields a message has, and what they mean, is a profile's; nothing here knows a protocol.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any

from messaging.protocols.base import LocalProtocolError, RemoteProtocolError

Values = Mapping[str, Any]
"""Field names to values; a group's field holds a tuple of Values."""


class Kind(StrEnum):
    """How a field is written. A `series` is a count and that many groups; it stands last."""

    TEXT = "text"
    NUMBER = "number"
    DECIMAL = "decimal"
    DIGITS = "digits"
    FLAG = "flag"
    TIME = "time"
    STAMP = "stamp"
    SERIES = "series"


@dataclass(frozen=True, slots=True)
class Words:
    """The words a text field may hold: what is written for each meaning.

    An `open` list lets other words through as they are.
    """

    written: Mapping[str, str]
    meant: Mapping[str, str]
    open: bool = False

    @classmethod
    def of(cls, written: Mapping[str, str], *, open: bool = False) -> Words:
        return cls(written, {word: meaning for meaning, word in written.items()}, open)


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `start` counts from 1, `size` is in characters (of the count, for a series).

    `required` fields are never blank; a blank one reads as None, a blank text as "". `source` says
    where we know it from.
    """

    name: str
    kind: Kind
    start: int
    size: int
    source: str
    required: bool = True
    places: int = 0
    alphabet: str = ""
    words: Words | None = None
    least: int = 1
    group: Layout | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Fields in order. `size` is that of the fixed part: all of it unless the last field is a
    series.
    """

    name: str
    fields: tuple[Field, ...]

    @property
    def series(self) -> Field | None:
        last = self.fields[-1] if self.fields else None
        return last if last and last.kind is Kind.SERIES else None

    @property
    def size(self) -> int:
        last = self.fields[-1] if self.fields else None
        return last.start - 1 + last.size if last else 0

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)


def read_layout(layout: Layout, text: str) -> dict[str, Any]:
    """The values of `text`, which must hold the layout exactly; RemoteProtocolError names the field
    that does not.
    """
    if layout.series is None and len(text) != layout.size:
        raise RemoteProtocolError(f"{layout.name}: {len(text)} characters, not {layout.size}")
    if len(text) < layout.size:
        raise RemoteProtocolError(f"{layout.name}: {len(text)} characters, too few")
    return _read_fields(layout, text, 0, "")


def write_layout(layout: Layout, values: Values) -> str:
    """`values` as text; LocalProtocolError where a field cannot hold its value."""
    text = ""
    for field in layout.fields:
        text = text.ljust(field.start - 1)
        text += _write_field(field, values.get(field.name))
    return text


def _read_fields(layout: Layout, text: str, offset: int, place: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in layout.fields:
        start = offset + field.start - 1
        raw = text[start : start + field.size]
        try:
            if field.kind is Kind.SERIES:
                values[field.name] = _read_series(field, raw, text[start + field.size :])
            else:
                values[field.name] = _read_field(field, raw)
        except _Unreadable as fault:
            raise RemoteProtocolError(
                f"{place}{field.name}: {fault}", field=f"{place}{field.name}"
            ) from None
    return values


def _read_field(field: Field, raw: str) -> object:
    if not raw.strip(" "):
        if field.required:
            raise _Unreadable("blank")
        return "" if field.kind is Kind.TEXT else None
    return _READERS[field.kind](field, raw)


def _read_series(field: Field, raw: str, rest: str) -> tuple[dict[str, Any], ...]:
    group = _group_of(field)
    count, width = _read_number(field, raw), group.size
    if count < field.least:
        raise _Unreadable(f"a count of {count}, at least {field.least}")
    if len(rest) != count * width:
        raise _Unreadable(f"{len(rest)} characters do not make {count} groups of {width}")
    return tuple(
        _read_fields(group, rest, index * width, f"{field.name}[{index}].")
        for index in range(count)
    )


def _group_of(field: Field) -> Layout:
    if field.group is None:
        raise LocalProtocolError(f"{field.name} is a series of nothing: the layout is wrong")
    return field.group


class _Unreadable(Exception):
    """What is wrong with one field's text, in few words."""


_WHOLE = re.compile(r"([+-]?[0-9]+)(?:\.0+)?")
_POINTED = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)")


def _read_text(field: Field, raw: str) -> str:
    text = raw.rstrip(" ")
    if field.alphabet and not set(text) <= set(field.alphabet):
        raise _Unreadable("a character that is not allowed")
    words = field.words
    if words is None:
        return text
    if text not in words.meant and not words.open:
        raise _Unreadable("not one of the words it may hold")
    return words.meant.get(text, text)


def _read_number(field: Field, raw: str) -> int:
    found = _WHOLE.fullmatch(raw.strip(" "))
    if found is None:
        raise _Unreadable("not a whole number")
    return int(found[1])


def _read_decimal(field: Field, raw: str) -> Decimal:
    text = raw.strip(" ")
    if _POINTED.fullmatch(text) is None:
        raise _Unreadable("not a number")
    value = Decimal(text)
    rounded = round(value, field.places)
    if rounded != value:
        raise _Unreadable(f"more than {field.places} decimal places")
    return rounded


def _read_digits(field: Field, raw: str) -> int:
    if not (raw.isascii() and raw.isdigit()):
        raise _Unreadable(f"not {field.size} digits")
    return int(raw)


def _read_flag(field: Field, raw: str) -> bool:
    return _read_text(field, raw) == "yes"


def _read_time(field: Field, raw: str) -> datetime:
    return _moment(raw, 12)


def _read_stamp(field: Field, raw: str) -> datetime:
    return _moment(raw, 14)


@lru_cache(maxsize=8192)
def _moment(raw: str, size: int) -> datetime:
    """Cached, since in a series each time stands twice."""
    if len(raw) != size or not (raw.isascii() and raw.isdigit()):
        raise _Unreadable(f"not a time of {size} digits")
    parts = [int(raw[:4]), *(int(raw[at : at + 2]) for at in range(4, size, 2))]
    try:
        return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]
    except ValueError:
        raise _Unreadable("no such time") from None


_READERS: dict[Kind, Callable[[Field, str], object]] = {
    Kind.TEXT: _read_text,
    Kind.NUMBER: _read_number,
    Kind.DECIMAL: _read_decimal,
    Kind.DIGITS: _read_digits,
    Kind.FLAG: _read_flag,
    Kind.TIME: _read_time,
    Kind.STAMP: _read_stamp,
}


def _write_field(field: Field, value: object) -> str:
    if value is None or (isinstance(value, str) and not value.strip(" ")):
        if field.required:
            raise LocalProtocolError(f"{field.name} is required")
        return " " * field.size
    return _WRITERS[field.kind](field, value)


def _fit(field: Field, text: str, *, right: bool = False) -> str:
    if len(text) > field.size:
        raise LocalProtocolError(f"{field.name} holds {field.size} characters, not {len(text)}")
    return text.rjust(field.size) if right else text.ljust(field.size)


def _write_text(field: Field, value: object) -> str:
    text = str(value)
    if field.words is not None:
        if text not in field.words.written and not field.words.open:
            raise LocalProtocolError(f"{field.name} has no word for {text!r}")
        text = field.words.written.get(text, text)
    if field.alphabet and not set(text) <= set(field.alphabet):
        raise LocalProtocolError(f"{field.name} cannot hold {text!r}")
    return _fit(field, text)


def _write_number(field: Field, value: object) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise LocalProtocolError(f"{field.name} is not a whole number: {value!r}")
    return _fit(field, str(value), right=True)


def _write_decimal(field: Field, value: object) -> str:
    if not isinstance(value, Decimal) or not value.is_finite():
        raise LocalProtocolError(f"{field.name} is not a decimal number: {value!r}")
    rounded = round(value, field.places)
    if rounded != value:
        raise LocalProtocolError(f"{field.name} has at most {field.places} decimal places")
    return _fit(field, f"{rounded:f}", right=True)


def _write_digits(field: Field, value: object) -> str:
    if not isinstance(value, int) or value < 0:
        raise LocalProtocolError(f"{field.name} is not a number of digits: {value!r}")
    return _fit(field, f"{value:0{field.size}d}")


def _write_flag(field: Field, value: object) -> str:
    return _write_text(field, "yes" if value else "no")


def _write_time(field: Field, value: object) -> str:
    moment = _as_utc(field, value)
    if moment.second or moment.microsecond:
        raise LocalProtocolError(f"{field.name} is not a whole minute: {value!r}")
    return _digits_of(moment)


def _write_stamp(field: Field, value: object) -> str:
    moment = _as_utc(field, value)
    return f"{_digits_of(moment)}{moment.second:02d}"


def _as_utc(field: Field, value: object) -> datetime:
    if not isinstance(value, datetime) or value.utcoffset() != timedelta(0):
        raise LocalProtocolError(f"{field.name} is not a time in UTC: {value!r}")
    return value


def _digits_of(moment: datetime) -> str:
    day = f"{moment.year:04d}{moment.month:02d}{moment.day:02d}"
    return f"{day}{moment.hour:02d}{moment.minute:02d}"


def _write_series(field: Field, value: object) -> str:
    group = _group_of(field)
    if not isinstance(value, tuple) or len(value) < field.least:
        raise LocalProtocolError(f"{field.name} takes {field.least} groups or more")
    return _write_number(field, len(value)) + "".join(write_layout(group, one) for one in value)


_WRITERS: dict[Kind, Callable[[Field, object], str]] = {
    Kind.TEXT: _write_text,
    Kind.NUMBER: _write_number,
    Kind.DECIMAL: _write_decimal,
    Kind.DIGITS: _write_digits,
    Kind.FLAG: _write_flag,
    Kind.TIME: _write_time,
    Kind.STAMP: _write_stamp,
    Kind.SERIES: _write_series,
}
