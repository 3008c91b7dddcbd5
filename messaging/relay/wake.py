"""Wakes the hands a new delivery waits for, after the commit that made it. A wake-up that is lost
is made good by the sweep.

A worker is woken by a Celery task, a gateway by a word on the Redis channel of the control point.
Neither carries more than ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from uuid import UUID

import redis
import structlog
from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError

from messaging.relay.rows import NewDelivery
from messaging.states import Lane

CHANNEL = "hostsvc:link:"
DELIVER = "messaging.tasks.deliver"

_log = structlog.get_logger(__name__)


def wake(deliveries: Iterable[NewDelivery]) -> None:
    """Each lane's hands, once an endpoint. Raises nothing: what is due stands in the database."""
    endpoints: set[UUID] = set()
    for delivery in deliveries:
        if delivery.lane is Lane.LINK:
            endpoints.add(delivery.endpoint_id)
        else:
            wake_worker(delivery.tenant_id, delivery.id)
    for endpoint_id in endpoints:
        wake_link(endpoint_id)


def wake_worker(tenant_id: UUID, delivery_id: UUID) -> None:
    try:
        current_app.send_task(DELIVER, args=[str(tenant_id), str(delivery_id)], retry=False)
    except (OperationalError, OSError, redis.RedisError) as error:
        _log.warning("no broker to wake a worker", error=str(error))


def wake_link(endpoint_id: UUID, word: str = "due") -> None:
    try:
        _redis().publish(f"{CHANNEL}{endpoint_id}", word)
    except redis.RedisError as error:
        _log.warning("no broker to wake a gateway", error=str(error))


@lru_cache(maxsize=1)
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
