"""Takes an instruction from the system operator for one of the tenant's control points.

The same content under another id is a repeat; a number that is known with other content is refused;
a number below the last one is late: it is kept, alarmed, and still sent while its time to respond
is ahead and nothing delivered after it covers the same time.
"""

from __future__ import annotations

from datetime import datetime

from django.db import models

from messaging.domain import profile
from messaging.domain.acknowledgements import ReceiptOfMessage, ReceiptStatus
from messaging.domain.instructions import BidOfferAcceptance, Instruction
from messaging.domain.messages import kind_of
from messaging.domain.rules import violations
from messaging.domain.units import RefusalCode
from messaging.models import Instruction as InstructionRow
from messaging.models import Message
from messaging.relay import deadlines, route
from messaging.relay.codecs import read_message
from messaging.relay.inflow import Inflow, Outcome
from messaging.relay.refusal import Refusal, Refused
from messaging.relay.register import ControlPoint, find_control_point
from messaging.relay.rows import NewMessage, insert_message
from messaging.states import Lane
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.ids import digest_of
from tenants.models import BmUnit
from tenants.scope import require_tenant

RECEIVED = ReceiptOfMessage(ReceiptStatus.RECEIVED)


def take(inflow: Inflow, instruction: Instruction) -> Outcome:
    """Raises Refused, and IntegrityError where another transaction takes the same number at
    once.
    """
    control_point = _addressed(inflow, instruction)
    _apply_rules(inflow, instruction)
    content = digest_of(inflow.codec.content_of(inflow.payload))
    known = _of_unit(control_point, instruction).filter(number=instruction.number).first()
    if known is None:
        return _store(inflow, instruction, control_point, content)
    if bytes(known.content_digest) == content:
        ledger.record(
            Fact(Event.REPEATED, inflow.at, known.message_id, digest=digest_of(inflow.payload))
        )
        return Outcome(RECEIVED, known.message_id)
    field = inflow.codec.pointer_of(instruction, ("number",))
    reason = "this number is known with other content"
    raise Refused(Refusal(RefusalCode.ALREADY_ANSWERED, reason, field))


def _addressed(inflow: Inflow, instruction: Instruction) -> ControlPoint:
    """The control point; another tenant's, and another's BM unit, are refused exactly as ones that
    do not exist.
    """
    control_point = find_control_point(instruction.control_point, inflow.endpoint.environment)
    if control_point is None:
        field = inflow.codec.pointer_of(instruction, ("control_point",))
        raise Refused(Refusal(RefusalCode.UNKNOWN_UNIT, "unknown control point", field))
    unit = instruction.bm_unit
    known = BmUnit.objects.filter(name=unit, control_point_id=control_point.endpoint_id)
    if unit and not known.exists():
        field = inflow.codec.pointer_of(instruction, ("bm_unit",))
        raise Refused(Refusal(RefusalCode.UNKNOWN_UNIT, "unknown BM unit", field))
    return control_point


def _apply_rules(inflow: Inflow, instruction: Instruction) -> None:
    warn_only = inflow.endpoint.settings.get("warn_only", ())
    reasons = [
        Refusal(
            found.code,
            found.text,
            inflow.codec.pointer_of(instruction, found.path),
            found.rule,
            found.value,
        )
        for found in violations(instruction, inflow.at, warn_only)
        if not found.warning
    ]
    if reasons:
        raise Refused(*reasons)


def _of_unit(
    control_point: ControlPoint, instruction: Instruction
) -> models.QuerySet[InstructionRow]:
    rows: models.QuerySet[InstructionRow] = InstructionRow.objects.filter(
        endpoint_id=control_point.endpoint_id,
        kind=instruction.kind.value,
        bm_unit=instruction.bm_unit,
    )
    return rows


def _store(
    inflow: Inflow, instruction: Instruction, control_point: ControlPoint, content: bytes
) -> Outcome:
    respond_by = instruction.respond_by or inflow.at + deadlines.RESPOND_WITHIN
    message_id = insert_message(
        NewMessage(
            endpoint_id=inflow.endpoint.id,
            origin=Message.Origin.OPERATOR,
            kind=kind_of(instruction),
            bm_unit=instruction.bm_unit,
            reference=inflow.reference,
            content=inflow.payload,
            received_at=inflow.at,
        )
    )
    inflow.record_arrival(message_id)
    detail = {"kind": kind_of(instruction), "number": instruction.number}
    ledger.record(Fact(Event.DECODED, inflow.at, message_id, detail=detail))
    reason = _why_not_sent(inflow, instruction, control_point, respond_by)
    InstructionRow.objects.create(
        tenant_id=require_tenant(),
        message_id=message_id,
        endpoint_id=control_point.endpoint_id,
        kind=instruction.kind.value,
        bm_unit=instruction.bm_unit,
        number=instruction.number,
        content_digest=content,
        respond_by=respond_by,
    )
    if reason:
        ledger.record(Fact(Event.ALARMED, inflow.at, message_id, detail={"alarm": reason}))
        return Outcome(RECEIVED, message_id)
    made = route.to_control_point(control_point, instruction, message_id, inflow.at, respond_by)
    ledger.record(Fact(Event.STORED, inflow.at, message_id, detail={"deliveries": len(made)}))
    return Outcome(RECEIVED, message_id, made)


def _why_not_sent(
    inflow: Inflow, instruction: Instruction, control_point: ControlPoint, respond_by: datetime
) -> str:
    """Why an instruction is kept and not sent, or an empty string."""
    if respond_by <= inflow.at:
        return "came after its time to respond: not sent"
    later = _of_unit(control_point, instruction).filter(number__gt=instruction.number)
    if not later.exists():
        return ""
    if any(_overlap(instruction, row) for row in later.select_related("message__endpoint")):
        return "came late and overlaps what was sent after it: not sent"
    detail = {"alarm": "came late: a higher number was sent before"}
    ledger.record(Fact(Event.ALARMED, inflow.at, detail=detail))
    return ""


def _overlap(instruction: Instruction, row: InstructionRow) -> bool:
    """Only acceptances have a span of time; a later one that was never sent stands in nobody's
    way.
    """
    if not isinstance(instruction, BidOfferAcceptance):
        return False
    other = read_message(row.message)
    was_sent = row.message.deliveries.filter(lane=Lane.LINK, sent_at__isnull=False).exists()
    return (
        was_sent
        and isinstance(other, BidOfferAcceptance)
        and profile.overlap(instruction.levels, other.levels)
    )
