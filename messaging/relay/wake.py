"""Wakes the hands a new delivery waits for, after the commit that made it. A wake-up that is lost
is made good by the sweep.

A worker is woken by a Celery task that carries ids alone, a gateway by a word on the Redis channel
of the control point.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import redis
import structlog

from messaging.relay import words
from messaging.relay.crash_points import Step
from messaging.relay.parts import is_large
from messaging.relay.publishing import broker, publish
from messaging.relay.rows import NewDelivery
from messaging.relay.words import SomethingWaits, Word
from messaging.states import Lane
from tenants.crash import sending

DELIVER = "messaging.tasks.deliver"
DELIVER_LARGE = "messaging.tasks.deliver_large"
"""By the workers that carry what is too large to be carried beside instructions."""
REGISTRATIONS = "messaging.tasks.registrations"

_log = structlog.get_logger(__name__)


def wake(deliveries: Iterable[NewDelivery]) -> None:
    """Each one's hands, in order. Raises nothing: what is due stands in the database."""
    for delivery in deliveries:
        if delivery.lane is Lane.LINK:
            wake_link(delivery.endpoint_id, delivery.numbered or SomethingWaits())
        else:
            large = is_large(delivery.lane, delivery.queue)
            wake_worker(delivery.tenant_id, delivery.id, large=large)


def wake_worker(tenant_id: UUID, delivery_id: UUID, *, large: bool = False) -> None:
    """One that is large without being known to be is passed on by the worker that gets it."""
    task = DELIVER_LARGE if large else DELIVER
    try:
        with sending(Step.WAKE_WORKER):
            publish(task, (str(tenant_id), str(delivery_id)))
    except redis.RedisError as error:
        _log.warning("no broker to wake a worker", error=str(error))


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
