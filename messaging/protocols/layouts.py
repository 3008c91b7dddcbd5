"""Layouts, read and written by their description: what a field is, how it becomes a value and text
again, and how fields of fixed positions are told apart.

Which fields a message has, and what they mean, is a profile's; nothing here knows a protocol.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from messaging.protocols.base import LocalProtocolError, RemoteProtocolError
from messaging.protocols.times import STAMPS, TIMES, NotInFormat, TimeFormat

Values = Mapping[str, Any]
"""Field names to values; a group's field holds a tuple of Values."""


class Kind(StrEnum):
    """How a field is written. A `series` is a count and that many groups; where positions are
    fixed, it stands last.
    """

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
    """One field: `start` counts from 1, in characters or, where positions are not fixed, in fields;
    `size` is in characters, at most (of the count, for a series).

    `required` fields are never blank; a blank one reads as None, a blank text as "". `source` says
    where we know it from. Without a `format` a time is written in digits only.
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
    format: TimeFormat | None = None


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
                values[field.name] = read_field(field, raw)
        except Unreadable as fault:
            raise fault.told(f"{place}{field.name}") from None
    return values


def read_field(field: Field, raw: str) -> object:
    """The value of one field's text, any kind but a series; raises Unreadable."""
    if not raw.strip(" "):
        if field.required:
            raise Unreadable("blank")
        return "" if field.kind is Kind.TEXT else None
    return _READERS[field.kind](field, raw)


def read_count(field: Field, raw: str) -> int:
    """How many groups a series says it has; raises Unreadable."""
    count = _read_number(field, raw)
    if count < field.least:
        raise Unreadable(f"a count of {count}, at least {field.least}")
    return count


def _read_series(field: Field, raw: str, rest: str) -> tuple[dict[str, Any], ...]:
    group = group_of(field)
    count, width = read_count(field, raw), group.size
    if len(rest) != count * width:
        raise Unreadable(f"{len(rest)} characters do not make {count} groups of {width}")
    return tuple(
        _read_fields(group, rest, index * width, f"{field.name}[{index}].")
        for index in range(count)
    )


def group_of(field: Field) -> Layout:
    """What a series holds."""
    if field.group is None:
        raise LocalProtocolError(f"{field.name} is a series of nothing: the layout is wrong")
    return field.group


class Unreadable(Exception):
    """What is wrong with one field's text, in few words."""

    def told(self, field: str) -> RemoteProtocolError:
        return RemoteProtocolError(f"{field}: {self}", field=field)


_WHOLE = re.compile(r"([+-]?[0-9]+)(?:\.0+)?")
_POINTED = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)")


def _read_text(field: Field, raw: str) -> str:
    text = raw.rstrip(" ")
    if field.alphabet and not set(text) <= set(field.alphabet):
        raise Unreadable("a character that is not allowed")
    words = field.words
    if words is None:
        return text
    if text not in words.meant and not words.open:
        raise Unreadable("not one of the words it may hold")
    return words.meant.get(text, text)


def _read_number(field: Field, raw: str) -> int:
    found = _WHOLE.fullmatch(raw.strip(" "))
    if found is None:
        raise Unreadable("not a whole number")
    return int(found[1])


def _read_decimal(field: Field, raw: str) -> Decimal:
    text = raw.strip(" ")
    if _POINTED.fullmatch(text) is None:
        raise Unreadable("not a number")
    value = Decimal(text)
    rounded = round(value, field.places)
    if rounded != value:
        raise Unreadable(f"more than {field.places} decimal places")
    return rounded


def _read_digits(field: Field, raw: str) -> int:
    if not (raw.isascii() and raw.isdigit()):
        raise Unreadable(f"not {field.size} digits")
    return int(raw)


def _read_flag(field: Field, raw: str) -> bool:
    return _read_text(field, raw) == "yes"


def _read_time(field: Field, raw: str) -> datetime:
    try:
        return _format_of(field).read(raw)
    except NotInFormat as error:
        raise Unreadable(str(error)) from None


_PLAIN_FORMATS: Final = {Kind.TIME: TIMES["YYYYMMDDHHMM"], Kind.STAMP: STAMPS["YYYYMMDDHHMMSS"]}


def _format_of(field: Field) -> TimeFormat:
    return field.format or _PLAIN_FORMATS[field.kind]


_READERS: dict[Kind, Callable[[Field, str], object]] = {
    Kind.TEXT: _read_text,
    Kind.NUMBER: _read_number,
    Kind.DECIMAL: _read_decimal,
    Kind.DIGITS: _read_digits,
    Kind.FLAG: _read_flag,
    Kind.TIME: _read_time,
    Kind.STAMP: _read_time,
}


_TO_THE_RIGHT: Final = frozenset({Kind.NUMBER, Kind.DECIMAL, Kind.SERIES})


def _write_field(field: Field, value: object) -> str:
    if field.kind is Kind.SERIES:
        count, groups = series_of(field, value)
        return _padded(field, count) + "".join(write_layout(group_of(field), one) for one in groups)
    return _padded(field, write_field(field, value))


def _padded(field: Field, text: str) -> str:
    if field.kind in _TO_THE_RIGHT:
        return text.rjust(field.size)
    if field.kind is Kind.DIGITS and text:
        return text.zfill(field.size)
    return text.ljust(field.size)


def write_field(field: Field, value: object) -> str:
    """One field's value as text, any kind but a series, without padding; LocalProtocolError where
    the field cannot hold it.
    """
    if value is None or (isinstance(value, str) and not value.strip(" ")):
        if field.required:
            raise LocalProtocolError(f"{field.name} is required")
        return ""
    return _fit(field, _WRITERS[field.kind](field, value))


def series_of(field: Field, value: object) -> tuple[str, tuple[Values, ...]]:
    """The count of a series as text, and its groups; LocalProtocolError where there are too few or
    too many.
    """
    if not isinstance(value, tuple) or len(value) < field.least:
        raise LocalProtocolError(f"{field.name} takes {field.least} groups or more")
    return _fit(field, str(len(value))), value


def _fit(field: Field, text: str) -> str:
    if len(text) > field.size:
        raise LocalProtocolError(f"{field.name} holds {field.size} characters, not {len(text)}")
    return text


def _write_text(field: Field, value: object) -> str:
    text = str(value)
    if field.words is not None:
        if text not in field.words.written and not field.words.open:
            raise LocalProtocolError(f"{field.name} has no word for {text!r}")
        text = field.words.written.get(text, text)
    if field.alphabet and not set(text) <= set(field.alphabet):
        raise LocalProtocolError(f"{field.name} cannot hold {text!r}")
    return text


def _write_number(field: Field, value: object) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise LocalProtocolError(f"{field.name} is not a whole number: {value!r}")
    return str(value)


def _write_decimal(field: Field, value: object) -> str:
    if not isinstance(value, Decimal) or not value.is_finite():
        raise LocalProtocolError(f"{field.name} is not a decimal number: {value!r}")
    rounded = round(value, field.places)
    if rounded != value:
        raise LocalProtocolError(f"{field.name} has at most {field.places} decimal places")
    return f"{rounded:f}"


def _write_digits(field: Field, value: object) -> str:
    if not isinstance(value, int) or value < 0:
        raise LocalProtocolError(f"{field.name} is not a number of digits: {value!r}")
    return str(value)


def _write_flag(field: Field, value: object) -> str:
    return _write_text(field, "yes" if value else "no")


def _write_time(field: Field, value: object) -> str:
    moment = _as_utc(field, value)
    if moment.second or moment.microsecond:
        raise LocalProtocolError(f"{field.name} is not a whole minute: {value!r}")
    return _format_of(field).write(moment)


def _write_stamp(field: Field, value: object) -> str:
    return _format_of(field).write(_as_utc(field, value))


def _as_utc(field: Field, value: object) -> datetime:
    if not isinstance(value, datetime) or value.utcoffset() != timedelta(0):
        raise LocalProtocolError(f"{field.name} is not a time in UTC: {value!r}")
    return value


_WRITERS: dict[Kind, Callable[[Field, object], str]] = {
    Kind.TEXT: _write_text,
    Kind.NUMBER: _write_number,
    Kind.DECIMAL: _write_decimal,
    Kind.DIGITS: _write_digits,
    Kind.FLAG: _write_flag,
    Kind.TIME: _write_time,
    Kind.STAMP: _write_stamp,
}
