"""One field's text as a value and back. Reading remembers what it has read: a file says the same
names, times and numbers over and over, and equal values are then one object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final

from messaging.domain.units import BM_UNIT_NAME
from messaging.protocols.base import LocalProtocolError
from messaging.protocols.edt.profile import Field, Kind

MOST_REMEMBERED: Final = 20_000
"""Texts of one kind of field; then they are forgotten, so that no file can fill the memory."""

_TIME: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d)|(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)")
_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
_ZERO_DECIMAL: Final = re.compile(r"([+-]?[0-9]+)\.0+")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)")
_MOST_TOLD: Final = 40
"""Characters of a peer's text that are repeated to it."""


class Unreadable(Exception):
    """What is wrong with one field's text, and the rule it breaks."""

    def __init__(self, rule: str, value: str, text: str) -> None:
        super().__init__(text)
        self.rule = rule
        self.value = value[:_MOST_TOLD]
        self.text = text


class Memory(dict[str, Any]):
    """Texts to values: what is not there is read, kept and given; Unreadable passes through."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[str], object]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> object:
        value = self._read(text)
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        self[text] = value
        return value


def reader_of(field: Field, blanks: str, agent: str) -> Callable[[str], object]:
    """Reads a field's text as it stands between separators, in a file of `agent`."""
    return partial(_READERS[field.kind], field, blanks, agent)


def _stripped(field: Field, blanks: str, text: str, rule: str) -> str:
    text = text.strip(blanks)
    if not text and field.required:
        raise Unreadable(rule, "", "blank")
    return text


def _sized(field: Field, text: str) -> str:
    if len(text) > field.size:
        raise Unreadable("field-width", text, f"more than {field.size} characters")
    return text


def _read_agent(field: Field, blanks: str, agent: str, text: str) -> str:
    text = _stripped(field, blanks, text, "agent-of-file")
    if text != agent:
        raise Unreadable("agent-of-file", text, f"the file's name says {agent}")
    return agent


def _read_unit(field: Field, blanks: str, agent: str, text: str) -> str:
    text = _stripped(field, blanks, text, "unit-name")
    if len(text) > field.size or BM_UNIT_NAME.fullmatch(text) is None:
        raise Unreadable("unit-name", text, "unknown or not yours")
    return text


def _read_time(field: Field, blanks: str, agent: str, text: str) -> datetime:
    text = _stripped(field, blanks, text, "time-format")
    found = _TIME.fullmatch(text)
    if found is None:
        raise Unreadable("time-format", text, "not YYYY-MM-DD HH:MM")
    year, month, day, hour, minute = (int(part) for part in found.groups() if part)
    try:
        return datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        raise Unreadable("time-format", text, "no such time") from None


def _read_whole(field: Field, blanks: str, agent: str, text: str) -> int | None:
    text = _stripped(field, blanks, text, "field-format")
    if not text:
        return None
    whole = _ZERO_DECIMAL.fullmatch(text) if field.zero_decimal else None
    digits = whole[1] if whole else text
    if _WHOLE.fullmatch(digits) is None:
        raise Unreadable("field-format", text, "not a whole number")
    return int(_sized(field, digits))


def _read_decimal(field: Field, blanks: str, agent: str, text: str) -> Decimal | None:
    text = _stripped(field, blanks, text, "field-format")
    if not text:
        return None
    if _DECIMAL.fullmatch(text) is None:
        raise Unreadable("field-format", text, "not a number")
    if len(text.partition(".")[2]) > field.places:
        raise Unreadable("field-format", text, "too many decimal places")
    return Decimal(_sized(field, text))


_READERS: Final[Mapping[Kind, Callable[[Field, str, str, str], object]]] = {
    Kind.AGENT: _read_agent,
    Kind.UNIT: _read_unit,
    Kind.TIME: _read_time,
    Kind.WHOLE: _read_whole,
    Kind.DECIMAL: _read_decimal,
}


def write_field(field: Field, value: object) -> str:
    """LocalProtocolError where the field cannot hold the value."""
    if value is None:
        if field.required:
            raise LocalProtocolError(f"{field.name} is required")
        return ""
    text = _WRITERS[field.kind](field, value)
    if field.size and len(text) > field.size:
        raise LocalProtocolError(f"{field.name} holds {field.size} characters, not {text!r}")
    return text


def _write_agent(field: Field, value: object) -> str:
    return str(value)


def _write_unit(field: Field, value: object) -> str:
    if not isinstance(value, str) or BM_UNIT_NAME.fullmatch(value) is None:
        raise LocalProtocolError(f"{field.name} is no BM unit's name: {value!r}")
    return value


def _write_time(field: Field, value: object) -> str:
    if not isinstance(value, datetime) or value.utcoffset() != timedelta(0):
        raise LocalProtocolError(f"{field.name} is not a time in UTC: {value!r}")
    if value.second or value.microsecond:
        raise LocalProtocolError(f"{field.name} is not a whole minute: {value!r}")
    return value.replace(tzinfo=None).isoformat(" ", "minutes")


def _write_whole(field: Field, value: object) -> str:
    if type(value) is not int:
        raise LocalProtocolError(f"{field.name} is not a whole number: {value!r}")
    return str(value)


def _write_decimal(field: Field, value: object) -> str:
    """With all its places, so that equal numbers have equal texts."""
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value) >= 10**field.size:
        raise LocalProtocolError(f"{field.name} is not a number it can hold: {value!r}")
    rounded = round(value, field.places)
    if rounded != value:
        raise LocalProtocolError(f"{field.name} has at most {field.places} decimal places")
    return f"{rounded if rounded else abs(rounded):f}"


_WRITERS: Final[Mapping[Kind, Callable[[Field, object], str]]] = {
    Kind.AGENT: _write_agent,
    Kind.UNIT: _write_unit,
    Kind.TIME: _write_time,
    Kind.WHOLE: _write_whole,
    Kind.DECIMAL: _write_decimal,
}
