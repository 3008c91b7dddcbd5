"""Answers an instruction in its control point's stead: a person's or a system's word, by the same
machinery and the same races as ACCEPT and REJECT on the link. The first answer wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from messaging.domain.instructions import InstructionAnswer, Verdict
from messaging.domain.messages import kind_of
from messaging.models import Instruction, Message
from messaging.protocols.rest import codec as rest
from messaging.relay import correlate, route
from messaging.relay.from_api import Suspended, record_arrival
from messaging.relay.register import standing_of
from messaging.relay.rows import NewDelivery, NewMessage, insert_message
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.models import Endpoint


@dataclass(frozen=True, slots=True)
class Answered:
    """`message_id` is the answer's own; `deliveries` are to be woken after the commit."""

    message_id: UUID
    is_repeat: bool
    deliveries: tuple[NewDelivery, ...] = ()


def answer_for(
    instruction_id: UUID,
    verdict: Verdict,
    at: datetime,
    by: Mapping[str, object],
    *,
    reason_code: str | None = None,
    reason_text: str | None = None,
    reference: str = "",
) -> Answered:
    """Within the tenant's scope. `by` says who answers, for the audit log.

    Raises correlate.NoMatch where it was answered otherwise or its time has passed, Suspended, and
    Instruction.DoesNotExist.
    """
    row, matched = correlate.match_by_id(instruction_id, verdict, at)
    if matched.is_repeat:
        assert row.answer_id is not None, "a verdict comes with its answer"
        ledger.record(Fact(Event.REPEATED, at, row.answer_id, detail=by))
        return Answered(row.answer_id, is_repeat=True)
    control_point = Endpoint.objects.get(id=row.endpoint_id)
    standing = standing_of(control_point.id, control_point.environment, row.bm_unit)
    if standing.suspended:
        raise Suspended
    answer = InstructionAnswer(
        control_point.name,
        row.bm_unit,
        row.number,
        verdict,
        reason_code,
        reason_text,
        matched.kind,
        at,
    )
    message_id = _store(row, answer, reference, at, by)
    correlate.settle_instruction(matched, message_id, at, by_control_point=False)
    made = route.to_operator(answer, message_id, at, standing, matched)
    ledger.record(Fact(Event.STORED, at, message_id, detail={"deliveries": len(made)}))
    return Answered(message_id, is_repeat=False, deliveries=made)


def _store(
    row: Instruction,
    answer: InstructionAnswer,
    reference: str,
    at: datetime,
    by: Mapping[str, object],
) -> UUID:
    content = rest.encode(answer)
    message_id = insert_message(
        NewMessage(
            endpoint_id=row.endpoint_id,
            origin=Message.Origin.API,
            kind=kind_of(answer),
            bm_unit=row.bm_unit,
            reference=reference,
            content=content,
            received_at=at,
            answers=row.message_id,
        )
    )
    record_arrival(message_id, content, kind_of(answer), at, by)
    return message_id
