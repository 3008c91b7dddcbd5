"""Wakes a worker to collect or fetch a trading point's files. A wake-up that is lost is made good
by the sweep.
"""

from __future__ import annotations

from uuid import UUID

import redis
import structlog

from messaging.relay.publishing import publish

COLLECT = "messaging.tasks.collect_files"
FETCH = "messaging.tasks.fetch_files"

_log = structlog.get_logger(__name__)


def wake_collector(tenant_id: UUID, endpoint_id: UUID) -> None:
    """Raises nothing."""
    _wake(COLLECT, tenant_id, endpoint_id)


def wake_fetcher(tenant_id: UUID, endpoint_id: UUID) -> None:
    """Raises nothing."""
    _wake(FETCH, tenant_id, endpoint_id)


def _wake(task: str, tenant_id: UUID, endpoint_id: UUID) -> None:
    try:
        publish(task, (str(tenant_id), str(endpoint_id)))
    except redis.RedisError as error:
        _log.warning("no broker to wake a worker for files", error=str(error))
