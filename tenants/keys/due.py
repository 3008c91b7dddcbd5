"""When each certificate next wants a hand, in a table without walls, so that one look finds what is
due of any tenant.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import connection

from tenants.keys import expiry
from tenants.keys.life import VERIFYING, CertificateState
from tenants.models import Certificate

_SET = """
INSERT INTO tenants_certificatedue (certificate_id, tenant_id, due_at) VALUES (%s, %s, %s)
ON CONFLICT (certificate_id) DO UPDATE SET due_at = EXCLUDED.due_at
"""
_REMOVE = "DELETE FROM tenants_certificatedue WHERE certificate_id = %s"
_POSTPONE = "UPDATE tenants_certificatedue SET due_at = %s WHERE certificate_id = %s"
_PICK = """
SELECT tenant_id, certificate_id FROM tenants_certificatedue WHERE due_at <= %s
ORDER BY due_at LIMIT %s
"""


def plan(row: Certificate) -> None:
    """Writes when `row` next wants a hand, or that it never will."""
    moment = next_moment(row)
    if moment is None:
        remove(row.id)
        return
    with connection.cursor() as cursor:
        cursor.execute(_SET, [row.id, row.tenant_id, moment])


def next_moment(row: Certificate) -> datetime | None:
    """Its switch-over, the next time that its end is told of, or its end."""
    if CertificateState(row.state) not in VERIFYING:
        return None
    assert row.not_before is not None
    assert row.not_after is not None
    told = set(row.notices.values_list("days", flat=True))
    moments: Iterable[datetime | None] = (
        max(row.switch_at, row.not_before) if row.switch_at is not None else None,
        expiry.next_moment(row.held_since or row.created_at, row.not_after, told),
        row.not_after,
    )
    return min(moment for moment in moments if moment is not None)


def pick(at: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """Tenant and certificate of what is due, the longest due first."""
    with connection.cursor() as cursor:
        cursor.execute(_PICK, [at, limit])
        found: list[tuple[UUID, UUID]] = cursor.fetchall()
    return found


def postpone(certificate_id: UUID, until: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_POSTPONE, [until, certificate_id])


def remove(certificate_id: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_REMOVE, [certificate_id])
