"""Which message of one side a message of the other side answers: answers to instructions, and
receipts that come later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from messaging.domain.instructions import InstructionAnswer, InstructionKind, Verdict
from messaging.domain.units import RefusalCode
from messaging.models import Delivery, Instruction, Message
from messaging.relay import due
from messaging.relay.load import LoadedMessage
from messaging.states import OPEN, DeliveryState, Lane
from tenants.audit import ledger
from tenants.audit.events import Event, Fact

_INSTRUCTIONS = frozenset(InstructionKind)


class NoMatch(Exception):
    """An answer that answers nothing, or what was answered otherwise, or too late. `alarm` is what
    a person must hear of it, or empty.
    """

    def __init__(self, code: RefusalCode, text: str, alarm: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.alarm = alarm


@dataclass(frozen=True, slots=True)
class Matched:
    """The instruction that an answer is for. `is_repeat`: it was answered in the same way
    before.
    """

    instruction_id: UUID
    message_id: UUID
    kind: InstructionKind
    respond_by: datetime
    verdict: str
    is_repeat: bool


def match(endpoint_id: UUID, in_reply_to: str, answer: InstructionAnswer, at: datetime) -> Matched:
    """Finds and locks the instruction: log number, BM unit and number must all be its own. Raises
    NoMatch.

    Without a log number (state was lost) the number must be the only one of its BM unit.
    """
    candidates = Instruction.objects.select_for_update(of=("self",)).filter(
        endpoint_id=endpoint_id, bm_unit=answer.bm_unit, number=answer.number
    )
    if in_reply_to:
        candidates = candidates.filter(
            message__deliveries__reference=in_reply_to,
            message__deliveries__endpoint_id=endpoint_id,
            message__deliveries__lane=Lane.LINK,
        )
    found = list(candidates[:2])
    if len(found) != 1:
        raise NoMatch(RefusalCode.UNKNOWN_INSTRUCTION, "no such instruction")
    return _checked(found[0], answer.verdict, at)


def match_by_id(
    instruction_id: UUID, verdict: Verdict, at: datetime
) -> tuple[Instruction, Matched]:
    """The same for who answers in the control point's stead. Raises NoMatch, and
    Instruction.DoesNotExist.
    """
    row = Instruction.objects.select_for_update(of=("self",)).get(id=instruction_id)
    return row, _checked(row, verdict, at)


def settle_instruction(
    matched: Matched, answer_id: UUID, at: datetime, *, by_control_point: bool = True
) -> None:
    """Notes the verdict and ends the instruction's delivery: it needs no more watching. Where
    another answered, it still goes to the control point that does not have it yet.
    """
    Instruction.objects.filter(id=matched.instruction_id).update(
        verdict=matched.verdict, answer_id=answer_id
    )
    among = Delivery.objects.all()
    if not by_control_point:
        among = among.filter(state=DeliveryState.DELIVERED)
    _end(matched, among, at)


def settle_repeat(matched: Matched, at: datetime) -> None:
    """The control point says what was answered for it before: that ends the delivery too."""
    _end(matched, Delivery.objects.filter(state__in=OPEN), at)


def _end(matched: Matched, among: QuerySet[Delivery], at: datetime) -> None:
    delivery = among.filter(message_id=matched.message_id, lane=Lane.LINK).first()
    if delivery is None:
        return
    Delivery.objects.filter(id=delivery.id).update(
        state=DeliveryState.ACKNOWLEDGED, settled_at=at, outcome_code=matched.verdict
    )
    due.remove(delivery.id)
    detail = {"verdict": matched.verdict}
    ledger.record(Fact(Event.ACKNOWLEDGED, at, matched.message_id, delivery.id, detail=detail))


def is_answered(message: LoadedMessage) -> bool:
    """Whether it is an instruction that has its verdict, be it the control point's or not."""
    if message.kind not in _INSTRUCTIONS:
        return False
    return Instruction.objects.filter(message_id=message.id).exclude(verdict="").exists()


def _checked(row: Instruction, verdict: Verdict, at: datetime) -> Matched:
    if row.verdict and row.verdict != verdict:
        by_another = row.answer is not None and row.answer.origin != Message.Origin.CONTROL_POINT
        alarm = f"{verdict} by the control point, and answered {row.verdict} for it before"
        text = f"already answered {row.verdict}"
        raise NoMatch(RefusalCode.ALREADY_ANSWERED, text, alarm if by_another else "")
    if not row.verdict and at > row.respond_by:
        raise NoMatch(RefusalCode.ALREADY_ANSWERED, "too late: the time to respond has passed")
    return Matched(
        row.id,
        row.message_id,
        InstructionKind(row.kind),
        row.respond_by,
        verdict.value,
        is_repeat=bool(row.verdict),
    )
