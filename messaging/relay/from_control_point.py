"""Takes what a control point sent: decides, stores, and says what to answer. One transaction a
message, committed before the answer.

A refused message is stored and audited like any other; nothing of it is relayed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from messaging.domain.acknowledgements import FreeText
from messaging.domain.instructions import InstructionAnswer
from messaging.domain.messages import BmMessage, kind_of, unit_of
from messaging.domain.redeclarations import (
    LevelRedeclaration,
    RateRedeclaration,
    ScalarRedeclaration,
)
from messaging.domain.rules import nack_text, violations
from messaging.domain.units import RefusalCode
from messaging.models import Message
from messaging.protocols.base import Parcel, RemoteProtocolError
from messaging.relay import backlog, correlate, route
from messaging.relay.codecs import control_point_reader
from messaging.relay.crash_points import Step
from messaging.relay.hold import Hold, LinkReplaced
from messaging.relay.receipts import find_receipt, insert_receipt
from messaging.relay.refusal import Refusal, Refused
from messaging.relay.register import Standing, standing_of
from messaging.relay.rows import NewDelivery, NewMessage, insert_message, insert_units
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.ids import digest_of
from tenants.scope import in_tenant

_ADVANCE = """
UPDATE messaging_link SET last_taken = %s WHERE endpoint_id = %s AND epoch = %s AND last_taken = %s
"""
_TAKEN = LevelRedeclaration | RateRedeclaration | ScalarRedeclaration | InstructionAnswer | FreeText


@dataclass(frozen=True, slots=True)
class Arrival:
    """A numbered message as it came off the link. `reference` is its number as the protocol writes
    it.
    """

    number: int
    reference: str
    type: str
    in_reply_to: str
    content: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What to tell the control point (OK is an ACK), and whom to wake once it has been told."""

    code: RefusalCode
    text: str = ""
    deliveries: tuple[NewDelivery, ...] = ()


def take(hold: Hold, arrival: Arrival, previous: int) -> Answer:
    """Takes a message under the number after `previous`. Raises LinkReplaced."""
    reading = _read(hold, arrival)
    return in_tenant(
        hold.tenant_id, lambda: _take(hold, arrival, previous, reading), Step.LINK_TAKE
    )


def take_again(hold: Hold, arrival: Arrival) -> Answer:
    """A number that was taken before: the same bytes get the same answer, other bytes are
    refused.
    """
    return in_tenant(hold.tenant_id, lambda: _take_again(hold, arrival), Step.LINK_TAKE_AGAIN)


def refuse_unnumbered(hold: Hold, arrival: Arrival, code: RefusalCode, text: str) -> None:
    """Stores what a session refused on its own: a gap, or bytes that broke the link. It uses no
    number.
    """
    refusal = Refusal(code, text)
    in_tenant(hold.tenant_id, lambda: _store_refused(hold, arrival, (), refusal), Step.LINK_REFUSE)


def _read(hold: Hold, arrival: Arrival) -> tuple[BmMessage, ...] | Refusal:
    """Decodes and applies the rules: all that needs no register, so it is done before the
    transaction.
    """
    try:
        reader = control_point_reader(hold.control_point.settings)
        envelope = reader.decode(Parcel(arrival.content, arrival.type))
    except RemoteProtocolError as error:
        return Refusal(error.code, error.text, error.field)
    for message in envelope.messages:
        if not isinstance(message, _TAKEN):
            return Refusal(RefusalCode.UNKNOWN_TYPE, "not sent by a control point", "type")
        for found in violations(message, arrival.at, hold.warn_only):
            if not found.warning:
                field = "/".join(str(step) for step in found.path)
                text = f"{_which(message, envelope.messages)}{nack_text(found)}"
                return Refusal(found.code, text, field, found.rule, found.value)
    return envelope.messages


def _which(message: BmMessage, messages: tuple[BmMessage, ...]) -> str:
    """Before what is told of one of several: a message is refused whole, whichever is at fault."""
    return f"{unit_of(message)} " if len(messages) > 1 else ""


def _take(
    hold: Hold, arrival: Arrival, previous: int, reading: tuple[BmMessage, ...] | Refusal
) -> Answer:
    _advance(hold, arrival.number, previous)
    messages = () if isinstance(reading, Refusal) else reading
    standings = _standings(hold, messages)
    try:
        if standings[0].suspended:
            raise Refused(Refusal(RefusalCode.SUSPENDED, "the tenant is suspended"))
        if isinstance(reading, Refusal):
            raise Refused(reading)
        _check_units(messages, standings)
        answer, message_id = _store(hold, arrival, messages, standings[0])
        # Counted here, where a scope is open; the link slows down by what it came to.
        backlog.is_full("edl")
    except Refused as error:
        message_id = _store_refused(hold, arrival, messages, error.reasons[0])
        answer = _refusal_answer(hold, arrival, error.reasons[0], message_id)
    _remember(hold, arrival, answer, message_id)
    return answer


def _advance(hold: Hold, number: int, previous: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ADVANCE, [number, hold.endpoint_id, hold.epoch, previous])
        if cursor.rowcount != 1:
            raise LinkReplaced(hold.control_point.name)


def _standings(hold: Hold, messages: tuple[BmMessage, ...]) -> list[Standing]:
    """One for each message, and one at least: they differ in the BM unit alone."""
    units = [unit_of(message) for message in messages] or [""]
    environment = hold.control_point.environment
    return [standing_of(hold.endpoint_id, environment, unit) for unit in units]


def _check_units(messages: tuple[BmMessage, ...], standings: list[Standing]) -> None:
    """A BM unit must be this control point's; another tenant's is answered exactly as one that does
    not exist.
    """
    for message, standing in zip(messages, standings, strict=True):
        if unit_of(message) and not standing.knows_unit:
            text = f"{_which(message, messages)}unknown BM unit"
            raise Refused(Refusal(RefusalCode.UNKNOWN_UNIT, text, "bm_unit"))


def _store(
    hold: Hold, arrival: Arrival, messages: tuple[BmMessage, ...], standing: Standing
) -> tuple[Answer, UUID]:
    """One stored message, and a delivery for each of those that it carries."""
    first = messages[0]
    matched = _match(hold, arrival, first) if isinstance(first, InstructionAnswer) else None
    answers = matched.message_id if matched else None
    message_id = _insert(_row(hold, arrival, messages, answers=answers), messages)
    _record_arrival(arrival, message_id)
    detail: dict[str, object] = {"kind": kind_of(first)}
    if len(messages) > 1:
        detail["bm_units"] = " ".join(map(unit_of, messages))
    ledger.record(Fact(Event.DECODED, arrival.at, message_id, detail=detail))
    deliveries: tuple[NewDelivery, ...] = ()
    if matched is not None and matched.is_repeat:
        ledger.record(Fact(Event.REPEATED, arrival.at, message_id))
        correlate.settle_repeat(matched, arrival.at)
    else:
        if matched is not None:
            correlate.settle_instruction(matched, message_id, arrival.at)
        for message in messages:
            deliveries += route.to_operator(message, message_id, arrival.at, standing, matched)
    ledger.record(
        Fact(Event.STORED, arrival.at, message_id, detail={"deliveries": len(deliveries)})
    )
    return Answer(RefusalCode.OK, deliveries=deliveries), message_id


def _insert(row: NewMessage, messages: tuple[BmMessage, ...]) -> UUID:
    message_id = insert_message(row)
    if len(messages) > 1:
        insert_units(message_id, map(unit_of, messages), row.received_at)
    return message_id


def _match(hold: Hold, arrival: Arrival, answer: InstructionAnswer) -> correlate.Matched:
    try:
        return correlate.match(hold.endpoint_id, arrival.in_reply_to, answer, arrival.at)
    except correlate.NoMatch as error:
        if error.alarm:
            detail = {"alarm": error.alarm, "bm_unit": answer.bm_unit, "number": answer.number}
            ledger.record(Fact(Event.ALARMED, arrival.at, detail=detail))
        raise Refused(Refusal(error.code, error.text)) from None


def _store_refused(
    hold: Hold, arrival: Arrival, messages: tuple[BmMessage, ...], refusal: Refusal
) -> UUID:
    message_id = _insert(_row(hold, arrival, messages, refusal=refusal), messages)
    _record_arrival(arrival, message_id)
    detail = {
        "code": refusal.code.value,
        "text": refusal.text,
        "field": refusal.field,
        "rule": refusal.rule,
        "value": refusal.value,
        "number": arrival.reference,
    }
    ledger.record(Fact(Event.REFUSED, arrival.at, message_id, detail=detail))
    return message_id


def _refusal_answer(hold: Hold, arrival: Arrival, refusal: Refusal, message_id: UUID) -> Answer:
    """Text that a refusal has no room for follows in messages of its own."""
    text, rest = hold.codec.divide_refusal(hold.control_point.name, refusal.text)
    told = tuple(
        route.tell(hold.control_point, part, arrival.at, answers=message_id) for part in rest
    )
    return Answer(refusal.code, text, told)


def _take_again(hold: Hold, arrival: Arrival) -> Answer:
    known = find_receipt(hold.endpoint_id, arrival.reference)
    digest = digest_of(arrival.content)
    if known is None:
        text = "log number gap: not one that was taken"
        _store_refused(hold, arrival, (), Refusal(RefusalCode.NUMBER_GAP, text))
        return Answer(RefusalCode.NUMBER_GAP)
    if known.digest != digest:
        text = "log number reused with other bytes"
        _store_refused(hold, arrival, (), Refusal(RefusalCode.NUMBER_REUSED, text))
        return Answer(RefusalCode.NUMBER_REUSED, text)
    ledger.record(Fact(Event.REPEATED, arrival.at, known.message_id, digest=digest))
    said = json.loads(known.answer)
    return Answer(RefusalCode(said["code"]), said["text"])


def _remember(hold: Hold, arrival: Arrival, answer: Answer, message_id: UUID) -> None:
    insert_receipt(
        hold.endpoint_id,
        arrival.reference,
        digest_of(arrival.content),
        answer=json.dumps({"code": answer.code.value, "text": answer.text}).encode(),
        status=0,
        message_id=message_id,
        at=arrival.at,
        replace=True,
        profile=hold.profile.name,
    )


def _record_arrival(arrival: Arrival, message_id: UUID) -> None:
    digest = digest_of(arrival.content)
    detail = {"number": arrival.reference, "type": arrival.type, "bytes": len(arrival.content)}
    ledger.record(Fact(Event.RECEIVED, arrival.at, message_id, digest=digest, detail=detail))


def _row(
    hold: Hold,
    arrival: Arrival,
    messages: tuple[BmMessage, ...],
    *,
    answers: UUID | None = None,
    refusal: Refusal | None = None,
) -> NewMessage:
    """Of several BM units it names none: its deliveries do."""
    return NewMessage(
        endpoint_id=hold.endpoint_id,
        origin=Message.Origin.CONTROL_POINT,
        kind=kind_of(messages[0]) if messages else arrival.type,
        bm_unit=unit_of(messages[0]) if len(messages) == 1 else "",
        reference=arrival.reference,
        content=arrival.content,
        received_at=arrival.at,
        answers=answers,
        refusal_code=refusal.code.value if refusal else "",
        refusal_text=refusal.text if refusal else "",
        profile=hold.profile.name,
    )
