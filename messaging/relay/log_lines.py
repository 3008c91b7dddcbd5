"""The log's own lines on what the relay carries: ids and kinds, so that a message is found again by
whoever reads the logs; never its content. Written after the commit, as the rows they are about.
"""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db import transaction

_log = structlog.get_logger(__name__)


def message_stored(tenant_id: UUID, message_id: UUID, kind: str, origin: str, refusal: str) -> None:
    ids = {"tenant_id": str(tenant_id), "message_id": str(message_id)}
    told = {"kind": kind, "origin": origin, "refusal": refusal}
    transaction.on_commit(lambda: _log.info("message stored", **ids, **told))


def attempt_made(
    tenant_id: UUID,
    message_id: UUID,
    delivery_id: UUID,
    attempt_id: UUID,
    lane: str,
    outcome: str,
) -> None:
    ids = {"tenant_id": str(tenant_id), "message_id": str(message_id)}
    ids |= {"delivery_id": str(delivery_id), "attempt_id": str(attempt_id)}
    told = {"lane": lane, "outcome": outcome}
    transaction.on_commit(lambda: _log.info("attempt made", **ids, **told))
