"""The names and spellings of the enveloped-1 profile, as its page tells them, beside those of
host-1: tables that are read in both directions. Nothing is judged here but the spelling.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from messaging.simulator.services import (
    HEALTH,
    INSTRUCTION,
    NORMALIZATION,
    REDECLARATION,
    SUBMISSION,
)
from messaging.simulator.stamps import micros, read_stamp, write_stamp

NAME = "enveloped-1"
Members = dict[str, object]
ASKED = {
    HEALTH: ("POST", "/status"),
    NORMALIZATION: ("POST", "/resync"),
    INSTRUCTION: ("PUT", "/dispatch-replies/{id}"),
    REDECLARATION: ("PUT", "/declarations/{id}"),
    SUBMISSION: ("PUT", "/day-files/{id}"),
}
ASKING = {HEALTH: ("POST", "/status"), INSTRUCTION: ("PUT", "/dispatches/{id}")}
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


def _words(pairs: Mapping[str, str]) -> Spelling:
    back = {theirs: ours for ours, theirs in pairs.items()}

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in back:
            raise NotSpelt(f"{value!a:.40} is none of {', '.join(back)}")
        return back[value]

    return Spelling(read, lambda value: pairs.get(str(value), value))


def _list(table: Table) -> Spelling:
    def read(value: object) -> object:
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise NotSpelt("a list of objects is none")
        return [_ours(one, table) for one in value]

    def written(value: object) -> object:
        return [_theirs(one, table) for one in value] if isinstance(value, list) else value

    return Spelling(read, written, table)


TEXT = Spelling(_same, _same)
WHOLE = Spelling(_read_whole, _write_whole)
RATE = Spelling(_reader_of_number(1), lambda value: f"{Decimal(str(value)):.1f}")
PRICE = Spelling(_reader_of_number(2), lambda value: f"{Decimal(str(value)):.2f}")
STAMP = Spelling(_read_stamp, _write_stamp)
TIME = Spelling(_read_time, _write_time)
FLAG = Spelling(_read_flag, _write_flag)
_VERDICT = _words({"ACCEPTED": "will_comply", "REJECTED": "cannot_comply"})
_RECEIPT = _words({"RECEIVED": "received", "ACCEPTED": "accepted", "REJECTED": "rejected"})
_SUBJECT = _words({"BOA": "bid_offer", "ANCILLARY": "ancillary", "EMERGENCY": "emergency"})


def _table(*rows: tuple[str, str, Spelling]) -> Table:
    return tuple(Field(*row) for row in rows)


_SEGMENT = _table(
    ("timeFrom", "from/at", TIME),
    ("levelFrom", "from/mw", WHOLE),
    ("timeTo", "to/at", TIME),
    ("levelTo", "to/mw", WHOLE),
)
_STEP = _table(("rate", "mw_per_minute", RATE), ("fromMw", "above_mw", WHOLE))
_ERROR = _table(("path", "pointer", TEXT), ("code", "reason", TEXT), ("text", "detail", TEXT))
_TAKEN = _table(
    ("bmUnit", "bm_unit", TEXT),
    ("parameter", "parameter", TEXT),
    ("messageId", "declaration", TEXT),
)
_RECORD = (
    *_table(("type", "series", TEXT), ("bmUnit", "bm_unit", TEXT)),
    *_SEGMENT,
    *_table(
        ("pairNumber", "pair", WHOLE),
        ("offerPrice", "prices/offer", PRICE),
        ("bidPrice", "prices/bid", PRICE),
        ("effectiveTime", "effective", TIME),
        ("rate1", "rate_1", RATE),
        ("elbow2", "elbow_2", WHOLE),
        ("rate2", "rate_2", RATE),
        ("elbow3", "elbow_3", WHOLE),
        ("rate3", "rate_3", RATE),
        ("value", "value", WHOLE),
    ),
)
_ENVELOPE = _table(("sentAt", "header/created", STAMP))
_TARGET = _table(
    ("controlPoint", "body/target/control_point", TEXT),
    ("bmUnit", "body/target/bm_unit", TEXT),
)
_NUMBERED = _table(
    ("kind", "header/subject", _SUBJECT),
    ("acceptanceNumber", "body/acceptance", WHOLE),
    ("instructionNumber", "body/instruction", WHOLE),
)
_DISPATCH = (
    *_TARGET,
    *_NUMBERED,
    *_table(
        ("acceptanceTime", "body/accepted", TIME),
        ("emergencyFlag", "body/flags/emergency", FLAG),
        ("soFlag", "body/flags/so", FLAG),
        ("storFlag", "body/flags/stor", FLAG),
        ("rrFlag", "body/flags/rr", FLAG),
        ("levels", "body/profile", _list(_SEGMENT)),
        ("service", "body/service", TEXT),
        ("action", "body/action", TEXT),
        ("timeFrom", "body/starts", TIME),
        ("timeTo", "body/ends", TIME),
        ("targetMw", "body/target_mw", WHOLE),
        ("text", "body/text", TEXT),
        ("respondBy", "body/answer_by", STAMP),
    ),
)


def _read_dispatches(value: object) -> object:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise NotSpelt("dispatches are no list of objects")
    return [names_of(one) for one in value]


def _write_dispatches(value: Iterable[Members]) -> object:
    return [names_for(one) for one in value]


_TYPES: Mapping[tuple[str, bool], tuple[str, Table]] = {
    ("health", False): ("health_request", ()),
    ("health", True): (
        "health_state",
        _table(("status", "body/state", _words({"OK": "up", "OUTAGE": "down"}))),
    ),
    ("normalization", False): (
        "resync_request",
        (*_TARGET[:1], *_table(("since", "body/since", STAMP))),
    ),
    ("normalization", True): (
        "resync_state",
        _table(
            ("instructions", "body/dispatches", Spelling(_read_dispatches, _write_dispatches)),
            ("redeclarations", "body/declarations", _list(_TAKEN)),
        ),
    ),
    ("instruction", False): ("dispatch", _DISPATCH),
    ("response", False): (
        "dispatch_reply",
        (
            *_TARGET,
            *_NUMBERED,
            *_table(
                ("verdict", "body/verdict", _VERDICT),
                ("reasonCode", "body/reason/code", TEXT),
                ("reasonText", "body/reason/text", TEXT),
                ("respondedAt", "body/decided", STAMP),
            ),
        ),
    ),
    ("redeclaration", False): (
        "declaration",
        (
            *_TARGET,
            *_table(
                ("parameter", "header/parameter", TEXT),
                ("levels", "body/profile", _list(_SEGMENT)),
                ("rates", "body/steps", _list(_STEP)),
                ("value", "body/value", WHOLE),
            ),
        ),
    ),
    ("submission", False): (
        "day_file",
        _table(
            ("tradingAgent", "body/agent", TEXT),
            ("sequence", "body/sequence", WHOLE),
            ("records", "body/rows", _list(_RECORD)),
        ),
    ),
    ("receipt", True): (
        "verdict",
        _table(("status", "body/outcome", _RECEIPT), ("errors", "body/faults", _list(_ERROR))),
    ),
}
"""Our type, and whether it answers, to their message and its members."""

_BACK = {theirs: (*key, table) for key, (theirs, table) in _TYPES.items()}
_POINTED: Table = tuple({one.name: one for _, table in _TYPES.values() for one in table}.values())


def names_of(payload: Members) -> Members:
    """Theirs as host-1 has it. What the profile does not know stays as it is. Raises NotSpelt."""
    header = payload.get("header")
    if not isinstance(header, dict):
        raise NotSpelt("there is no header")
    known = _BACK.get(str(header.get("message")))
    type_, answers, table = known or (str(header.get("message")), False, ())
    message_id = header.get("id")
    schema = header.get("schema")
    told: Members = {"type": type_, "messageId": message_id}
    told |= {"profile": "host-1" if schema == NAME else schema}
    told |= {"inReplyTo": message_id} if answers else {}
    return told | _ours(payload, (*_ENVELOPE, *table))


def names_for(members: Members) -> Members:
    """Host-1's as they have it: an answer under the messageId of its question."""
    answers = "inReplyTo" in members
    message, table = _TYPES.get((str(members["type"]), answers), (str(members["type"]), _TARGET))
    schema = NAME if members["profile"] == "host-1" else members["profile"]
    message_id = members["inReplyTo"] if answers else members["messageId"]
    told: Members = {"header": {"message": message, "id": message_id, "schema": schema}}
    errors = members.get("errors")
    if isinstance(errors, list):
        members = {**members, "errors": [{**one, "path": locate(one["path"])} for one in errors]}
    return _merged(told, _theirs(members, (*_ENVELOPE, *table)))


def locate(pointer: str) -> str:
    """Where their payload has what ours has at a pointer; the part that it does not know stays."""
    if not pointer:
        return ""
    name, *rest = pointer[1:].split("/")
    own = {"messageId": "header/id", "type": "header/message", "profile": "header/schema"}
    if name in own:
        return f"/{own[name]}"
    found = next((one for one in (*_ENVELOPE, *_POINTED) if one.name == name), None)
    if found is None:
        return pointer
    place = f"/{found.place}"
    if rest:
        place += f"/{rest[0]}"
    if len(rest) > 1:
        inner = next((one for one in found.spelling.members if one.name == rest[1]), None)
        place += f"/{inner.place if inner else '/'.join(rest[1:])}"
    return place


def _ours(payload: Mapping[str, object], table: Table) -> Members:
    told: Members = {}
    for one in table:
        present, value = _find(payload, one.steps)
        if present:
            told[one.name] = None if value is None else one.spelling.ours(value)
    return told


def _theirs(members: Mapping[str, object], table: Table) -> Members:
    told: Members = {}
    for one in table:
        if one.name not in members:
            continue
        value = members[one.name]
        value = None if value is None else one.spelling.theirs(value)
        for step in reversed(one.steps):
            value = {step: value}
        told = _merged(told, value if isinstance(value, dict) else {})
    return told


def _find(payload: object, steps: Iterable[str]) -> tuple[bool, object]:
    for step in steps:
        if not isinstance(payload, dict) or step not in payload:
            return False, None
        payload = payload[step]
    return True, payload


def _merged(one: Members, other: Mapping[str, object]) -> Members:
    """The members of both, and of objects within that both have."""
    told = dict(one)
    for name, value in other.items():
        before = told.get(name)
        both = isinstance(before, dict) and isinstance(value, dict)
        told[name] = _merged(before, value) if both else value  # type: ignore[arg-type]
    return told
