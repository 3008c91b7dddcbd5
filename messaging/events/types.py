"""Which audit entries are events, and how an event is told: pure. Reading entries is not here
(reading).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tenants.audit.events import Event, stamp


class Way(StrEnum):
    """How a tenant can be told."""

    STREAM = "stream"
    WEBHOOK = "webhook"
    EMAIL = "email"


EVERY_WAY = frozenset(Way)


class EventType(StrEnum):
    INSTRUCTION_RECEIVED = "instruction.received"
    INSTRUCTION_UNANSWERED = "instruction.unanswered"
    INSTRUCTION_ANSWERED = "instruction.answered"
    INSTRUCTION_EXPIRED = "instruction.expired"
    INSTRUCTION_AUTO_ACCEPTED = "instruction.auto_accepted"
    INSTRUCTION_LEFT_TO_PERSON = "instruction.left_to_person"
    MESSAGE_REFUSED = "message.refused"
    DELIVERY_REFUSED = "delivery.refused"
    DELIVERY_EXPIRED = "delivery.expired"
    ALARM = "alarm"
    DATA_ARRIVED = "data.arrived"
    LINK_UP = "link.up"
    LINK_DOWN = "link.down"
    CONNECTION_CHANGED = "connection.changed"
    BREAKER_CHANGED = "breaker.changed"
    TELEPHONE_BEGAN = "telephone.began"
    TELEPHONE_ENDED = "telephone.ended"
    HOLD_PLACED = "hold.placed"
    HOLD_RELEASED = "hold.released"
    NOTICE_POSTED = "outage_notice.posted"
    NOTICE_CHANGED = "outage_notice.changed"
    CERTIFICATE_EXPIRING = "certificate.expiring"
    CERTIFICATE_EXPIRED = "certificate.expired"
    WEBHOOK_TEST = "webhook.test"


MEANINGS: Mapping[EventType, str] = {
    EventType.INSTRUCTION_RECEIVED: "An instruction came from the system operator.",
    EventType.INSTRUCTION_UNANSWERED: "A step of the escalation ladder: an instruction has waited"
    " `after_seconds` without an answer.",
    EventType.INSTRUCTION_ANSWERED: "An instruction was answered with `verdict`, by what came from"
    " `origin`.",
    EventType.INSTRUCTION_EXPIRED: "An instruction's time passed without delivery or answer.",
    EventType.INSTRUCTION_AUTO_ACCEPTED: "The host accepted an acceptance, for `reason`.",
    EventType.INSTRUCTION_LEFT_TO_PERSON: "The host did not accept it by itself, for `reason`.",
    EventType.MESSAGE_REFUSED: "A message that came was refused, with `code` and `text`.",
    EventType.DELIVERY_REFUSED: "What the host delivered was refused, with `code` and `text`.",
    EventType.DELIVERY_EXPIRED: "A message could not be delivered before its deadline.",
    EventType.ALARM: "Something wants a person: `alarm` says what.",
    EventType.DATA_ARRIVED: "Data that was alarmed as missing is there now.",
    EventType.LINK_UP: "A control point connected.",
    EventType.LINK_DOWN: "A control point's link was lost or closed.",
    EventType.CONNECTION_CHANGED: "The lamp of a connection to the system operator changed.",
    EventType.BREAKER_CHANGED: "The circuit breaker of an endpoint opened: one message at a time is"
    " tried; or it closed again.",
    EventType.TELEPHONE_BEGAN: "Telephone mode began.",
    EventType.TELEPHONE_ENDED: "Telephone mode ended.",
    EventType.HOLD_PLACED: "What is to be sent is held, by a person.",
    EventType.HOLD_RELEASED: "Such a hold was released.",
    EventType.NOTICE_POSTED: "An outage notice was posted.",
    EventType.NOTICE_CHANGED: "An outage notice was changed or cancelled.",
    EventType.CERTIFICATE_EXPIRING: "A certificate ends in `days` days.",
    EventType.CERTIFICATE_EXPIRED: "A certificate has ended.",
    EventType.WEBHOOK_TEST: "Sent when asked for, to try a webhook; in no stream or list.",
}

MAILED = frozenset(
    {
        EventType.INSTRUCTION_UNANSWERED,
        EventType.INSTRUCTION_EXPIRED,
        EventType.DELIVERY_EXPIRED,
        EventType.ALARM,
        EventType.TELEPHONE_BEGAN,
        EventType.TELEPHONE_ENDED,
        EventType.CERTIFICATE_EXPIRING,
        EventType.CERTIFICATE_EXPIRED,
    }
)
"""What people are told by e-mail: what wants one of them."""

_PLAIN = {
    Event.ALARMED: EventType.ALARM,
    Event.DATA_ARRIVED: EventType.DATA_ARRIVED,
    Event.LINK_UP: EventType.LINK_UP,
    Event.LINK_DOWN: EventType.LINK_DOWN,
    Event.CONNECTION_CHANGED: EventType.CONNECTION_CHANGED,
    Event.BREAKER_CHANGED: EventType.BREAKER_CHANGED,
    Event.TELEPHONE_BEGAN: EventType.TELEPHONE_BEGAN,
    Event.TELEPHONE_ENDED: EventType.TELEPHONE_ENDED,
    Event.HOLD_PLACED: EventType.HOLD_PLACED,
    Event.HOLD_RELEASED: EventType.HOLD_RELEASED,
    Event.NOTICE_POSTED: EventType.NOTICE_POSTED,
    Event.NOTICE_CHANGED: EventType.NOTICE_CHANGED,
    Event.KEY_EXPIRES: EventType.CERTIFICATE_EXPIRING,
    Event.KEY_EXPIRED: EventType.CERTIFICATE_EXPIRED,
    Event.AUTO_ACCEPTED: EventType.INSTRUCTION_AUTO_ACCEPTED,
    Event.LEFT_TO_PERSON: EventType.INSTRUCTION_LEFT_TO_PERSON,
    Event.ESCALATED: EventType.INSTRUCTION_UNANSWERED,
}
TOLD = frozenset(_PLAIN) | {Event.DECODED, Event.REFUSED, Event.EXPIRED}
"""Entries that may be events. Of messages that were decoded, instructions and what answered them
are.
"""

_BY_COLUMNS = frozenset({EventType.INSTRUCTION_RECEIVED, EventType.INSTRUCTION_ANSWERED})
"""The instruction's own row says all of these, and their entries nothing more."""


@dataclass(frozen=True, slots=True)
class Told:
    """An entry as it is stored, and what is known of the instruction that it is about."""

    seq: int
    event: Event
    at: datetime
    message_id: str | None
    delivery_id: str | None
    record: bytes
    instruction: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] | None = None
    """Where its message is what answered the instruction."""


@dataclass(frozen=True, slots=True)
class Happening:
    """An event. Its `id` is the number of its entry in the tenant's chain."""

    id: int
    type: EventType
    at: datetime
    data: Mapping[str, Any]
    ways: frozenset[Way] = EVERY_WAY

    @property
    def payload(self) -> dict[str, Any]:
        """What webhooks and streams carry."""
        return {"type": self.type.value, "timestamp": stamp(self.at), "data": dict(self.data)}


def happening_of(told: Told) -> Happening | None:
    """None where the entry is no event for a tenant."""
    detail: dict[str, Any] = json.loads(told.record)["detail"]
    kind = _type_of(told)
    if kind is None:
        return None
    ways = EVERY_WAY
    if told.event is Event.ESCALATED:
        ways = frozenset(Way(name) for name in str(detail.pop("ways")).split())
    ids = {"message_id": told.message_id, "delivery_id": told.delivery_id}
    about = {name: value for name, value in ids.items() if value}
    said = told.answer if kind in _BY_COLUMNS else detail
    data = {"event_id": told.seq, **about, **(told.instruction or {}), **(said or {})}
    return Happening(told.seq, kind, told.at, data, ways)


def _type_of(told: Told) -> EventType | None:
    match told.event:
        case Event.DECODED if told.answer:
            return EventType.INSTRUCTION_ANSWERED
        case Event.DECODED:
            return EventType.INSTRUCTION_RECEIVED if told.instruction else None
        case Event.EXPIRED:
            is_instruction = told.instruction is not None
            return EventType.INSTRUCTION_EXPIRED if is_instruction else EventType.DELIVERY_EXPIRED
        case Event.REFUSED if told.delivery_id:
            return EventType.DELIVERY_REFUSED
        case Event.REFUSED:
            return EventType.MESSAGE_REFUSED if told.message_id else None
    return _PLAIN.get(told.event)


def table() -> str:
    """The types as docs/events.md shows them."""
    lines = ["| type | meaning | e-mail |", "|---|---|---|"]
    for kind in EventType:
        mailed = "yes" if kind in MAILED else ""
        lines.append(f"| `{kind.value}` | {MEANINGS[kind]} | {mailed} |")
    return "\n".join(lines) + "\n"
