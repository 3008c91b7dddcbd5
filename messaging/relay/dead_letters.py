"""What a person does with deliveries: stops one that waits, says what became of one that the
operator has and says no more of, tries one again that came to a bad end, or closes it. Within the
tenant's scope; every step is in the audit log with who took it.

A replay is the same delivery: the same message, messageId and payload, and a new attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from messaging.models import Delivery, Instruction
from messaging.relay import deadlines, verdicts
from messaging.relay.load import load_locked
from messaging.relay.moves import lock_queue
from messaging.relay.parts import urgency_of
from messaging.relay.register import OPERATOR_PROTOCOL
from messaging.relay.rows import NewDelivery
from messaging.relay.verdicts import Made
from messaging.states import DEAD, OPEN, DeliveryState, Lane
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.models import Endpoint
from tenants.scope import require_tenant

By = Mapping[str, object]

# At the end of its queue: what was sent since it died must not be overtaken a second time.
_REOPEN = """
WITH due AS (
    INSERT INTO messaging_due (delivery_id, tenant_id, lane, due_at, urgency)
    VALUES (%(id)s, %(tenant)s, %(lane)s, %(at)s, %(urgency)s)
    ON CONFLICT (delivery_id) DO UPDATE SET due_at = EXCLUDED.due_at, owner = NULL
)
UPDATE messaging_delivery SET
    state = 'PENDING', endpoint_id = %(endpoint)s, deadline = %(deadline)s,
    position = nextval('messaging_delivery_position'), held_at = NULL, wait_until = NULL,
    stuck_at = NULL, settled_at = NULL, outcome_code = '', outcome_text = ''
WHERE id = %(id)s AND state = ANY(%(dead)s)
"""


class NotNow(Exception):
    """What is asked for can't be done with the delivery as it is; `code` says why, for programs."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Replayed:
    """Of many: what is to be woken after the commit, and why each of the others was not tried."""

    made: tuple[NewDelivery, ...]
    left: tuple[tuple[UUID, NotNow], ...]


def dead() -> QuerySet[Delivery]:
    """What came to a bad end and is not closed."""
    rows: QuerySet[Delivery] = Delivery.objects.filter(
        state__in=[state.value for state in DEAD], closed_at=None
    )
    return rows


def replay(delivery_id: UUID, at: datetime, by: By) -> NewDelivery:
    """Has it tried again, with a new deadline. Raises NotNow and Delivery.DoesNotExist."""
    return _replay(_locked([delivery_id]).get(), at, by)


def replay_all(ids: Iterable[UUID], at: datetime, by: By) -> Replayed:
    """Each of them on its own; locked in one order, so that two who do so at once both end."""
    made: list[NewDelivery] = []
    left: list[tuple[UUID, NotNow]] = []
    for row in _locked(ids):
        try:
            made.append(_replay(row, at, by))
        except NotNow as error:
            left.append((row.id, error))
    return Replayed(tuple(made), tuple(left))


def abandon(delivery_id: UUID, reason: str, at: datetime, by: By) -> Made:
    """Stops it, so that those behind it go on. Raises NotNow and Delivery.DoesNotExist."""
    found = Delivery.objects.get(id=delivery_id)
    if found.endpoint_id is not None:
        lock_queue(found.endpoint_id, found.queue)
        row = load_locked(delivery_id)
        if row is not None and row.state in OPEN:
            return verdicts.abandon(row, at, reason, by)
    raise NotNow("delivery-settled", "The delivery has come to its end already.")


def settle(delivery_id: UUID, reason: str, at: datetime, by: By, *, accepted: bool) -> Made:
    """In the operator's stead, who has it and has not said what became of it: a person knows.
    Raises NotNow and Delivery.DoesNotExist.
    """
    found = Delivery.objects.get(id=delivery_id)
    if found.endpoint_id is not None and found.lane == Lane.OPERATOR:
        lock_queue(found.endpoint_id, found.queue)
        row = load_locked(delivery_id)
        if row is not None and row.state == DeliveryState.DELIVERED:
            detail = {"accepted": accepted, "reason": reason, **by}
            ledger.record(Fact(Event.VERDICT_SAID, at, row.message_id, row.id, detail=detail))
            if accepted:
                return verdicts.accept(row, at)
            return verdicts.refuse(row, at, f"said by a person: {reason}")
    raise NotNow("no-verdict-awaited", "The delivery awaits no verdict of the system operator.")


def close(delivery_id: UUID, reason: str, at: datetime, by: By) -> Delivery:
    """Takes it off the list of dead letters. Raises NotNow and Delivery.DoesNotExist."""
    row = _locked([delivery_id]).get()
    _check_dead(row)
    row.closed_at, row.closed_reason = at, reason
    row.save(update_fields=["closed_at", "closed_reason"])
    detail = {"reason": reason, "was": row.state, **by}
    ledger.record(Fact(Event.CLOSED, at, row.message_id, row.id, detail=detail))
    return row


def _locked(ids: Iterable[UUID]) -> QuerySet[Delivery]:
    rows = Delivery.objects.select_for_update(of=("self",)).filter(id__in=list(ids))
    found: QuerySet[Delivery] = rows.select_related("message").order_by("id")
    return found


def _check_dead(row: Delivery) -> None:
    if row.state not in DEAD:
        raise NotNow("delivery-not-dead", "The delivery has not come to a bad end.")
    if row.closed_at is not None:
        raise NotNow("delivery-closed", "The delivery was closed by a person.")


def _replay(row: Delivery, at: datetime, by: By) -> NewDelivery:
    _check_dead(row)
    lane = Lane(row.lane)
    endpoint_id = row.endpoint_id or _operator_for(row)
    deadline = _deadline(row, at)
    values: dict[str, Any] = {
        "id": row.id,
        "tenant": require_tenant(),
        "lane": lane.value,
        "urgency": urgency_of(lane, row.queue).value,
        "at": at,
        "endpoint": endpoint_id,
        "deadline": deadline,
        "dead": [state.value for state in DEAD],
    }
    with connection.cursor() as cursor:
        cursor.execute(_REOPEN, values)
    detail = {"was": row.state, "code": row.outcome_code, "text": row.outcome_text, **by}
    ledger.record(Fact(Event.REPLAYED, at, row.message_id, row.id, detail=detail))
    return NewDelivery(row.id, require_tenant(), endpoint_id, lane, queue=row.queue)


def _operator_for(row: Delivery) -> UUID:
    """The endpoint that was missing. Read from the register itself: it may be a moment old."""
    origin = Endpoint.objects.get(id=row.message.endpoint_id)
    found = Endpoint.objects.filter(protocol=OPERATOR_PROTOCOL, environment=origin.environment)
    endpoint_id = found.values_list("id", flat=True).first()
    if endpoint_id is None:
        raise NotNow("unroutable", "Still no endpoint leads to the system operator.")
    return endpoint_id


def _deadline(row: Delivery, at: datetime) -> datetime:
    """By the message's class. An instruction, and an answer to one, has the time to respond and no
    more.
    """
    message = row.message
    asked = message.answers_id if message.kind in ("ACCEPT", "REJECT") else message.id
    found = Instruction.objects.filter(message_id=asked) if asked else Instruction.objects.none()
    respond_by = found.values_list("respond_by", flat=True).first()
    if respond_by is None:
        return at + deadlines.schedule_of(message.kind).within
    if respond_by <= at:
        raise NotNow("not-replayable", "The time to respond to the instruction has passed.")
    return respond_by
