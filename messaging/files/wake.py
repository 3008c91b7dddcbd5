"""Wakes a worker to collect a trading point's files. A wake-up that is lost is made good by the
sweep.
"""

from __future__ import annotations

from uuid import UUID

import redis
import structlog

from messaging.relay.publishing import publish

COLLECT = "messaging.tasks.collect_files"
QUEUE = "files"

_log = structlog.get_logger(__name__)


def wake_collector(tenant_id: UUID, endpoint_id: UUID) -> None:
    """Raises nothing."""
    try:
        publish(COLLECT, (str(tenant_id), str(endpoint_id)), QUEUE)
    except redis.RedisError as error:
        _log.warning("no broker to wake a collector", error=str(error))
