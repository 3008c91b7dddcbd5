"""Clears away first answers under idempotency keys once they are old. Safe to run twice and at
once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from tenants.models import IdempotentAnswer
from tenants.scope import in_tenant

AGAIN_AFTER = timedelta(hours=1)
_LIMIT = 500
_PICK = """
WITH picked AS (
    SELECT tenant_id FROM tenants_idempotencydue WHERE due_at <= %s
    ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE tenants_idempotencydue d SET due_at = %s FROM picked WHERE d.tenant_id = picked.tenant_id
RETURNING d.tenant_id
"""


def clear_away(at: datetime, older_than: timedelta) -> int:
    """Of every tenant whose turn it is; returns how many rows went."""
    return sum(in_tenant(tenant_id, lambda: _clear(at - older_than)) for tenant_id in _due(at))


def _due(at: datetime) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(_PICK, [at, _LIMIT, at + AGAIN_AFTER])
        return [row[0] for row in cursor.fetchall()]


def _clear(before: datetime) -> int:
    gone, _ = IdempotentAnswer.objects.filter(created_at__lt=before).delete()
    return gone
