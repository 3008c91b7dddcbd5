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
_PICK = """
SELECT tenant_id, array_agg(certificate_id ORDER BY due_at) FROM (
    SELECT * FROM tenants_certificatedue WHERE due_at <= %s ORDER BY due_at LIMIT %s
) AS picked GROUP BY tenant_id
"""


def plan(row: Certificate) -> None:
    """Writes when `row` next wants a hand, or that it never will."""
    moment = next_moment(row)
    with connection.cursor() as cursor:
        if moment is None:
            cursor.execute(_REMOVE, [row.id])
        else:
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


def pick(at: datetime, limit: int) -> list[tuple[UUID, list[UUID]]]:
    """Certificates that are due, by tenant."""
    with connection.cursor() as cursor:
        cursor.execute(_PICK, [at, limit])
        found: list[tuple[UUID, list[UUID]]] = cursor.fetchall()
    return found
