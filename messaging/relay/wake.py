"""Wakes the hands a new delivery waits for, after the commit that made it. A wake-up that is lost
is made good by the sweep.

A worker is woken by a Celery task that carries ids alone, a gateway by a word on the Redis channel
of the control point.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import redis
import structlog

from messaging.relay import words
from messaging.relay.bulkheads import Ticket
from messaging.relay.crash_points import Step
from messaging.relay.due import Room
from messaging.relay.parts import is_large, urgency_of
from messaging.relay.publishing import broker, depths_of, publish
from messaging.relay.rows import NewDelivery
from messaging.relay.words import SomethingWaits, Word
from messaging.states import Lane, Urgency
from tenants.crash import sending

DELIVER = "messaging.tasks.deliver"
DELIVER_LARGE = "messaging.tasks.deliver_large"
"""By the workers that carry what is too large to be carried beside instructions."""
REGISTRATIONS = "messaging.tasks.registrations"

MOST_QUEUED = 1_000
"""Tasks in one queue of workers, beyond which a sweep hands out nothing more."""
SWEPT_AT_ONCE = 500
DONE_A_SECOND = 50
"""Tasks that the workers of a queue do even on a busy machine: where so many wait, what became due
within the last second may well be among them.
"""

_log = structlog.get_logger(__name__)


def wake(deliveries: Iterable[NewDelivery]) -> None:
    """Each one's hands, in order. Raises nothing: what is due stands in the database."""
    for delivery in deliveries:
        if delivery.lane is Lane.LINK:
            wake_link(delivery.endpoint_id, delivery.numbered or SomethingWaits())
        else:
            large = is_large(delivery.lane, delivery.queue)
            urgency = urgency_of(delivery.lane, delivery.queue)
            wake_worker(delivery.tenant_id, delivery.id, large=large, urgency=urgency)


def wake_waiting(deliveries: Iterable[NewDelivery]) -> None:
    """What waited for its endpoint, and may go now."""
    for one in deliveries:
        large, urgency = is_large(one.lane, one.queue), urgency_of(one.lane, one.queue)
        wake_worker(one.tenant_id, one.id, large=large, urgency=urgency, has_waited=True)


def wake_parked(ticket: Ticket) -> None:
    """There is room for what was parked."""
    ids = ticket.tenant_id, ticket.delivery_id
    wake_worker(*ids, large=ticket.is_large, urgency=ticket.urgency, has_waited=True)


def wake_worker(
    tenant_id: UUID,
    delivery_id: UUID,
    *,
    large: bool = False,
    urgency: int = Urgency.REDECLARATION,
    has_waited: bool = False,
) -> None:
    """One that is large without being known to be is passed on by the worker that gets it. One that
    `has_waited` for its endpoint lets those go first that have not.
    """
    task = DELIVER_LARGE if large else DELIVER
    try:
        with sending(Step.WAKE_WORKER):
            publish(task, (str(tenant_id), str(delivery_id)), urgency, has_waited=has_waited)
    except redis.RedisError as error:
        _log.warning("no broker to wake a worker", error=str(error))


def room_in(queue: str) -> Room:
    """How many more tasks a sweep may put there: what waits in the database may wait there longer.
    And how long each must have been due: what the workers have yet to come to is not put there a
    second time, or a queue that was long for a moment would grow by its own length every two
    seconds, and keep them busy with what is done already.
    """
    try:
        depths = depths_of(queue)
    except redis.RedisError as error:
        _log.warning("no broker to ask how much waits", error=str(error))
        return Room(0)
    tasks = min(MOST_QUEUED - sum(depths), SWEPT_AT_ONCE)
    urgent, all_ = (timedelta(seconds=n / DONE_A_SECOND) for n in (depths[0], sum(depths)))
    return Room(tasks, urgent, all_)


def wake_registrations(tenant_id: UUID, item_id: UUID) -> None:
    try:
        with sending(Step.WAKE_WORKER):
            publish(REGISTRATIONS, (str(tenant_id), str(item_id)))
    except redis.RedisError as error:
        _log.warning("no broker to wake a worker", error=str(error))


def wake_link(endpoint_id: UUID, word: Word) -> None:
    try:
        with sending(Step.WAKE_GATEWAY):
            broker().publish(words.channel_of(endpoint_id), words.write(endpoint_id, word))
    except redis.RedisError as error:
        _log.warning("no broker to wake a gateway", error=str(error))
