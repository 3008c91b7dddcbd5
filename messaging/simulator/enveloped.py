"""The names and spellings of the enveloped-1 profile, as its page tells them, beside those of
host-1. Nothing is judged here but the spelling.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from messaging.simulator.services import (
    HEALTH,
    INSTRUCTION,
    NORMALIZATION,
    REDECLARATION,
    SUBMISSION,
)
from messaging.simulator.spelling import (
    FLAG,
    PRICE,
    RATE,
    STAMP,
    TEXT,
    TIME,
    WHOLE,
    Members,
    NotSpelt,
    Spelling,
    Table,
    listed,
    merged,
    read_members,
    table,
    words,
    write_members,
)

NAME = "enveloped-1"
ASKED = {
    HEALTH: ("POST", "/status"),
    NORMALIZATION: ("POST", "/resync"),
    INSTRUCTION: ("PUT", "/dispatch-replies/{id}"),
    REDECLARATION: ("PUT", "/declarations/{id}"),
    SUBMISSION: ("PUT", "/day-files/{id}"),
}
ASKING = {HEALTH: ("POST", "/status"), INSTRUCTION: ("PUT", "/dispatches/{id}")}

_VERDICT = words({"ACCEPTED": "will_comply", "REJECTED": "cannot_comply"})
_RECEIPT = words({"RECEIVED": "received", "ACCEPTED": "accepted", "REJECTED": "rejected"})
_SUBJECT = words({"BOA": "bid_offer", "ANCILLARY": "ancillary", "EMERGENCY": "emergency"})


_SEGMENT = table(
    ("timeFrom", "from/at", TIME),
    ("levelFrom", "from/mw", WHOLE),
    ("timeTo", "to/at", TIME),
    ("levelTo", "to/mw", WHOLE),
)
_STEP = table(("rate", "mw_per_minute", RATE), ("fromMw", "above_mw", WHOLE))
_ERROR = table(("path", "pointer", TEXT), ("code", "reason", TEXT), ("text", "detail", TEXT))
_TAKEN = table(
    ("bmUnit", "bm_unit", TEXT),
    ("parameter", "parameter", TEXT),
    ("messageId", "declaration", TEXT),
)
_RECORD = (
    *table(("type", "series", TEXT), ("bmUnit", "bm_unit", TEXT)),
    *_SEGMENT,
    *table(
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
_ENVELOPE = table(("sentAt", "header/created", STAMP))
_TARGET = table(
    ("controlPoint", "body/target/control_point", TEXT),
    ("bmUnit", "body/target/bm_unit", TEXT),
)
_NUMBERED = table(
    ("kind", "header/subject", _SUBJECT),
    ("acceptanceNumber", "body/acceptance", WHOLE),
    ("instructionNumber", "body/instruction", WHOLE),
)
_DISPATCH = (
    *_TARGET,
    *_NUMBERED,
    *table(
        ("acceptanceTime", "body/accepted", TIME),
        ("emergencyFlag", "body/flags/emergency", FLAG),
        ("soFlag", "body/flags/so", FLAG),
        ("storFlag", "body/flags/stor", FLAG),
        ("rrFlag", "body/flags/rr", FLAG),
        ("levels", "body/profile", listed(_SEGMENT)),
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
        table(("status", "body/state", words({"OK": "up", "OUTAGE": "down"}))),
    ),
    ("normalization", False): (
        "resync_request",
        (*_TARGET[:1], *table(("since", "body/since", STAMP))),
    ),
    ("normalization", True): (
        "resync_state",
        table(
            ("instructions", "body/dispatches", Spelling(_read_dispatches, _write_dispatches)),
            ("redeclarations", "body/declarations", listed(_TAKEN)),
        ),
    ),
    ("instruction", False): ("dispatch", _DISPATCH),
    ("response", False): (
        "dispatch_reply",
        (
            *_TARGET,
            *_NUMBERED,
            *table(
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
            *table(
                ("parameter", "header/parameter", TEXT),
                ("levels", "body/profile", listed(_SEGMENT)),
                ("rates", "body/steps", listed(_STEP)),
                ("value", "body/value", WHOLE),
            ),
        ),
    ),
    ("submission", False): (
        "day_file",
        table(
            ("tradingAgent", "body/agent", TEXT),
            ("sequence", "body/sequence", WHOLE),
            ("records", "body/rows", listed(_RECORD)),
        ),
    ),
    ("receipt", True): (
        "verdict",
        table(("status", "body/outcome", _RECEIPT), ("errors", "body/faults", listed(_ERROR))),
    ),
}
"""Our type, and whether it answers, to their message and its members."""

_BACK = {theirs: (*key, fields) for key, (theirs, fields) in _TYPES.items()}
_POINTED: Table = tuple({one.name: one for _, fields in _TYPES.values() for one in fields}.values())


def names_of(payload: Members) -> Members:
    """Theirs as host-1 has it. What the profile does not know stays as it is. Raises NotSpelt."""
    header = payload.get("header")
    if not isinstance(header, dict):
        raise NotSpelt("there is no header")
    known = _BACK.get(str(header.get("message")))
    type_, answers, fields = known or (str(header.get("message")), False, ())
    message_id = header.get("id")
    schema = header.get("schema")
    told: Members = {"type": type_, "messageId": message_id}
    told |= {"profile": "host-1" if schema == NAME else schema}
    told |= {"inReplyTo": message_id} if answers else {}
    return told | read_members(payload, (*_ENVELOPE, *fields))


def names_for(members: Members) -> Members:
    """Host-1's as they have it: an answer under the messageId of its question."""
    answers = "inReplyTo" in members
    message, fields = _TYPES.get((str(members["type"]), answers), (str(members["type"]), _TARGET))
    schema = NAME if members["profile"] == "host-1" else members["profile"]
    message_id = members["inReplyTo"] if answers else members["messageId"]
    told: Members = {"header": {"message": message, "id": message_id, "schema": schema}}
    errors = members.get("errors")
    if isinstance(errors, list):
        members = {**members, "errors": [{**one, "path": locate(one["path"])} for one in errors]}
    return merged(told, write_members(members, (*_ENVELOPE, *fields)))


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
