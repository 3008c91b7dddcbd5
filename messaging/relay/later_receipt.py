"""Takes a receipt that the system operator posts after the fact: the final word on a redeclaration
or submission it had only received.
"""

from __future__ import annotations

from uuid import UUID

from messaging.domain.acknowledgements import ReceiptOfMessage, ReceiptStatus
from messaging.domain.units import RefusalCode
from messaging.models import Delivery
from messaging.relay import contradiction, verdicts
from messaging.relay.inflow import Inflow, Outcome
from messaging.relay.load import LoadedDelivery, load_locked
from messaging.relay.moves import lock_queue
from messaging.relay.refusal import Refusal, Refused
from messaging.states import OPEN, Lane
from tenants.audit import ledger
from tenants.audit.events import Event, Fact

RECEIVED = ReceiptOfMessage(ReceiptStatus.RECEIVED)


def take(inflow: Inflow, receipt: ReceiptOfMessage, in_reply_to: str) -> Outcome:
    """The first final receipt wins. Raises Refused for another, which is alarmed where it says
    otherwise, and for an answer to what this tenant never sent.
    """
    field = inflow.codec.pointer_to("in_reply_to")
    found = Delivery.objects.filter(
        endpoint_id=inflow.endpoint.id, reference=in_reply_to, lane=Lane.OPERATOR
    ).first()
    if found is None:
        raise Refused(Refusal(RefusalCode.UNKNOWN_UNIT, "answers nothing of ours", field))
    lock_queue(inflow.endpoint.id, found.queue)
    row = load_locked(found.id)
    assert row is not None, "deliveries are never deleted"
    if row.state not in OPEN:
        contradiction.note(row, inflow.at, receipt.status, _reason(receipt))
    if receipt.status is not ReceiptStatus.RECEIVED and row.state not in OPEN:
        raise Refused(Refusal(RefusalCode.ALREADY_ANSWERED, "already answered", field))
    message_id = _store(inflow, row)
    if receipt.status is ReceiptStatus.RECEIVED or row.state not in OPEN:
        return Outcome(RECEIVED, message_id)
    if receipt.status is ReceiptStatus.REJECTED:
        made = verdicts.refuse(row, inflow.at, verdicts.first_error(receipt), receipt)
    else:
        made = verdicts.accept(row, inflow.at)
    return Outcome(RECEIVED, message_id, made)


def _reason(receipt: ReceiptOfMessage) -> str:
    return verdicts.first_error(receipt) if receipt.status is ReceiptStatus.REJECTED else ""


def _store(inflow: Inflow, row: LoadedDelivery) -> UUID:
    message_id = inflow.store("RECEIPT", row.message.bm_unit, answers=row.message_id)
    ledger.record(Fact(Event.STORED, inflow.at, message_id, row.id, detail={"kind": "RECEIPT"}))
    return message_id
