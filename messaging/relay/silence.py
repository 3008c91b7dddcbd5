"""What a control point is told of an instruction that ended without its answer: nobody may take its
silence, or the host's, for an answer. How a result of its own messages is told is in `verdicts`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from messaging.domain.acknowledgements import FreeText
from messaging.domain.instructions import InstructionKind
from messaging.models import Instruction
from messaging.relay import route
from messaging.relay.codecs import legacy_codec
from messaging.relay.register import ControlPoint
from messaging.relay.rows import NewDelivery

Made = tuple[NewDelivery, ...]

INSTRUCTIONS = frozenset(InstructionKind)
"""Kinds of message that want an answer."""

ANSWERS = frozenset({"ACCEPT", "REJECT"})
"""Kinds of message that are one."""

NOT_DELIVERED = "it could not be delivered to you in time"
NOT_ANSWERED = "no answer from you in time"
TOO_LATE = "it came after its time to respond"
_NONE_SENT = "None was sent to the system operator: telephone."


def tell_expired(point: ControlPoint, message_id: UUID, at: datetime, why: str) -> Made:
    """Of an instruction whose time to respond has passed. Whoever has its delivery locked has
    locked the link before.
    """
    row = Instruction.objects.get(message_id=message_id)
    ending = f"It was answered for you: {row.verdict}." if row.verdict else _NONE_SENT
    text = f"{_name(row)} EXPIRED at {_time(row.respond_by)}: {why}. {ending}"
    return _tell(point, text, message_id, at)


def tell_answer_lost(
    point: ControlPoint, answered: UUID, at: datetime, *, may_be_there: bool
) -> Made:
    """Of an answer that was given in the control point's stead and that the operator has not
    acknowledged in time, nor surely had.
    """
    row = Instruction.objects.get(message_id=answered)
    became = "may not have reached" if may_be_there else "could not be delivered to"
    text = (
        f"{_name(row)}: the answer given for you, {row.verdict}, {became} the"
        f" system operator by {_time(row.respond_by)}: telephone."
    )
    return _tell(point, text, answered, at)


def _name(row: Instruction) -> str:
    of = f" of {row.bm_unit}" if row.bm_unit else ""
    return f"{row.kind} {row.number}{of}"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def _tell(point: ControlPoint, text: str, answers: UUID, at: datetime) -> Made:
    parts = legacy_codec(point.settings).divide(FreeText(point.name, text))
    return tuple(route.tell(point, part, at, answers=answers) for part in parts)
