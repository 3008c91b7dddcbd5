"""Typed messages read from JSON values: the inverse of `writing`, and strict. A member that is not
known, is missing, or is not of the very type is a finding; nothing is guessed or converted.

A member may be left out where the class has a default for it.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from messaging.domain.rules import BY_ID, Rule, Violation

Path = tuple[str | int, ...]

MOST_TOLD: Final = 100
"""Findings about one value; what else is wrong is told when those are put right."""
MOST_ITEMS: Final[Mapping[str, int]] = {"levels": 7_200, "rates": 3, "records": 200_000}
"""By member: as many segments as fit the longest message of a control point, and so on."""
LONGEST_TEXT: Final = 200

_SHOWN: Final = 60
_SHAPE, _TIME, _FORMAT = (BY_ID[name] for name in ("json-shape", "json-time", "field-format"))
_TYPE: Final = BY_ID["record-type"]
_MOMENT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})", re.ASCII
)
_DECIMAL: Final = re.compile(r"-?\d{1,6}(\.(\d{1,2}))?", re.ASCII)
_TEXT: Final = re.compile(r"[ -~]*")
_PLACES: Final[Mapping[str, int]] = {"offer_price": 2, "bid_price": 2}
_TO_THE_SECOND: Final = frozenset({"responded_at"})
"""Moments that are no market times."""


class Unreadable(Exception):
    """The value is none of the messages wanted; `found` says all that is wrong with it."""

    def __init__(self, found: tuple[Violation, ...]) -> None:
        super().__init__(found[0].text)
        self.found = found


def read(value: Any, *kinds: type) -> Any:
    """An instance of one of the classes, told apart by `type`. Raises Unreadable."""
    reading = _Reading()
    message = reading.whole(value, kinds, ())
    if reading.found:
        raise Unreadable(tuple(reading.found))
    return message


class _Reading:
    """Gathers findings, so that one answer tells them all."""

    def __init__(self) -> None:
        self.found: list[Violation] = []

    def whole(self, value: Any, kinds: tuple[type, ...], path: Path) -> Any:
        if not isinstance(value, dict):
            return self._wrong(_SHAPE, path, value, "must be an object")
        by_name = {kind.__name__: kind for kind in kinds}
        name = value.get("type")
        kind = by_name.get(name) if isinstance(name, str) else None
        if kind is None:
            text = f"must be {' or '.join(by_name)}"
            return self._wrong(_TYPE, (*path, "type"), name, text)
        for unknown in sorted(value.keys() - {"type", *_members(kind)}):
            self._wrong(_SHAPE, (*path, unknown[:_SHOWN]), "", "is not known")
        before = len(self.found)
        read = {}
        for name, member in _members(kind).items():
            if name in value:
                read[name] = self._value(member, member.kind, value[name], (*path, name))
            elif not member.has_default:
                self._wrong(_SHAPE, (*path, name), "", "is missing")
        return kind(**read) if len(self.found) == before else None

    def _value(self, member: _Member, kind: Any, value: Any, path: Path) -> Any:
        if len(self.found) >= MOST_TOLD:
            return None
        parts = get_args(kind)
        if get_origin(kind) is tuple:
            return self._items(member, parts[0], value, path)
        if get_origin(kind) in (types.UnionType, Union):
            if type(None) in parts and value is None:
                return None
            parts = tuple(part for part in parts if part is not type(None))
            return (
                self._value(member, parts[0], value, path)
                if len(parts) == 1
                else self.whole(value, parts, path)
            )
        if isinstance(kind, type) and is_dataclass(kind):
            return self.whole(value, (kind,), path)
        if issubclass(kind, Enum):
            return self._enum(kind, value, path)
        return _PLAIN[kind](self, member, value, path)

    def _items(self, member: _Member, kind: Any, value: Any, path: Path) -> Any:
        most = MOST_ITEMS.get(member.name, 100)
        if not isinstance(value, list) or not 1 <= len(value) <= most:
            return self._wrong(_SHAPE, path, "", f"must be a list of 1 to {most}")
        return tuple(self._value(member, kind, v, (*path, at)) for at, v in enumerate(value))

    def _enum(self, kind: type[Enum], value: Any, path: Path) -> Any:
        known = {member.value: member for member in kind}
        if isinstance(value, str) and value in known:
            return known[value]
        return self._wrong(_SHAPE, path, value, f"must be one of {', '.join(known)}")

    def text(self, member: _Member, value: Any, path: Path) -> Any:
        if isinstance(value, str) and len(value) <= LONGEST_TEXT and _TEXT.fullmatch(value):
            return value
        text = f"must be text of at most {LONGEST_TEXT} printable ASCII characters"
        return self._wrong(_SHAPE, path, value, text)

    def truth(self, member: _Member, value: Any, path: Path) -> Any:
        if isinstance(value, bool):
            return value
        return self._wrong(_SHAPE, path, value, "must be true or false")

    def whole_number(self, member: _Member, value: Any, path: Path) -> Any:
        if type(value) is int:
            return value
        return self._wrong(_SHAPE, path, value, "must be a whole number")

    def exact(self, member: _Member, value: Any, path: Path) -> Any:
        places = _PLACES.get(member.name, 1)
        match = _DECIMAL.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            return self._wrong(_SHAPE, path, value, 'must be a decimal as text, such as "12.5"')
        if len(match[2] or "") > places:
            return self._wrong(_FORMAT, path, value, f"more than {places} decimal places")
        return Decimal(value)

    def moment(self, member: _Member, value: Any, path: Path) -> Any:
        found = _moment(value)
        if found is None:
            return self._wrong(_TIME, path, value, "must be a time as RFC 3339, with its offset")
        if (found.second or found.microsecond) and member.name not in _TO_THE_SECOND:
            return self._wrong(_TIME, path, value, "must be a whole minute")
        return found

    def _wrong(self, rule: Rule, path: Path, value: Any, text: str) -> None:
        if len(self.found) < MOST_TOLD:
            self.found.append(
                Violation(rule.id, rule.code, path, _shown(value), text, file_code=rule.file_code)
            )


class _Member:
    """A member of a class, as its annotations have it."""

    __slots__ = ("has_default", "kind", "name")

    def __init__(self, field: Field[Any], kind: Any) -> None:
        self.name = field.name
        self.kind = kind
        self.has_default = field.default is not MISSING


@lru_cache(maxsize=64)
def _members(kind: type) -> dict[str, _Member]:
    hints = get_type_hints(kind)
    return {field.name: _Member(field, hints[field.name]) for field in fields(kind)}


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _shown(value: Any) -> str:
    """Enough of a wrong value to know it again; of something that holds others, nothing."""
    if value is None or isinstance(value, dict | list):
        return ""
    text = str(value) if not isinstance(value, int) or abs(value) < 10**_SHOWN else "..."
    return "".join(one if " " <= one <= "~" else "?" for one in text[:_SHOWN])


_PLAIN: Final[Mapping[object, Callable[[_Reading, _Member, Any, Path], Any]]] = {
    str: _Reading.text,
    bool: _Reading.truth,
    int: _Reading.whole_number,
    Decimal: _Reading.exact,
    datetime: _Reading.moment,
}
