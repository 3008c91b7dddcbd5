"""JSON members read and written by their description; which members a payload has, and what they
mean, is a profile's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, NoReturn, cast

from messaging.domain.units import (
    BM_UNIT_NAME,
    CONTROL_POINT_NAME,
    TRADING_AGENT_NAME,
    RefusalCode,
)
from messaging.protocols.base import LocalProtocolError, RemoteProtocolError
from messaging.protocols.neso.strict_json import MOST_DIGITS, UNHELD
from messaging.protocols.neso.wa.profile import Kind, Layout, Member, RecordLayout

Values = Mapping[str, object]
"""Meanings to values; a list's meaning holds a tuple of Values, and one of records the records'
Values with their `about`, or typed records to be written.
"""

ABOUT: Final = "about"

ReadPayload = Callable[[object, str, Member], object]
"""Reads one of a list of whole payloads: its value, its pointer, the member that holds the list."""

WritePayload = Callable[[object], object]

_ID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", re.ASCII)
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_PLAIN_FROM: Final = Decimal("0.0001")
_MISSING: Final = object()


class Unreadable(Exception):
    """What is wrong with one member's value, in few words."""

    def __init__(self, text: str, code: RefusalCode = RefusalCode.MALFORMED) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


def join_pointer(at: str, *steps: str | int) -> str:
    """RFC 6901."""
    for step in steps:
        at = f"{at}/{str(step).replace('~', '~0').replace('/', '~1')}"
    return at


def pointer_to(member: Member, at: str = "") -> str:
    """Where a member stands in the object at the pointer `at`."""
    return join_pointer(at, *member.steps)


def read_members(
    layout: Layout, value: object, at: str, read_payload: ReadPayload
) -> dict[str, object]:
    """What the object `value`, found at the pointer `at`, means; RemoteProtocolError points at what
    it does not hold.
    """
    if not isinstance(value, dict):
        raise RemoteProtocolError("not an object", field=at)
    return {
        member.meaning: read_member(member, value, at, read_payload) for member in layout.members
    }


def read_member(member: Member, holder: Values, at: str, read_payload: ReadPayload) -> object:
    if member.within:
        holder = _inside(member, holder, at)
    value = holder.get(member.name, _MISSING)
    if (value is None and member.null) or (value is _MISSING and member.absent):
        return None
    try:
        if value is _MISSING:
            raise Unreadable("missing")
        if member.kind is Kind.LIST or member.kind is Kind.PAYLOADS:
            return _read_list(member, value, at, read_payload)
        if member.kind is Kind.RECORDS:
            return _read_records(member, value, at)
        if member.spelling is not None:
            return member.spelling.read(member, value)
        return _READERS[member.kind](member, value)
    except Unreadable as fault:
        field = pointer_to(member, at)
        text = f"{member.name}: {fault.text}"
        raise RemoteProtocolError(text, code=fault.code, field=field) from None


def _inside(member: Member, holder: Values, at: str) -> Values:
    """The object that the member stands in. One that is missing is empty: its members are missed,
    or may be absent.
    """
    for depth, name in enumerate(member.within, start=1):
        inner = holder.get(name, _MISSING)
        if inner is _MISSING:
            return {}
        if not isinstance(inner, dict):
            field = join_pointer(at, *member.within[:depth])
            raise RemoteProtocolError(f"{name}: not an object", field=field)
        holder = inner
    return holder


def write_members(layout: Layout, values: Values, write_payload: WritePayload) -> dict[str, object]:
    """`values` as JSON members; LocalProtocolError where a member cannot hold its value."""
    written: dict[str, object] = {}
    for member in layout.members:
        put(written, member, write_member(member, values.get(member.meaning), write_payload))
    return written


def put(holder: dict[str, object], member: Member, value: object) -> None:
    """Where the member stands in the object, with the objects on the way to it."""
    for name in member.within:
        holder = cast(dict[str, object], holder.setdefault(name, {}))
    holder[member.name] = value


def write_member(member: Member, value: object, write_payload: WritePayload) -> object:
    if value is None:
        if member.null:
            return None
        raise LocalProtocolError(f"{member.name} is never null")
    if member.kind is Kind.LIST or member.kind is Kind.PAYLOADS:
        return _write_list(member, value, write_payload)
    if member.kind is Kind.RECORDS:
        return _write_records(member, value)
    try:
        return _written(member, value)
    except Unreadable as fault:
        raise LocalProtocolError(f"{member.name}: {fault.text}: {value!r}") from None


def _written(member: Member, value: object) -> object:
    if member.spelling is None:
        return _WRITERS[member.kind](member, value)
    return member.spelling.write(member, value)


def _read_list(
    member: Member, value: object, at: str, read_payload: ReadPayload
) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise Unreadable("not a list")
    _check_count(member, len(value))
    place = pointer_to(member, at)
    if member.group is None:
        return tuple(
            read_payload(one, f"{place}/{index}", member) for index, one in enumerate(value)
        )
    group = member.group
    return tuple(
        read_members(group, one, f"{place}/{index}", read_payload)
        for index, one in enumerate(value)
    )


def _write_list(member: Member, value: object, write_payload: WritePayload) -> list[object]:
    if not isinstance(value, tuple):
        raise LocalProtocolError(f"{member.name} is not a tuple: {value!r}")
    try:
        _check_count(member, len(value))
    except Unreadable as fault:
        raise LocalProtocolError(f"{member.name}: {fault.text}") from None
    if member.group is None:
        return [write_payload(one) for one in value]
    return [write_members(member.group, one, write_payload) for one in value]


def _read_records(member: Member, value: object, at: str) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise Unreadable("not a list")
    _check_count(member, len(value))
    place = pointer_to(member, at)
    return tuple(_read_record(member, one, f"{place}/{index}") for index, one in enumerate(value))


def _read_record(member: Member, value: object, at: str) -> dict[str, object]:
    records = member.records
    if not isinstance(value, dict) or records is None:
        raise RemoteProtocolError("not an object", field=at)
    word = str(read_member(records.told_by, value, at, _no_payload))
    layout = records.by_word.get(word)
    if layout is None:
        raise RemoteProtocolError(
            f"{records.told_by.name}: not a record type",
            code=RefusalCode.UNKNOWN_TYPE,
            field=pointer_to(records.told_by, at),
        )
    return {**read_members(layout.group, value, at, _no_payload), ABOUT: layout.about}


def _write_records(member: Member, value: object) -> list[object]:
    """Of typed records: a submission has too many to take each apart first."""
    records = member.records
    if not isinstance(value, tuple) or records is None:
        raise LocalProtocolError(f"{member.name} is not a tuple: {value!r}")
    try:
        _check_count(member, len(value))
        told_by = records.told_by
        return [_write_record(told_by, records.by_about[one.type], one) for one in value]
    except Unreadable as fault:
        raise LocalProtocolError(f"{member.name}: {fault.text}") from None


def _write_record(told_by: Member, layout: RecordLayout, record: object) -> dict[str, object]:
    written: dict[str, object] = {}
    put(written, told_by, layout.word)
    for member in layout.group.members:
        value = getattr(record, member.meaning)
        if value is not None and not member.within:
            written[member.name] = _written(member, value)
        elif value is not None:
            put(written, member, _written(member, value))
        elif not member.absent:
            raise LocalProtocolError(f"{member.name} is never absent")
    return written


def _no_payload(*_: object) -> NoReturn:
    raise LocalProtocolError("a record holds no payload")


def _check_count(member: Member, count: int) -> None:
    if member.least is not None and count < member.least:
        raise Unreadable(f"{count} items, at least {member.least}")
    if member.most is not None and count > member.most:
        raise Unreadable(f"{count} items, at most {member.most}", RefusalCode.OUT_OF_RANGE)


def _text(member: Member, value: object) -> str:
    """A string that a text column can hold: neither NUL nor half of a surrogate pair."""
    if not isinstance(value, str):
        raise Unreadable("not a string")
    if _UNSTORABLE.search(value):
        raise Unreadable("a character that cannot be stored")
    if member.alphabet and not set(value) <= set(member.alphabet):
        raise Unreadable("a character that is not allowed")
    if member.least is not None and len(value) < member.least:
        raise Unreadable(f"{len(value)} characters, at least {member.least}")
    if member.most is not None and len(value) > member.most:
        raise Unreadable(f"{len(value)} characters, at most {member.most}")
    return value


def _matching(pattern: re.Pattern[str], text: str) -> Callable[[Member, object], str]:
    def read(member: Member, value: object) -> str:
        if not isinstance(value, str):
            raise Unreadable("not a string")
        if pattern.fullmatch(value) is None:
            raise Unreadable(text)
        return value

    return read


_control_point = _matching(CONTROL_POINT_NAME, "not the name of a control point")
_trading_agent = _matching(TRADING_AGENT_NAME, "not the name of a trading agent")
_bm_unit = _matching(BM_UNIT_NAME, "not the name of a BM unit")
_id = _matching(_ID, "not a UUID")


def _read_word(member: Member, value: object) -> str:
    if not isinstance(value, str):
        raise Unreadable("not a string")
    meaning = member.words.meant.get(value) if member.words else None
    if meaning is None:
        raise Unreadable("not one of the words it may hold")
    return meaning


def _write_word(member: Member, value: object) -> str:
    word = member.words.written.get(str(value)) if member.words else None
    if word is None:
        raise Unreadable("has no word")
    return word


def bounded_whole(member: Member, value: object) -> int:
    # True is an int to Python but not to JSON.
    if value is UNHELD:
        raise Unreadable(f"more than {MOST_DIGITS} digits", RefusalCode.OUT_OF_RANGE)
    if type(value) is not int:
        raise Unreadable("not an integer")
    low = -(10**MOST_DIGITS) + 1 if member.least is None else member.least
    high = 10**MOST_DIGITS - 1 if member.most is None else member.most
    if not low <= value <= high:
        raise Unreadable(f"not within {low} to {high}", RefusalCode.OUT_OF_RANGE)
    return value


def _read_number(member: Member, value: object) -> Decimal:
    if value is UNHELD:
        raise Unreadable(f"more than {MOST_DIGITS} digits", RefusalCode.OUT_OF_RANGE)
    if type(value) is int:
        return Decimal(value)
    if not isinstance(value, Decimal):
        raise Unreadable("not a number")
    if 0 < abs(value) < _PLAIN_FROM:
        # What could not be sent on must not come in.
        raise Unreadable(f"nearer to 0 than {_PLAIN_FROM}", RefusalCode.OUT_OF_RANGE)
    return value


def _write_number(member: Member, value: object) -> int | float:
    """A number that JSON writes without an exponent and every reader keeps exactly."""
    if not isinstance(value, Decimal) or not value.is_finite():
        raise Unreadable("not a number")
    if abs(value) >= 10**MOST_DIGITS:
        raise Unreadable("too large")
    if value == value.to_integral_value():
        return int(value)
    if abs(value) < _PLAIN_FROM or Decimal(repr(float(value))) != value:
        raise Unreadable("more decimal places than can be written")
    return float(value)


def _flag(member: Member, value: object) -> bool:
    if not isinstance(value, bool):
        raise Unreadable("not true or false")
    return value


def _read_time(member: Member, value: object) -> datetime:
    moment = _read_stamp(member, value)
    if moment.second or moment.microsecond:
        raise Unreadable("not a whole minute")
    return moment


def _read_stamp(member: Member, value: object) -> datetime:
    if not isinstance(value, str):
        raise Unreadable("not a string")
    return _moment(value)


@lru_cache(maxsize=8192)
def _moment(text: str) -> datetime:
    """Cached, since in a level profile each time stands twice."""
    if _STAMP.fullmatch(text) is None:
        raise Unreadable("not YYYY-MM-DDTHH:MM:SS[.ffffff]Z")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable("no such time") from None


def _write_time(member: Member, value: object) -> str:
    return _minute_text(as_utc(value))


@lru_cache(maxsize=8192)
def _minute_text(moment: datetime) -> str:
    """Cached like `_moment`; moments that are equal are all in UTC here, so their texts are too."""
    if moment.second or moment.microsecond:
        raise Unreadable("not a whole minute")
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _write_stamp(member: Member, value: object) -> str:
    return f"{as_utc(value).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def as_utc(value: object) -> datetime:
    if isinstance(value, datetime) and (value.tzinfo is UTC or value.utcoffset() == timedelta(0)):
        return value
    raise Unreadable("not a time in UTC")


_READERS: Final[Mapping[Kind, Callable[[Member, object], object]]] = {
    Kind.TEXT: _text,
    Kind.CONTROL_POINT: _control_point,
    Kind.TRADING_AGENT: _trading_agent,
    Kind.BM_UNIT: _bm_unit,
    Kind.ID: _id,
    Kind.WORD: _read_word,
    Kind.WHOLE: bounded_whole,
    Kind.NUMBER: _read_number,
    Kind.FLAG: _flag,
    Kind.TIME: _read_time,
    Kind.STAMP: _read_stamp,
}

_WRITERS: Final[Mapping[Kind, Callable[[Member, object], object]]] = {
    Kind.TEXT: _text,
    Kind.CONTROL_POINT: _control_point,
    Kind.TRADING_AGENT: _trading_agent,
    Kind.BM_UNIT: _bm_unit,
    Kind.ID: _id,
    Kind.WORD: _write_word,
    Kind.WHOLE: bounded_whole,
    Kind.NUMBER: _write_number,
    Kind.FLAG: _flag,
    Kind.TIME: _write_time,
    Kind.STAMP: _write_stamp,
}
