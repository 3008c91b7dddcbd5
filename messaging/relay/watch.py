"""Looks after deliveries that wait for someone else: a gateway's link, a control point's verdict,
an operator's final receipt.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from messaging.relay import deadlines, due, verdicts
from messaging.relay.correlate import is_answered
from messaging.relay.load import LoadedDelivery, load_locked
from messaging.relay.rows import NewDelivery
from messaging.relay.settings import operator_settings
from messaging.relay.verdicts import Made
from messaging.states import DeliveryState, Lane
from tenants.clock import now
from tenants.scope import require_tenant


def look_after(delivery_id: UUID) -> Made:
    """Within the tenant's scope: expires or alarms what is past its time, else wakes the hands
    again.
    """
    row = load_locked(delivery_id)
    at = now()
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
    """Nobody answers in another's name: it is alarmed, once, and left to a person or to a late
    receipt. An instruction that was answered in the control point's stead wants nothing more of it.
    """
    until = row.deadline
    if row.lane == Lane.OPERATOR:
        until = row.sent_at or row.created_at
        until += operator_settings(row.endpoint.settings).receipt_within
    if at < until:
        due.put_off(row.id, until)
        return ()
    if row.lane == Lane.LINK and is_answered(row.message):
        return verdicts.taken_on_link(row, at)
    what = "no verdict from the control point" if row.lane == Lane.LINK else "no final receipt"
    verdicts.alarm(row, at, f"{what} in time")
    if row.lane == Lane.LINK:
        return verdicts.expire_unanswered(row, at)
    due.remove(row.id)
    return ()


def _pause(row: LoadedDelivery, at: datetime) -> timedelta:
    """Twice as long as it has waited, within bounds: a link that comes up takes all that waits for
    it anyway.
    """
    shortest, longest = deadlines.LINK_LOOK_AGAIN
    return min(max((at - row.created_at) * 2, shortest), longest)
