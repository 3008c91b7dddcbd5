"""Wakes the workers that tell tenants. A wake-up that is lost is made good by the sweep."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import redis
import structlog
from django.db import transaction

from messaging.relay.publishing import broker, message

QUEUE = "webhooks"
"""Of workers of its own: no instruction waits behind a tenant's slow receiver."""

POST = "messaging.tasks.post_webhook"
MAIL = "messaging.tasks.send_mail"

_log = structlog.get_logger(__name__)


def post(tenant_id: UUID, webhook_id: UUID) -> None:
    _publish(POST, str(tenant_id), str(webhook_id))


def post_after_commit(tenant_id: UUID, webhook_id: UUID) -> None:
    transaction.on_commit(partial(post, tenant_id, webhook_id))


def send_mail(tenant_id: UUID) -> None:
    _publish(MAIL, str(tenant_id))


def _publish(task: str, *arguments: str) -> None:
    try:
        broker().lpush(QUEUE, message(task, arguments, QUEUE))
    except redis.RedisError as error:
        _log.warning("no broker to wake a worker", error=str(error))
