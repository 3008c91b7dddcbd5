"""What becomes of a delivery to the system operator: settles it, tells the control point or trading
point, and lets the next in its queue go.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from messaging import measures
from messaging.domain.acknowledgements import ReceiptOfMessage, Result, ResultVerdict
from messaging.domain.units import RefusalCode
from messaging.models import Message
from messaging.relay import deadlines, declared, due, reply_files, route, silence
from messaging.relay.attempts import may_have_been_taken
from messaging.relay.correlate import is_answered
from messaging.relay.load import LoadedDelivery, LoadedEndpoint
from messaging.relay.moves import NO_MORE, move
from messaging.relay.parts import unit_for
from messaging.relay.register import ControlPoint
from messaging.relay.rows import NewDelivery
from messaging.relay.settings import operator_settings
from messaging.states import OPEN, DeliveryState, Lane
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.scope import require_tenant

Made = tuple[NewDelivery, ...]

ABANDONED = "ABANDONED"
"""The outcome of what a person stopped."""
SUPERSEDED = "SUPERSEDED"
"""The outcome of what a newer message replaced."""
NOT_IN_TIME = "expired before it could be delivered"
MAY_BE_THERE = "expired; the system operator may have it: telephone"
"""It was tried, and nobody knows with what end."""
NOTHING_MORE: Mapping[str, object] = {}

_BEHIND = """
SELECT id FROM messaging_delivery
WHERE endpoint_id = %s AND queue = %s AND state IN ('PENDING', 'CLAIMED', 'HELD') AND position > %s
ORDER BY position LIMIT 1
"""


def accept(row: LoadedDelivery, at: datetime) -> Made:
    """The operator took it for good: what it declares is in force."""
    declared.note_accepted(row, at)
    made = _result(row, at, ResultVerdict.OK, RefusalCode.OK, "")
    return made + _settle(row, DeliveryState.ACKNOWLEDGED, Event.ACKNOWLEDGED, at, "OK", "")


def refuse(
    row: LoadedDelivery, at: datetime, text: str, receipt: ReceiptOfMessage | None = None
) -> Made:
    """The operator said no; `text` is its first code and text, `receipt` all of it where it said
    more.
    """
    declared.doubt(row, f"was refused: {text}")
    made = _result(row, at, ResultVerdict.REFUSE, RefusalCode.REFUSED_BY_SO, text, receipt)
    code = RefusalCode.REFUSED_BY_SO.value
    return made + _settle(row, DeliveryState.REFUSED, Event.REFUSED, at, code, text)


def expire(row: LoadedDelivery, at: datetime) -> Made:
    """Its deadline passed: it is not sent late. Of a delivery on a link, whoever locked it has
    locked the link before.
    """
    text, code = NOT_IN_TIME, RefusalCode.EXPIRED
    made: Made = ()
    if row.lane == Lane.OPERATOR:
        may_be_there = may_have_been_taken(row.id, row.attempts)
        text = MAY_BE_THERE if may_be_there else text
        declared.doubt(row, text)
        made = _result(row, at, ResultVerdict.REFUSE, code, text)
        made += _answer_lost(row, at, may_be_there=may_be_there)
    elif is_answered(row.message):
        alarm(row, at, "answered for the control point, which does not know of it")
    made += _settle(row, DeliveryState.EXPIRED, Event.EXPIRED, at, code.value, text)
    alarm(row, at, text)
    return made + _tell_expired(row, at, silence.NOT_DELIVERED)


def _tell_expired(row: LoadedDelivery, at: datetime, why: str) -> Made:
    """Once it has ended: what is told must not wait behind it."""
    if row.lane != Lane.LINK or row.message.kind not in silence.INSTRUCTIONS:
        return ()
    return silence.tell_expired(_control_point(row.endpoint), row.message_id, at, why)


def _answer_lost(row: LoadedDelivery, at: datetime, *, may_be_there: bool) -> Made:
    """Where the control point answered itself, it is told by a RESULT."""
    message = row.message
    by_itself = message.origin == Message.Origin.CONTROL_POINT
    if by_itself or message.kind not in silence.ANSWERS or message.answers_id is None:
        return ()
    point = _control_point(message.endpoint)
    return silence.tell_answer_lost(point, message.answers_id, at, may_be_there=may_be_there)


def left(row: LoadedDelivery, at: datetime) -> Made:
    """A file is where its trading point finds it."""
    return _settle(row, DeliveryState.ACKNOWLEDGED, Event.ACKNOWLEDGED, at, "OK", "")


def taken_on_link(row: LoadedDelivery, at: datetime) -> Made:
    """A control point acknowledged what wants no verdict, or what has one already."""
    if row.state not in OPEN:
        return ()
    return _settle(row, DeliveryState.ACKNOWLEDGED, Event.ACKNOWLEDGED, at, "OK", "")


def refused_on_link(row: LoadedDelivery, at: datetime, code: str, text: str) -> Made:
    """A control point would not take what the host sent it."""
    if row.state not in OPEN:
        return ()
    made = _settle(row, DeliveryState.REFUSED, Event.REFUSED, at, code, text)
    alarm(row, at, f"the control point refused {row.message.kind}: {code} {text}")
    return made


def expire_unanswered(row: LoadedDelivery, at: datetime) -> Made:
    """The control point has the instruction, and its time to answer passed."""
    code = RefusalCode.EXPIRED.value
    text = "no verdict from the control point in time"
    made = _settle(row, DeliveryState.EXPIRED, Event.EXPIRED, at, code, text)
    return made + _tell_expired(row, at, silence.NOT_ANSWERED)


def abandon(row: LoadedDelivery, at: datetime, reason: str, by: Mapping[str, object]) -> Made:
    """A person stops it; what is under way to the operator may have reached it all the same."""
    made: Made = ()
    if row.lane == Lane.OPERATOR:
        declared.doubt(row, "was stopped by a person")
        text = f"stopped by a person: {reason}"
        made = _result(row, at, ResultVerdict.REFUSE, RefusalCode.EXPIRED, text)
    return made + _settle(
        row,
        DeliveryState.ABANDONED,
        Event.ABANDONED,
        at,
        ABANDONED,
        reason,
        {**by, "was": row.state},
    )


def supersede(row: LoadedDelivery, at: datetime, newer: LoadedDelivery) -> Made:
    """It was kept back until a newer one said it otherwise, and is not sent. To the control point
    that is a time that ran out: the operator never had it, so it is not OK.
    """
    name = newer.message.reference or newer.message_id
    text = f"superseded by {newer.message.kind} {name}: not sent"
    made = _result(row, at, ResultVerdict.REFUSE, RefusalCode.EXPIRED, text)
    more = {"by": str(newer.message_id), "by_delivery": str(newer.id)}
    return made + _settle(
        row, DeliveryState.SUPERSEDED, Event.SUPERSEDED, at, SUPERSEDED, text, more
    )


def hold(
    row: LoadedDelivery, at: datetime, until: datetime, text: str, *, in_person: bool = True
) -> Made:
    """The operator is out: the message waits, and the control point is told so once, as are those
    behind it, which are not held `in_person` but by the one ahead.
    """
    made: Made = ()
    if row.held_at is None:
        made = _result(row, at, ResultVerdict.HELD, RefusalCode.SO_OUT, text)
        made += _next_in_queue(row, at)
    changes = {"held_at": row.held_at or at, "wait_until": until if in_person else None}
    move(row.id, DeliveryState.HELD, changes, until)
    detail = {"code": RefusalCode.SO_OUT.value, "until": until.isoformat()}
    ledger.record(Fact(Event.HELD, at, row.message_id, row.id, detail=detail))
    return made


def await_final(row: LoadedDelivery, at: datetime) -> Made:
    """The operator has it and will say later what became of it; those behind it need not wait for
    that.
    """
    within = operator_settings(row.endpoint.settings).receipt_within
    move(row.id, DeliveryState.DELIVERED, {}, at + within)
    ledger.record(Fact(Event.DELIVERED, at, row.message_id, row.id))
    return _next_in_queue(row, at)


def retry(row: LoadedDelivery, at: datetime, pause: timedelta) -> Made:
    """It did not get through, or nobody knows whether it did. Where that lasts, it is alarmed,
    once: it is the first of its queue, and a person can stop it.
    """
    until = min(at + pause, row.deadline)
    changes = {"wait_until": until}
    if row.stuck_at is None and at - row.created_at >= deadlines.stuck_after(row.message.kind):
        changes["stuck_at"] = at
        tries = f"{row.attempts} tries in {int((at - row.created_at).total_seconds())} s"
        alarm(row, at, f"stuck: not through after {tries}; those behind it wait")
    move(row.id, DeliveryState.PENDING, changes, until)
    return ()


def first_error(receipt: ReceiptOfMessage) -> str:
    """The first code and text of a rejection, as the control point is told them."""
    if not receipt.errors:
        return "rejected without a reason"
    return f"{receipt.errors[0].code} {receipt.errors[0].text}"


def alarm(row: LoadedDelivery, at: datetime, text: str) -> None:
    ledger.record(Fact(Event.ALARMED, at, row.message_id, row.id, detail={"alarm": text}))


def _settle(
    row: LoadedDelivery,
    state: DeliveryState,
    event: Event,
    at: datetime,
    code: str,
    text: str,
    more: Mapping[str, object] = NOTHING_MORE,
) -> Made:
    changes = {"settled_at": at, "outcome_code": code, "outcome_text": text}
    if row.lane == Lane.LINK:
        changes["sent_at"] = row.sent_at  # Its gateway may have told it more exactly.
    move(row.id, state, changes, NO_MORE)
    measures.settled(row.lane, state.value, at=at, deadline=row.deadline)
    detail = {"code": code, "text": text, "received_at": row.message.received_at.isoformat()}
    ledger.record(Fact(event, at, row.message_id, row.id, detail={**detail, **more}))
    return _next_in_queue(row, at)


def _next_in_queue(row: LoadedDelivery, at: datetime) -> Made:
    """Makes the delivery behind this one due; whoever settles holds the queue's lock."""
    if row.lane == Lane.LINK:
        return ()
    behind = _behind(row)
    if behind is None:
        return ()
    due.put_off(behind, at)
    lane = Lane(row.lane)
    return (NewDelivery(behind, require_tenant(), row.endpoint_id, lane, queue=row.queue),)


def _behind(row: LoadedDelivery) -> UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(_BEHIND, [row.endpoint_id, row.queue, row.position])
        found = cursor.fetchone()
    return found[0] if found else None


def _result(
    row: LoadedDelivery,
    at: datetime,
    verdict: ResultVerdict,
    code: RefusalCode,
    text: str,
    receipt: ReceiptOfMessage | None = None,
) -> Made:
    """A RESULT to the control point whose message this was, or a reply file to the trading
    point.
    """
    message = row.message
    if reply_files.is_owed(message):
        return reply_files.tell_outcome(row, at, verdict, code, text, receipt)
    if message.origin != Message.Origin.CONTROL_POINT:
        return ()
    control_point = _control_point(message.endpoint)
    result = Result(control_point.name, verdict, code.value, text, unit_for(row))
    return route.tell_result(control_point, result, at, message.id, message.reference)


def _control_point(endpoint: LoadedEndpoint) -> ControlPoint:
    return ControlPoint(endpoint.id, endpoint.name, endpoint.environment, endpoint.settings)
