"""Where a message goes: which deliveries it makes, in which queue, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from messaging.domain.acknowledgements import FreeText, Result
from messaging.domain.instructions import Instruction
from messaging.domain.messages import BmMessage, kind_of, unit_of
from messaging.models import Message
from messaging.protocols.base import Envelope, LocalProtocolError, Stamp
from messaging.relay import deadlines, numbering
from messaging.relay.codecs import legacy_codec
from messaging.relay.correlate import Matched
from messaging.relay.numbering import Outgoing, record_sending
from messaging.relay.parts import queue_of
from messaging.relay.register import ControlPoint, Standing
from messaging.relay.rows import (
    NewDelivery,
    NewMessage,
    Numbered,
    insert_delivery,
    insert_message,
    insert_numbered,
    insert_unroutable,
)
from messaging.states import Lane
from tenants.audit import ledger
from tenants.audit.events import Event, Fact

_WORKER_GRACE = timedelta(seconds=1)
_NOWHERE = "no endpoint leads to the system operator"


def to_operator(
    message: BmMessage,
    message_id: UUID,
    at: datetime,
    standing: Standing,
    matched: Matched | None,
) -> tuple[NewDelivery, ...]:
    """A control point's message to the system operator, whichever way it came. Free text ends at
    the host. What has nowhere to go is alarmed and kept, for a person to replay.
    """
    if isinstance(message, FreeText):
        return ()
    deadline = (
        matched.respond_by if matched else at + deadlines.schedule_of(kind_of(message)).within
    )
    if standing.operator is None:
        keep_unroutable(message_id, queue_of(message), at, deadline)
        return ()
    new = insert_delivery(
        message_id,
        standing.operator,
        Lane.OPERATOR,
        queue_of(message),
        at=at,
        due_at=at + _WORKER_GRACE,
        deadline=deadline,
    )
    return (new,)


def keep_unroutable(message_id: UUID, queue: str, at: datetime, deadline: datetime) -> None:
    """Alarms that no endpoint leads to the operator, and keeps the duty among the dead letters."""
    kept = insert_unroutable(
        message_id, Lane.OPERATOR, queue, at=at, deadline=deadline, text=_NOWHERE
    )
    ledger.record(Fact(Event.ALARMED, at, message_id, kept, detail={"alarm": _NOWHERE}))


def to_control_point(
    control_point: ControlPoint,
    instruction: Instruction,
    message_id: UUID,
    at: datetime,
    respond_by: datetime,
) -> tuple[NewDelivery, ...]:
    """An instruction to its control point. Text that its message has no room for follows in
    messages of its own.
    """
    codec = legacy_codec(control_point.settings)
    said, *rest = codec.divide(instruction)
    first = _on_link(message_id, control_point, instruction.bm_unit, at, respond_by, said)
    return (first, *(tell(control_point, text, at, answers=message_id) for text in rest))


def fits(control_point: ControlPoint, instruction: Instruction, at: datetime) -> bool:
    """Whether the control point's protocol can say it."""
    codec = legacy_codec(control_point.settings)
    try:
        codec.encode(Envelope(Stamp("", at), (codec.divide(instruction)[0],)))
    except LocalProtocolError:
        return False
    return True


def tell_result(
    control_point: ControlPoint, result: Result, at: datetime, answers: UUID, in_reply_to: str
) -> tuple[NewDelivery, ...]:
    """What the operator said of a control point's message `in_reply_to`."""
    codec = legacy_codec(control_point.settings)
    parts = codec.divide(result)
    return tuple(
        tell(
            control_point,
            part,
            at,
            answers=answers,
            in_reply_to=in_reply_to if isinstance(part, Result) else "",
        )
        for part in parts
    )


def tell(
    control_point: ControlPoint,
    message: BmMessage,
    at: datetime,
    *,
    answers: UUID | None = None,
    in_reply_to: str = "",
) -> NewDelivery:
    """A message of the host's own to a control point."""
    codec = legacy_codec(control_point.settings)
    parcel = codec.encode(Envelope(Stamp("", at, in_reply_to), (message,)))
    row = NewMessage(
        endpoint_id=control_point.endpoint_id,
        origin=Message.Origin.HOST,
        kind=kind_of(message),
        bm_unit=unit_of(message),
        reference="",
        content=parcel.content,
        received_at=at,
        answers=answers,
        profile=codec.profile.name,
    )
    message_id = insert_message(row)
    ledger.record(Fact(Event.STORED, at, message_id, detail={"kind": row.kind, "origin": "host"}))
    deadline = at + deadlines.NOTICE.within
    return _on_link(message_id, control_point, "", at, deadline, message, in_reply_to)


def _on_link(
    message_id: UUID,
    control_point: ControlPoint,
    queue: str,
    at: datetime,
    deadline: datetime,
    said: BmMessage,
    in_reply_to: str = "",
) -> NewDelivery:
    """Numbered at once where the link is up and nothing waits before it; else it waits."""
    codec = legacy_codec(control_point.settings)
    ticket = numbering.take(control_point.endpoint_id, codec.profile)
    if ticket is None:
        return insert_delivery(
            message_id,
            control_point.endpoint_id,
            Lane.LINK,
            queue,
            at=at,
            due_at=at + deadlines.LINK_GRACE,
            deadline=deadline,
        )
    reference = codec.profile.number_text(ticket.number)
    parcel = codec.encode(Envelope(Stamp(reference, at, in_reply_to), (said,)))
    new = insert_numbered(
        message_id,
        control_point.endpoint_id,
        queue,
        Numbered(ticket.epoch, ticket.number, parcel.content, deadline),
        reference,
        at=at,
        due_at=at + deadlines.WRITTEN_GRACE,
        deadline=deadline,
    )
    outgoing = Outgoing(new.id, ticket.number, parcel.content, deadline)
    record_sending(outgoing, at, message_id=message_id, kind=kind_of(said))
    return new
