"""Looks after deliveries that wait for someone else: a gateway's link, a control point's verdict,
an operator's final receipt.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from messaging.relay import deadlines, due, verdicts
from messaging.relay.correlate import is_answered
from messaging.relay.load import LoadedDelivery, load_locked
from messaging.relay.rows import NewDelivery
from messaging.relay.settings import operator_settings
from messaging.relay.verdicts import Made
from messaging.states import DeliveryState, Lane
from tenants.clock import now
from tenants.scope import require_tenant

# Whoever holds a link locks it before its deliveries, and what expires is told on the link.
_LOCK_LINK_OF_THE_LATE = """
SELECT 1 FROM messaging_link k JOIN messaging_delivery d ON d.endpoint_id = k.endpoint_id
WHERE d.id = %s AND d.lane = 'link' AND d.deadline <= %s FOR UPDATE OF k
"""


WITHOUT_RECEIPT = (
    "no final receipt in time: ask the system operator by telephone what became of it, and settle"
    " the delivery as accepted or rejected"
)


def look_after(delivery_id: UUID) -> Made:
    """Within the tenant's scope: expires or alarms what is past its time, else wakes the hands
    again.
    """
    at = now()
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_LINK_OF_THE_LATE, [delivery_id, at])
    row = load_locked(delivery_id)
    if row is None or row.state not in (
        DeliveryState.PENDING,
        DeliveryState.CLAIMED,
        DeliveryState.DELIVERED,
    ):
        due.remove(delivery_id)
        return ()
    if row.state == DeliveryState.DELIVERED:
        return _without_a_verdict(row, at)
    if at >= row.deadline:
        return verdicts.expire(row, at)
    due.put_off(row.id, min(at + _pause(row, at), row.deadline))
    return (NewDelivery(row.id, require_tenant(), row.endpoint_id, Lane.LINK),)


def _without_a_verdict(row: LoadedDelivery, at: datetime) -> Made:
    """Nobody answers in another's name: it is alarmed, once, and left to a person, to a late
    receipt or to Normalization. An instruction that was answered in the control point's stead wants
    nothing more of it.
    """
    until = final_receipt_by(row) if row.lane == Lane.OPERATOR else row.deadline
    if at < until:
        due.put_off(row.id, until)
        return ()
    if row.lane == Lane.LINK and is_answered(row.message):
        return verdicts.taken_on_link(row, at)
    if row.lane == Lane.LINK:
        verdicts.alarm(row, at, "no verdict from the control point in time")
        return verdicts.expire_unanswered(row, at)
    verdicts.alarm(row, at, WITHOUT_RECEIPT)
    due.remove(row.id)
    return ()


def final_receipt_by(row: LoadedDelivery) -> datetime:
    """When the operator's last word on what it has received should have come."""
    within = operator_settings(row.endpoint.settings).receipt_within
    return (row.sent_at or row.created_at) + within


def _pause(row: LoadedDelivery, at: datetime) -> timedelta:
    """Twice as long as it has waited, within bounds: a link that comes up takes all that waits for
    it anyway.
    """
    shortest, longest = deadlines.LINK_LOOK_AGAIN
    return min(max((at - row.created_at) * 2, shortest), longest)
