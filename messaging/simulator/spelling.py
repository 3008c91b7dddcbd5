"""How values are spelt in another profile than host-1, and tables of members that are read in both
directions. Which members there are, the profile's own module says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from messaging.simulator.stamps import micros, read_stamp, write_stamp

Members = dict[str, object]
_WHOLE = re.compile(r"-?\d{1,12}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,12}\.\d{1,6}", re.ASCII)


class NotSpelt(ValueError):
    """A value is not written as the profile has it; the text says which."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a value is turned, from their writing to ours and back; `members` of a list's items."""

    ours: Callable[[Any], object]
    theirs: Callable[[Any], object]
    members: Table = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A member of host-1's, where the other profile has it, its steps parted by strokes, and how
    that is spelt.
    """

    name: str
    place: str
    spelling: Spelling

    @property
    def steps(self) -> list[str]:
        return self.place.split("/")


Table = tuple[Field, ...]


def _same(value: object) -> object:
    return value


def _read_whole(value: object) -> int:
    if not isinstance(value, str) or not _WHOLE.fullmatch(value):
        raise NotSpelt(f"{value!a:.40} is not a whole number in a string")
    return int(value)


def _reader_of_number(places: int) -> Callable[[object], Decimal]:
    def read(value: object) -> Decimal:
        right = isinstance(value, str) and _NUMBER.fullmatch(value)
        if not right or len(str(value).partition(".")[2]) != places:
            raise NotSpelt(f"{value!a:.40} is not a number in a string, to {places} places")
        return Decimal(str(value))

    return read


def _read_stamp(value: object) -> str:
    if type(value) is not int or not 0 <= value < 2**48:
        raise NotSpelt(f"{value!a:.40} is not a number of milliseconds since 1970")
    return write_stamp(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value))


def _write_stamp(value: object) -> object:
    at = read_stamp(str(value))
    return value if at is None else micros(at) // 1000


def _read_time(value: object) -> str:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or str(value).endswith("Z"):
        raise NotSpelt(f"{value!a:.40} is not a time with its distance from UTC")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _write_time(value: object) -> object:
    at = read_stamp(str(value))
    return value if at is None else at.isoformat(timespec="seconds")


def _read_flag(value: object) -> bool:
    if type(value) is not int or value not in (0, 1):
        raise NotSpelt(f"{value!a:.40} is neither 0 nor 1")
    return value == 1


def _write_flag(value: object) -> object:
    return int(value) if isinstance(value, bool) else value


def _write_whole(value: object) -> object:
    return str(value) if type(value) is int else value


def words(pairs: Mapping[str, str]) -> Spelling:
    back = {theirs: ours for ours, theirs in pairs.items()}

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in back:
            raise NotSpelt(f"{value!a:.40} is none of {', '.join(back)}")
        return back[value]

    return Spelling(read, lambda value: pairs.get(str(value), value))


def listed(members: Table) -> Spelling:
    def read(value: object) -> object:
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise NotSpelt("a list of objects is none")
        return [read_members(one, members) for one in value]

    def written(value: object) -> object:
        if not isinstance(value, list):
            return value
        return [write_members(one, members) if isinstance(one, dict) else one for one in value]

    return Spelling(read, written, members)


TEXT = Spelling(_same, _same)
WHOLE = Spelling(_read_whole, _write_whole)
RATE = Spelling(_reader_of_number(1), lambda value: f"{Decimal(str(value)):.1f}")
PRICE = Spelling(_reader_of_number(2), lambda value: f"{Decimal(str(value)):.2f}")
STAMP = Spelling(_read_stamp, _write_stamp)
TIME = Spelling(_read_time, _write_time)
FLAG = Spelling(_read_flag, _write_flag)


def table(*rows: tuple[str, str, Spelling]) -> Table:
    return tuple(Field(*row) for row in rows)


def read_members(payload: Mapping[str, object], table: Table) -> Members:
    told: Members = {}
    for one in table:
        present, value = _find(payload, one.steps)
        if present:
            told[one.name] = None if value is None else one.spelling.ours(value)
    return told


def write_members(members: Mapping[str, object], table: Table) -> Members:
    told: Members = {}
    for one in table:
        if one.name not in members:
            continue
        value = members[one.name]
        value = None if value is None else one.spelling.theirs(value)
        for step in reversed(one.steps):
            value = {step: value}
        told = merged(told, value if isinstance(value, dict) else {})
    return told


def _find(payload: object, steps: Iterable[str]) -> tuple[bool, object]:
    for step in steps:
        if not isinstance(payload, dict) or step not in payload:
            return False, None
        payload = payload[step]
    return True, payload


def merged(one: Members, other: Mapping[str, object]) -> Members:
    """The members of both, and of objects within that both have."""
    told = dict(one)
    for name, value in other.items():
        before = told.get(name)
        both = isinstance(before, dict) and isinstance(value, dict)
        told[name] = merged(before, value) if both else value  # type: ignore[arg-type]
    return told
