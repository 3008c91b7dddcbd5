"""Ways to spell times, numbers and flags in JSON other than the plain ones, by the words that a
profile chooses them with in its table [formats].

What a real specification spells in a way that is not here takes one class here, and a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from messaging.domain.units import RefusalCode
from messaging.protocols.neso.strict_json import MOST_DIGITS
from messaging.protocols.neso.wa.members import Unreadable, as_utc, bounded_whole
from messaging.protocols.neso.wa.profile import Kind, Member, Spelling

PLAIN: Final = "plain"
"""The word for a kind's own way, which `members` reads and writes."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_LAST_MS: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
_WHOLE: Final = re.compile(r"(0|-?[1-9][0-9]{0,14})", re.ASCII)
_OFFSET_PATTERN: Final = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?[+-][0-9]{2}:[0-9]{2}"
)
_OFFSET: Final = re.compile(_OFFSET_PATTERN, re.ASCII)


class _Epoch:
    """A JSON integer: milliseconds since the beginning of 1970, UTC."""

    def __init__(self, *, whole_minutes: bool) -> None:
        self._whole_minutes = whole_minutes

    def read(self, member: Member, value: object) -> datetime:
        if type(value) is not int:
            raise Unreadable("not an integer")
        if not 0 <= value <= _LAST_MS:
            raise Unreadable("no such time", RefusalCode.OUT_OF_RANGE)
        moment = _EPOCH + value * _MILLISECOND
        return _whole_minute(moment) if self._whole_minutes else moment

    def write(self, member: Member, value: object) -> int:
        moment = _whole_minute(as_utc(value)) if self._whole_minutes else as_utc(value)
        if moment < _EPOCH:
            raise Unreadable("before 1970")
        return (moment - _EPOCH) // _MILLISECOND

    def schema(self, member: Member) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": _LAST_MS}
        return schema | ({"multipleOf": 60_000} if self._whole_minutes else {})


class _Offset:
    """`2026-11-22T10:00:00+00:00`: any offset from UTC is read, none but +00:00 is written."""

    def __init__(self, *, whole_minutes: bool) -> None:
        self._whole_minutes = whole_minutes

    def read(self, member: Member, value: object) -> datetime:
        if not isinstance(value, str):
            raise Unreadable("not a string")
        moment = _moment(value)
        return _whole_minute(moment) if self._whole_minutes else moment

    def write(self, member: Member, value: object) -> str:
        moment = as_utc(value)
        if self._whole_minutes:
            return _whole_minute(moment).isoformat(timespec="seconds")
        return moment.isoformat(timespec="microseconds")

    def schema(self, member: Member) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_OFFSET_PATTERN}$"}


@lru_cache(maxsize=8192)
def _moment(text: str) -> datetime:
    """Cached, since in a level profile each time stands twice."""
    if _OFFSET.fullmatch(text) is None:
        raise Unreadable("not YYYY-MM-DDTHH:MM:SS[.ffffff]+HH:MM")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable("no such time") from None


def _whole_minute(moment: datetime) -> datetime:
    if moment.second or moment.microsecond:
        raise Unreadable("not a whole minute")
    return moment


class _WholeText:
    """An integer's digits in a string: `"-50"`."""

    def read(self, member: Member, value: object) -> int:
        if not isinstance(value, str):
            raise Unreadable("not a string")
        if _WHOLE.fullmatch(value) is None:
            raise Unreadable("not the digits of an integer")
        return bounded_whole(member, int(value))

    def write(self, member: Member, value: object) -> str:
        return str(bounded_whole(member, value))

    def schema(self, member: Member) -> dict[str, Any]:
        """Of its bounds JSON Schema can say the sign alone."""
        is_signed = member.least is None or member.least < 0
        pattern = _WHOLE.pattern if is_signed else _WHOLE.pattern.replace("-?", "")
        return {"type": "string", "pattern": f"^{pattern}$"}


class _PlacesText:
    """A number in a string, always with the member's count of decimal places: `"45.50"`."""

    def read(self, member: Member, value: object) -> Decimal:
        if not isinstance(value, str):
            raise Unreadable("not a string")
        if re.fullmatch(_with_places(member), value, re.ASCII) is None:
            raise Unreadable(f"not a number with {member.places} decimal places")
        return Decimal(value)

    def write(self, member: Member, value: object) -> str:
        if not isinstance(value, Decimal) or not value.is_finite():
            raise Unreadable("not a number")
        if abs(value) >= 10 ** (MOST_DIGITS - member.places):
            raise Unreadable("too large")
        rounded = round(value, member.places)
        if rounded != value:
            raise Unreadable(f"more than {member.places} decimal places")
        return f"{rounded:f}"

    def schema(self, member: Member) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_with_places(member)}$"}


@lru_cache(maxsize=64)
def _places_pattern(places: int) -> str:
    digits = MOST_DIGITS - places
    return rf"-?(0|[1-9][0-9]{{0,{digits - 1}}})\.[0-9]{{{places}}}"


def _with_places(member: Member) -> str:
    return _places_pattern(member.places)


class _Digit:
    """0 or 1, as a JSON integer."""

    def read(self, member: Member, value: object) -> bool:
        if type(value) is not int or value not in (0, 1):
            raise Unreadable("not 0 or 1")
        return value == 1

    def write(self, member: Member, value: object) -> int:
        if not isinstance(value, bool):
            raise Unreadable("not true or false")
        return int(value)

    def schema(self, member: Member) -> dict[str, Any]:
        return {"type": "integer", "enum": [0, 1]}


class _Letter:
    """`"Y"` or `"N"`."""

    def read(self, member: Member, value: object) -> bool:
        if value not in ("Y", "N"):
            raise Unreadable("not Y or N")
        return value == "Y"

    def write(self, member: Member, value: object) -> str:
        if not isinstance(value, bool):
            raise Unreadable("not true or false")
        return "Y" if value else "N"

    def schema(self, member: Member) -> dict[str, Any]:
        return {"type": "string", "enum": ["Y", "N"]}


def _spelling(
    name: str,
    way: _Epoch | _Offset | _WholeText | _PlacesText | _Digit | _Letter,
    *,
    tick: timedelta = timedelta(microseconds=1),
    has_places: bool = False,
) -> tuple[str, Spelling]:
    return name, Spelling(name, way.read, way.write, way.schema, tick, has_places)


_TIME, _STAMP = _Epoch(whole_minutes=True), _Epoch(whole_minutes=False)

SPELLINGS: Final[Mapping[Kind, Mapping[str, Spelling]]] = {
    Kind.TIME: dict(
        (
            _spelling("epoch milliseconds", _TIME, tick=_MILLISECOND),
            _spelling("offset", _Offset(whole_minutes=True)),
        )
    ),
    Kind.STAMP: dict(
        (
            _spelling("epoch milliseconds", _STAMP, tick=_MILLISECOND),
            _spelling("offset", _Offset(whole_minutes=False)),
        )
    ),
    Kind.WHOLE: dict((_spelling("text", _WholeText()),)),
    Kind.NUMBER: dict((_spelling("text", _PlacesText(), has_places=True),)),
    Kind.FLAG: dict((_spelling("0 or 1", _Digit()), _spelling("Y or N", _Letter()))),
}
"""By kind and word; every kind has its plain way beside them."""
