"""Takes an instruction from the system operator for one of the tenant's control points.

The same content under another id is a repeat; a number that is known with other content is refused;
a number below the last one is late: it is kept, alarmed, and still sent while its time to respond
is ahead and nothing delivered after it covers the same time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast
from uuid import UUID

from django.db import connection, models

from messaging.domain import profile
from messaging.domain.acknowledgements import ReceiptOfMessage, ReceiptStatus
from messaging.domain.instructions import BidOfferAcceptance, Instruction
from messaging.domain.messages import kind_of
from messaging.domain.rules import violations
from messaging.domain.units import RefusalCode
from messaging.models import Instruction as InstructionRow
from messaging.models import Message
from messaging.protocols.base import UnknownProfile
from messaging.relay import auto_accept, deadlines, route, silence
from messaging.relay.codecs import read_message
from messaging.relay.inflow import Inflow, Outcome
from messaging.relay.moves import lock_queue
from messaging.relay.refusal import Refusal, Refused
from messaging.relay.register import Addressee, ControlPoint, addressee_of
from messaging.relay.rows import NewInstruction, insert_instruction
from messaging.relay.settings import operator_settings
from messaging.states import OPEN, Lane
from tenants.audit import bodies, ledger
from tenants.audit.events import Event, Fact
from tenants.ids import digest_of
from tenants.scope import require_tenant

_FROM_NUMBER_ON = """
SELECT number, content_digest, message_id FROM messaging_instruction
WHERE tenant_id = %s AND endpoint_id = %s AND kind = %s AND bm_unit = %s AND number >= %s
ORDER BY number LIMIT 2
"""

RECEIVED = ReceiptOfMessage(ReceiptStatus.RECEIVED)


@dataclass(frozen=True, slots=True)
class _Known:
    """An instruction of the same kind and BM unit, with this number or a higher one."""

    number: int
    content_digest: bytes
    message_id: UUID


def take(inflow: Inflow, instruction: Instruction) -> Outcome:
    """Raises Refused, and IntegrityError where another transaction takes the same number at
    once.
    """
    addressee, control_point = _addressed(inflow, instruction)
    _apply_rules(inflow, instruction)
    _refuse_what_does_not_fit(inflow, instruction, control_point)
    lock_queue(control_point.endpoint_id, instruction.bm_unit)
    content = digest_of(inflow.codec.content_of(inflow.payload))
    known = _from_number_on(control_point, instruction)
    same = [one for one in known if one.number == instruction.number]
    if not same:
        outcome = _store(inflow, instruction, control_point, content, bool(known))
        if addressee.auto_accept and outcome.deliveries:
            return _considered(inflow, instruction, control_point, outcome, is_late=bool(known))
        return outcome
    if same[0].content_digest == content or _says_the_same(inflow, instruction, same[0]):
        digest = digest_of(inflow.payload)
        ledger.record(Fact(Event.REPEATED, inflow.at, same[0].message_id, digest=digest))
        return Outcome(RECEIVED, same[0].message_id)
    field = inflow.codec.pointer_of(instruction, ("number",))
    reason = "this number is known with other content"
    raise Refused(Refusal(RefusalCode.ALREADY_ANSWERED, reason, field))


def _addressed(inflow: Inflow, instruction: Instruction) -> tuple[Addressee, ControlPoint]:
    """What is known of whom it is for, and the control point; another tenant's, and another's BM
    unit, are refused exactly as ones that do not exist.
    """
    name, unit = instruction.control_point, instruction.bm_unit
    found = addressee_of(name, inflow.endpoint.environment, unit)
    field = inflow.codec.pointer_of(instruction, ("control_point",))
    if found.suspended:
        raise Refused(Refusal(RefusalCode.SUSPENDED, "the participant is suspended", field))
    if found.control_point is None:
        raise Refused(Refusal(RefusalCode.UNKNOWN_UNIT, "unknown control point", field))
    if unit and not found.knows_unit:
        field = inflow.codec.pointer_of(instruction, ("bm_unit",))
        raise Refused(Refusal(RefusalCode.UNKNOWN_UNIT, "unknown BM unit", field))
    return found, found.control_point


def _refuse_what_does_not_fit(
    inflow: Inflow, instruction: Instruction, control_point: ControlPoint
) -> None:
    """What the control point's protocol can't say must not be taken: it can't be delivered."""
    if not route.fits(control_point, instruction, inflow.at):
        field = inflow.codec.pointer_of(instruction, ("levels",))
        reason = "too long for the control point's protocol"
        raise Refused(Refusal(RefusalCode.OUT_OF_RANGE, reason, field))


def _from_number_on(control_point: ControlPoint, instruction: Instruction) -> list[_Known]:
    """The instruction with this number, if there is one, and one with a higher number."""
    values = [control_point.endpoint_id, instruction.kind.value, instruction.bm_unit]
    with connection.cursor() as cursor:
        cursor.execute(_FROM_NUMBER_ON, [require_tenant(), *values, instruction.number])
        return [_Known(row[0], bytes(row[1]), row[2]) for row in cursor.fetchall()]


def _says_the_same(inflow: Inflow, instruction: Instruction, known: _Known) -> bool:
    """Whether the stored one, which came under another profile, has the same content in that one's
    words.
    """
    row = Message.objects.select_related("endpoint").get(id=known.message_id)
    if row.profile == inflow.codec.profile.name:
        return False
    try:
        stored = read_message(row)
    except (bodies.BodyGone, UnknownProfile):
        return False
    return replace(instruction, respond_by=None) == replace(
        cast(Instruction, stored), respond_by=None
    )


def _apply_rules(inflow: Inflow, instruction: Instruction) -> None:
    warn_only = operator_settings(inflow.endpoint.settings).warn_only
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
    inflow: Inflow,
    instruction: Instruction,
    control_point: ControlPoint,
    content: bytes,
    is_late: bool,
) -> Outcome:
    respond_by = instruction.respond_by or inflow.at + deadlines.RESPOND_WITHIN
    message_id = inflow.store(kind_of(instruction), instruction.bm_unit)
    detail = {"kind": kind_of(instruction), "number": instruction.number}
    ledger.record(Fact(Event.DECODED, inflow.at, message_id, detail=detail))
    reason = ""
    if respond_by <= inflow.at:
        reason = "came after its time to respond: not sent"
    elif is_late:
        reason = _why_not_sent_late(inflow, instruction, control_point)
    insert_instruction(
        NewInstruction(
            message_id,
            control_point.endpoint_id,
            instruction.kind.value,
            instruction.bm_unit,
            instruction.number,
            content,
            respond_by,
        )
    )
    if reason:
        ledger.record(Fact(Event.ALARMED, inflow.at, message_id, detail={"alarm": reason}))
        if respond_by > inflow.at:
            return Outcome(RECEIVED, message_id)
        why = silence.TOO_LATE
        told = silence.tell_expired(control_point, message_id, inflow.at, why)
        return Outcome(RECEIVED, message_id, told)
    ledger.record(Fact(Event.STORED, inflow.at, message_id))
    made = route.to_control_point(control_point, instruction, message_id, inflow.at, respond_by)
    return Outcome(RECEIVED, message_id, made)


def _considered(
    inflow: Inflow,
    instruction: Instruction,
    control_point: ControlPoint,
    outcome: Outcome,
    *,
    is_late: bool,
) -> Outcome:
    """One that is on its way to the control point may be accepted for it."""
    respond_by = instruction.respond_by or inflow.at + deadlines.RESPOND_WITHIN
    if not isinstance(instruction, BidOfferAcceptance) or outcome.message_id is None:
        return outcome
    if respond_by <= inflow.at:
        return outcome
    taken = auto_accept.Taken(
        instruction,
        outcome.message_id,
        control_point,
        inflow.endpoint,
        inflow.at,
        respond_by,
        is_late,
    )
    return replace(outcome, deliveries=outcome.deliveries + auto_accept.consider(taken))


def _why_not_sent_late(
    inflow: Inflow, instruction: Instruction, control_point: ControlPoint
) -> str:
    """Why an instruction that a higher number has overtaken is not sent, or an empty string."""
    later = _of_unit(control_point, instruction).filter(number__gt=instruction.number)
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
    sent_or_waiting = models.Q(sent_at__isnull=False) | models.Q(state__in=OPEN)
    stands = row.message.deliveries.filter(sent_or_waiting, lane=Lane.LINK).exists()
    return (
        stands
        and isinstance(other, BidOfferAcceptance)
        and profile.overlap(instruction.levels, other.levels)
    )
