"""Takes a batch return, once its seal is open: the final status of a transaction, sent by the
platform of itself. Before the transaction is known the answer is 404, and the platform repeats it.

A return whose transaction nobody knows is that of the one batch of the endpoint that was sent and
not answered, where it names that batch's messageId, or where there is one such batch only and none
is being sent.
"""

from __future__ import annotations

from typing import Final

from django.db import IntegrityError

from messaging.domain.acknowledgements import ReceiptError, ReceiptOfMessage, ReceiptStatus
from messaging.domain.units import RefusalCode
from messaging.protocols.base import Envelope, Parcel, RemoteProtocolError, Stamp
from messaging.protocols.neso.smp.codec import Result
from messaging.protocols.neso.smp.profile import Standing
from messaging.relay import maintenance
from messaging.relay.codecs import operator_codec
from messaging.relay.from_operator import (
    MAINTENANCE,
    OTHER_CONTENT,
    BeatenToIt,
    Reply,
    answer_out,
)
from messaging.relay.inflow import Inflow
from messaging.relay.receipts import find_receipt, insert_receipt
from messaging.relay.smp import settling
from messaging.relay.smp.places import Platform, get_platform, lock
from messaging.smp_models import SmpBatch, SmpJob
from tenants.audit import bodies, ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.ids import digest_of, new_id

TAKEN: Final = 200
NOT_YET_KNOWN: Final = 404
NOT_TAKEN: Final = 422
State = SmpBatch.State


def take(inflow: Inflow) -> Reply:
    """Within the tenant's scope. Raises BeatenToIt, after which the whole is to be done again."""
    if maintenance.is_on():
        return answer_out(inflow, MAINTENANCE)
    digest = digest_of(inflow.payload)
    known = find_receipt(inflow.endpoint.id, inflow.reference)
    if known is not None and known.digest != digest:
        text = {"text": "messageId reused"}
        ledger.record(Fact(Event.REFUSED, inflow.at, digest=digest, detail=text))
        return Reply(OTHER_CONTENT)
    if known is not None:
        ledger.record(Fact(Event.REPEATED, inflow.at, digest=digest))
        reference = operator_codec({}).decode(Parcel(known.answer)).stamp.reference
        return Reply(known.status, known.answer, reference)
    bodies.keep(inflow.payload, inflow.at)
    try:
        return _first(inflow, digest)
    except IntegrityError as error:
        raise BeatenToIt(inflow.reference) from error


def _first(inflow: Inflow, digest: bytes) -> Reply:
    platform = get_platform(inflow.endpoint.id)
    try:
        result, answers = platform.codec.returned(inflow.payload)
    except RemoteProtocolError as error:
        field = f"/{error.field}" if error.field else ""
        refusal = ReceiptError(field, RefusalCode.MALFORMED.value, error.text)
        return _answer(inflow, digest, NOT_TAKEN, refusal)
    batch = _find(platform, result, answers)
    if batch is None:
        text = "no such transaction is known yet"
        refusal = ReceiptError("/transactionId", RefusalCode.UNKNOWN_INSTRUCTION.value, text)
        return _answer(inflow, digest, NOT_YET_KNOWN, refusal)
    detail = {"transaction": result.transaction, "standing": result.standing.value}
    if inflow.sealed:
        signed = bodies.keep(inflow.sealed, inflow.at)
        detail |= {"sealed": signed.hex(), "to": inflow.to}
    ledger.record(
        Fact(Event.RECEIVED, inflow.at, batch.job_id, batch.id, digest=digest, detail=detail)
    )
    _apply(platform, batch, result)
    return _answer(inflow, digest, TAKEN, None)


def _find(platform: Platform, result: Result, answers: str) -> SmpBatch | None:
    """The batch it is about, and with it its job and the endpoint, locked."""
    rows = SmpBatch.objects.filter(endpoint_id=platform.id)
    found = rows.filter(transaction_id=result.transaction).first()
    if found is not None:
        return _lock(platform, found)
    unknown = rows.filter(state=State.UNKNOWN, transaction_id="")
    candidates = list(unknown.order_by("id")[:2])
    if answers:
        candidates = [batch for batch in unknown if str(batch.id) == answers]
    elif rows.filter(state=State.SENDING).exists():
        return None
    if len(candidates) != 1:
        return None
    batch = _lock(platform, candidates[0])
    indexes = [one.index for one in result.errors if one.index is not None]
    if batch.state != State.UNKNOWN or batch.transaction_id:
        return None
    return batch if max(indexes, default=0) < max(batch.rows, 1) else None


def _lock(platform: Platform, batch: SmpBatch) -> SmpBatch:
    SmpJob.objects.select_for_update().get(id=batch.job_id)
    lock(platform.id)
    return settling.locked(batch.id)


def _apply(platform: Platform, batch: SmpBatch, result: Result) -> None:
    if batch.state == State.UNKNOWN and result.standing is Standing.OPEN:
        settling.take(batch, result.transaction, now(), platform.read.poll_seconds)
        return
    if settling.finish(platform, batch, result, SmpBatch.SettledBy.RETURN):
        return
    created = {State.REGISTERED: Standing.CREATED, State.FAILED: Standing.FAILED}
    told = created.get(State(batch.state))
    if result.standing is not Standing.OPEN and result.standing is not told:
        text = f"the batch return says {result.standing.value}, and it counts as {batch.state}"
        settling.record(batch, Event.ALARMED, text=text)


def _answer(inflow: Inflow, digest: bytes, status: int, refusal: ReceiptError | None) -> Reply:
    """What is not known yet is not remembered: the same payload later is new."""
    verdict = ReceiptStatus.REJECTED if refusal else ReceiptStatus.RECEIVED
    stamp = Stamp(str(new_id()), inflow.at, inflow.reference)
    receipt = ReceiptOfMessage(verdict, (refusal,) if refusal else ())
    payload = operator_codec({}).encode(Envelope(stamp, (receipt,))).content
    if refusal is not None:
        detail = {"code": refusal.code, "text": refusal.text, "status": status}
        ledger.record(Fact(Event.REFUSED, inflow.at, digest=digest, detail=detail))
    if status != NOT_YET_KNOWN and not insert_receipt(
        inflow.endpoint.id,
        inflow.reference,
        digest,
        answer=payload,
        status=status,
        message_id=None,
        at=inflow.at,
    ):
        raise BeatenToIt(inflow.reference)
    return Reply(status, payload, stamp.reference)
