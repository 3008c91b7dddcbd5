"""Takes what the system operator sent, once its seal is open: decides, stores, and says what to
answer, in one transaction.

A reference with the same payload bytes gets the same answer payload again, also when both arrive at
once: the second one waits for the first one's commit at a unique index, and then reads what that
one answered.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import IntegrityError

from messaging.domain.acknowledgements import (
    Health,
    HealthStatus,
    ReceiptError,
    ReceiptOfMessage,
    ReceiptStatus,
)
from messaging.domain.instructions import (
    AncillaryInstruction,
    BidOfferAcceptance,
    EmergencyInstruction,
)
from messaging.domain.units import RefusalCode
from messaging.protocols.base import Envelope, Parcel, RemoteProtocolError, Stamp
from messaging.relay import backlog, instruct, later_receipt, maintenance
from messaging.relay.codecs import wider_access_codec
from messaging.relay.inflow import Inflow, Outcome
from messaging.relay.receipts import KnownReceipt, find_receipt, insert_receipt
from messaging.relay.refusal import Refusal, Refused
from messaging.relay.rows import NewDelivery
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.ids import digest_of, new_id

OTHER_CONTENT = 409
OUT = 503
MAINTENANCE = "the host is under maintenance"


class BeatenToIt(Exception):
    """Another transaction took the same thing meanwhile: start again, and find what it answered."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer's HTTP status and payload, yet to be sealed under `reference`, and whom to wake.

    OTHER_CONTENT has no payload: it says that the sender's reference was used before, for other
    bytes.
    """

    status: int
    payload: bytes = b""
    reference: str = ""
    deliveries: tuple[NewDelivery, ...] = ()
    retry_after: float = 0.0
    """Seconds; 0 where there is nothing to be tried again."""


def take(inflow: Inflow) -> Reply:
    """Within the tenant's scope. Raises BeatenToIt, after which the whole is to be done again."""
    if inflow.service != "Health":
        if maintenance.is_on():
            return answer_out(inflow, MAINTENANCE)
        if backlog.is_host_overfull():
            return answer_out(inflow, "too much waits to be delivered")
    known = find_receipt(inflow.endpoint.id, inflow.reference)
    if known is not None:
        return _again(inflow, known)
    try:
        return _first(inflow)
    except IntegrityError as error:
        raise BeatenToIt(inflow.reference) from error


def answer_out(inflow: Inflow, why: str) -> Reply:
    """Nothing is taken, nor remembered: the same payload later is new."""
    error = ReceiptError("", RefusalCode.SO_OUT.value, why)
    digest = digest_of(inflow.payload)
    detail = {"reference": inflow.reference, "service": inflow.service}
    detail |= {"code": error.code, "text": error.text}
    ledger.record(Fact(Event.REFUSED, inflow.at, digest=digest, detail=detail))
    stamp = Stamp(str(new_id()), inflow.at, inflow.reference)
    receipt = ReceiptOfMessage(ReceiptStatus.REJECTED, (error,))
    payload = inflow.codec.encode(Envelope(stamp, (receipt,))).content
    return Reply(OUT, payload, stamp.reference, retry_after=maintenance.RETRY_AFTER_S)


def _again(inflow: Inflow, known: KnownReceipt) -> Reply:
    digest = digest_of(inflow.payload)
    if known.digest != digest:
        ledger.record(
            Fact(Event.REFUSED, inflow.at, digest=digest, detail={"text": "messageId reused"})
        )
        return Reply(OTHER_CONTENT)
    ledger.record(Fact(Event.REPEATED, inflow.at, known.message_id, digest=digest))
    payload = known.answer
    answer = wider_access_codec(known.profile).decode(Parcel(payload))
    return Reply(known.status, payload, answer.stamp.reference)


def _first(inflow: Inflow) -> Reply:
    profile = inflow.codec.profile
    try:
        outcome, status = _examined(inflow), profile.answering.taken
    except Refused as refused:
        outcome, status = _refuse(inflow, refused), profile.answering.refused
    own = inflow.reference if profile.answers_echo else str(new_id())
    stamp = Stamp(own, inflow.at, inflow.reference)
    payload = inflow.codec.encode(Envelope(stamp, (outcome.answer,))).content
    is_first = insert_receipt(
        inflow.endpoint.id,
        inflow.reference,
        digest_of(inflow.payload),
        answer=payload,
        status=status,
        message_id=outcome.message_id,
        at=inflow.at,
        profile=profile.name,
    )
    if not is_first:
        raise BeatenToIt(inflow.reference)
    return Reply(status, payload, stamp.reference, outcome.deliveries)


def _examined(inflow: Inflow) -> Outcome:
    """Raises Refused."""
    try:
        envelope = inflow.codec.decode(Parcel(inflow.payload, inflow.service))
    except RemoteProtocolError as error:
        raise Refused(Refusal(error.code, error.text, error.field)) from None
    (message,) = envelope.messages
    match message:
        case Health(status=None):
            is_out = maintenance.is_on()
            return Outcome(Health(HealthStatus.OUTAGE if is_out else HealthStatus.OK))
        case BidOfferAcceptance() | AncillaryInstruction() | EmergencyInstruction():
            return instruct.take(inflow, message)
        case ReceiptOfMessage():
            return later_receipt.take(inflow, message, envelope.stamp.in_reply_to)
        case _:
            reason = "not for a host to answer"
            field = inflow.codec.pointer_to("type")
            raise Refused(Refusal(RefusalCode.UNKNOWN_TYPE, reason, field))


def _refuse(inflow: Inflow, refused: Refused) -> Outcome:
    first = refused.reasons[0]
    message_id = inflow.store(inflow.service, refusal=first)
    detail = {"code": first.code.value, "text": first.text, "field": first.field}
    detail |= {"rule": first.rule, "value": first.value}
    if further := refused.reasons[1:]:
        detail["further"] = "; ".join(f"{r.code.value} {r.field}: {r.text}" for r in further)
    ledger.record(Fact(Event.REFUSED, inflow.at, message_id, detail=detail))
    errors = tuple(ReceiptError(r.field, r.code.value, r.text) for r in refused.reasons)
    return Outcome(ReceiptOfMessage(ReceiptStatus.REJECTED, errors), message_id)
