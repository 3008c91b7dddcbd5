"""The tries of a delivery: the statement that writes one within the open scope, and what is counted
and logged of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from messaging import measures
from messaging.models import Attempt
from messaging.relay import log_lines
from messaging.states import AttemptOutcome
from tenants.ids import new_id
from tenants.scope import require_tenant

_ATTEMPT = """
INSERT INTO messaging_attempt (
    id, tenant_id, delivery_id, month, outcome, received_at, sent_at, answered_at, settled_at,
    status, detail, answer_digest)
VALUES (
    %(id)s, %(tenant)s, %(delivery)s,
    date_trunc('month', %(settled_at)s AT TIME ZONE 'UTC')::date,
    %(outcome)s, %(received_at)s, %(sent_at)s, %(answered_at)s, %(settled_at)s, %(status)s,
    %(detail)s, %(answer_digest)s)
"""

# A try without a record ended with its process: its bytes may have left.
_NOT_ALL_FAILED = """
SELECT count(*) < %s FROM messaging_attempt WHERE delivery_id = %s AND outcome = 'FAILED'
"""


@dataclass(frozen=True, slots=True)
class NewAttempt:
    delivery_id: UUID
    message_id: UUID
    lane: str
    outcome: AttemptOutcome
    received_at: datetime
    sent_at: datetime
    answered_at: datetime | None
    settled_at: datetime
    status: int | None = None
    detail: str = ""
    answer_digest: bytes | None = None


def insert_attempt(new: NewAttempt) -> None:
    attempt_id, tenant_id = new_id(), require_tenant()
    values: dict[str, Any] = {
        "id": attempt_id,
        "tenant": tenant_id,
        "delivery": new.delivery_id,
        "outcome": new.outcome.value,
        "received_at": new.received_at,
        "sent_at": new.sent_at,
        "answered_at": new.answered_at,
        "settled_at": new.settled_at,
        "status": new.status,
        "detail": new.detail[:500],
        "answer_digest": new.answer_digest,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ATTEMPT, values)
    ids = (new.message_id, new.delivery_id, attempt_id)
    log_lines.attempt_made(tenant_id, *ids, new.lane, new.outcome.value)
    measures.attempted(
        new.lane,
        new.outcome.value,
        received_at=new.received_at,
        sent_at=new.sent_at,
        answered_at=new.answered_at,
        settled_at=new.settled_at,
    )


def is_recorded(delivery_id: UUID, sent_at: datetime) -> bool:
    """Whether the try that began then has its row."""
    return Attempt.objects.filter(delivery_id=delivery_id, sent_at=sent_at).exists()


def may_have_been_taken(delivery_id: UUID, attempts: int) -> bool:
    """Whether the peer may have what was tried so often: of a try nobody knows what became."""
    if not attempts:
        return False
    with connection.cursor() as cursor:
        cursor.execute(_NOT_ALL_FAILED, [attempts, delivery_id])
        return bool(cursor.fetchone()[0])
