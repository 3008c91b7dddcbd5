"""When the connections to the system operator want a hand: the rows that one look over all tenants
goes by. They tell nothing of any tenant.

A look has a connection for as long as its process lives, and a while at most; when it plans the
next one, it does so only where nothing has asked for a hand meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from messaging.relay.ownership import free_orphaned
from tenants.scope import require_tenant

_PICK = """
WITH picked AS (
    SELECT endpoint_id, broken_at FROM messaging_connectiondue WHERE due_at <= clock_timestamp()
    ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE messaging_connectiondue d
SET due_at = clock_timestamp() + interval '10 seconds', owner = %s
FROM picked WHERE d.endpoint_id = picked.endpoint_id
RETURNING d.tenant_id, d.endpoint_id, d.due_at, d.broken_at, d.owner
"""
_IS_HELD = """
SELECT owner = %s OR clock_timestamp() < %s FROM messaging_connectiondue
WHERE endpoint_id = %s AND tenant_id = %s
"""
_PLAN = """
UPDATE messaging_connectiondue SET due_at = %s, owner = NULL
WHERE endpoint_id = %s AND tenant_id = %s AND due_at = %s
"""
_HURRY = """
UPDATE messaging_connectiondue SET due_at = least(due_at, %s)
WHERE endpoint_id = %s AND tenant_id = %s
"""
_MENDED = """
UPDATE messaging_connectiondue SET broken_at = NULL
WHERE endpoint_id = %s AND tenant_id = %s AND broken_at = %s
"""
_REMOVE = "DELETE FROM messaging_connectiondue WHERE endpoint_id = %s AND tenant_id = %s"
_BROKEN = """
UPDATE messaging_connectiondue
SET broken_at = clock_timestamp(),
    due_at = least(due_at, clock_timestamp() + random() * interval '2 seconds')
"""
_ALL = "SELECT tenant_id, endpoint_id FROM messaging_connectiondue ORDER BY tenant_id"


@dataclass(frozen=True, slots=True)
class Place:
    """One connection."""

    tenant_id: UUID
    endpoint_id: UUID


@dataclass(frozen=True, slots=True)
class Picked(Place):
    """A connection that the process `owner` looks after until `until`. `broken_at`: the host was
    away until then.
    """

    until: datetime
    broken_at: datetime | None
    owner: int


def pick(limit: int, owner: int) -> list[Picked]:
    """What is due now, the longest due first, and what a dead process had; nobody else gets it for
    a while, unless something asks for a hand.
    """
    free_orphaned("messaging_connectiondue")
    with connection.cursor() as cursor:
        cursor.execute(_PICK, [limit, owner])
        return [Picked(*row) for row in cursor.fetchall()]


def is_held(picked: Picked) -> bool:
    """Whether the look is what it was: not one that was frozen until others had its turn."""
    with connection.cursor() as cursor:
        place = (picked.endpoint_id, require_tenant())
        cursor.execute(_IS_HELD, (picked.owner, picked.until, *place))
        row = cursor.fetchone()
    return row is not None and bool(row[0])


def plan(picked: Picked, due_at: datetime) -> None:
    _execute(_PLAN, [due_at, picked.endpoint_id, require_tenant(), picked.until])


def hurry(endpoint_id: UUID, due_at: datetime) -> None:
    """It wants a hand by then."""
    _execute(_HURRY, [due_at, endpoint_id, require_tenant()])


def mended(picked: Picked) -> None:
    """What `broken_at` asked for has been noted elsewhere."""
    if picked.broken_at is not None:
        _execute(_MENDED, [picked.endpoint_id, require_tenant(), picked.broken_at])


def remove(endpoint_id: UUID) -> None:
    _execute(_REMOVE, [endpoint_id, require_tenant()])


def every_one_is_broken() -> None:
    """The host could not be reached until now: what was missed meanwhile is to be asked of every
    operator.
    """
    _execute(_BROKEN, [])


def every_one() -> list[Place]:
    with connection.cursor() as cursor:
        cursor.execute(_ALL)
        return [Place(*row) for row in cursor.fetchall()]


def _execute(statement: str, values: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
