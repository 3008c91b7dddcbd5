"""One written form of what a message says, whoever tells of it, so that accounts of it can be
compared.

Written apart from the codecs whose work it is compared with: it takes typed messages, or the
members of a payload.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import singledispatch
from typing import Any

from messaging.domain.instructions import (
    AncillaryInstruction,
    BidOfferAcceptance,
    EmergencyInstruction,
    Instruction,
)
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import (
    LevelRedeclaration,
    RateRedeclaration,
    Redeclaration,
    ScalarRedeclaration,
)

Members = Mapping[str, Any]

_ENVELOPE = frozenset({"type", "messageId", "sentAt", "profile", "inReplyTo", "respondBy"})


def tell(message: Redeclaration | Instruction) -> str:
    """What a typed message says."""
    return _written(_members(message))


def tell_payload(payload: Members) -> str:
    """What a payload of the Wider Access API says, without ids and times of sending."""
    return _written({name: _plain(payload[name]) for name in payload.keys() - _ENVELOPE})


def _written(members: Members) -> str:
    return json.dumps(members, sort_keys=True)


def _plain(value: Any) -> Any:
    """Numbers that are equal are written alike: 12 and 12.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return value


@singledispatch
def _members(message: object) -> Members:
    raise TypeError(f"{type(message).__name__} is neither a redeclaration nor an instruction")


@_members.register
def _(message: LevelRedeclaration) -> Members:
    return {**_declared(message), "levels": [_segment(one) for one in message.levels]}


@_members.register
def _(message: RateRedeclaration) -> Members:
    steps = [{"rate": _plain(float(step.rate)), "fromMw": step.from_mw} for step in message.rates]
    return {**_declared(message), "rates": steps}


@_members.register
def _(message: ScalarRedeclaration) -> Members:
    return {**_declared(message), "value": message.value}


@_members.register
def _(message: BidOfferAcceptance) -> Members:
    return {
        **_instructed(message),
        "acceptanceNumber": message.number,
        "acceptanceTime": _time(message.accepted_at),
        "emergencyFlag": message.emergency_flag,
        "soFlag": message.so_flag,
        "storFlag": message.stor_flag,
        "rrFlag": message.rr_flag,
        "levels": [_segment(one) for one in message.levels],
    }


@_members.register
def _(message: AncillaryInstruction) -> Members:
    return {
        **_instructed(message),
        "instructionNumber": message.number,
        "service": message.service,
        "action": message.action,
        "timeFrom": _time(message.time_from),
        "timeTo": _time(message.time_to) if message.time_to else None,
        "targetMw": message.target_mw,
    }


@_members.register
def _(message: EmergencyInstruction) -> Members:
    return {**_instructed(message), "instructionNumber": message.number, "text": message.text}


def _declared(message: Redeclaration) -> dict[str, Any]:
    return {
        "controlPoint": message.control_point,
        "bmUnit": message.bm_unit,
        "parameter": message.parameter.value,
    }


def _instructed(message: Instruction) -> dict[str, Any]:
    return {
        "kind": message.kind.value,
        "controlPoint": message.control_point,
        "bmUnit": message.bm_unit or None,
    }


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "timeFrom": _time(segment.time_from),
        "levelFrom": segment.level_from,
        "timeTo": _time(segment.time_to),
        "levelTo": segment.level_to,
    }


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
