"""When a job or a batch wants a hand: the rows that every wait is. Sweeping them takes no scope,
for they tell nothing of any tenant.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from messaging.relay.ownership import free_orphaned
from tenants.scope import require_tenant

# The table has no policies, so what is done to one item names the tenant in scope beside it.
_PUT = """
INSERT INTO messaging_smpdue AS d (item_id, tenant_id, due_at) VALUES (%s, %s, %s)
ON CONFLICT (item_id) DO UPDATE SET due_at = EXCLUDED.due_at, owner = NULL
WHERE d.tenant_id = EXCLUDED.tenant_id
"""
_SOONER = """
INSERT INTO messaging_smpdue AS d (item_id, tenant_id, due_at) VALUES (%s, %s, %s)
ON CONFLICT (item_id) DO UPDATE SET due_at = EXCLUDED.due_at
WHERE d.tenant_id = EXCLUDED.tenant_id AND d.owner IS NULL AND d.due_at > EXCLUDED.due_at
"""
_REMOVE = "DELETE FROM messaging_smpdue WHERE item_id = %s AND tenant_id = %s"
_CLAIM = """
UPDATE messaging_smpdue SET owner = %s, due_at = %s
WHERE item_id = %s AND tenant_id = %s AND (owner IS NULL OR owner = %s)
"""

_LET_GO = """
UPDATE messaging_smpdue SET due_at = %s, owner = NULL
WHERE item_id = %s AND tenant_id = %s AND (owner IS NULL OR owner = %s)
"""

_PICK = """
WITH picked AS (
    SELECT item_id FROM messaging_smpdue WHERE due_at <= now()
    ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE messaging_smpdue d SET due_at = now() + interval '2 seconds', owner = NULL
FROM picked WHERE d.item_id = picked.item_id
RETURNING d.tenant_id, d.item_id
"""


def put(item_id: UUID, at: datetime) -> None:
    """It is due then, and nobody's meanwhile."""
    _execute(_PUT, [item_id, require_tenant(), at])


def hurry(item_id: UUID, at: datetime) -> None:
    """It is due then at the latest; one that somebody has in hand is looked at again by them."""
    _execute(_SOONER, [item_id, require_tenant(), at])


def claim(item_id: UUID, owner: int, until: datetime) -> bool:
    """Takes it for the process `owner` until then at the longest; False when another has it, or
    nothing is to be done.
    """
    return _execute(_CLAIM, [owner, until, item_id, require_tenant(), owner]) == 1


def let_go(item_id: UUID, owner: int, at: datetime) -> None:
    """The process `owner` is done with it, and it is due then; not where another has it by now."""
    _execute(_LET_GO, [at, item_id, require_tenant(), owner])


def remove(item_id: UUID) -> None:
    """Nothing more is to be done for it."""
    _execute(_REMOVE, [item_id, require_tenant()])


def pick(limit: int) -> list[tuple[UUID, UUID]]:
    """Tenant and id of what is due now, first freeing what a dead process had claimed."""
    free_orphaned("messaging_smpdue")
    if limit <= 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_PICK, [limit])
        return [(row[0], row[1]) for row in cursor.fetchall()]


def _execute(statement: str, values: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)
