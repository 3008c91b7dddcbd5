"""Who did what: the entries of all audit chains that tell of people, newest first. Entries of the
traffic itself, of which there are millions, are not among them; they are read with their message.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from tenants.ids import HOUSE

PAGE: Final = 100
LOOKED_THROUGH: Final = 5_000
"""Entries that are looked through for one person's."""

# The predicate of the index (migration 0003), word for word: it holds these entries and no others.
NOTED: Final = """event NOT IN (
    'received', 'decoded', 'refused', 'suppressed', 'repeated', 'stored', 'signed', 'sending',
    'answered', 'unanswered', 'delivered', 'acknowledged', 'held', 'expired', 'alarmed',
    'auto-accepted', 'left to a person', 'data arrived', 'link up', 'link down',
    'key expires', 'key expired', 'escalated', 'superseded', 'connection changed', 'normalized',
    'capacity eased')"""
_DEEDS = f"""
SELECT n.tenant_id, t.name, n.seq, n.recorded_at, n.event, n.record FROM (
    SELECT tenant_id, seq, recorded_at, event, record FROM audit_entry
    WHERE {NOTED} AND recorded_at < %(before)s
    AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
    ORDER BY recorded_at DESC LIMIT {LOOKED_THROUGH}
) n LEFT JOIN tenants_tenant t ON t.id = n.tenant_id
WHERE %(by)s::text = '' OR convert_from(n.record, 'UTF8')::jsonb -> 'detail' ->> 'by' = %(by)s
ORDER BY n.recorded_at DESC LIMIT {PAGE + 1}
"""  # noqa: S608 (its own words)


@dataclass(frozen=True, slots=True)
class Deed:
    """`tenant` is empty for the house's chain; `by` where the entry names nobody."""

    tenant_id: UUID
    tenant: str
    seq: int
    at: datetime
    event: str
    by: str
    detail: str


def find_deeds(
    before: datetime, tenant_id: UUID | None = None, by: str = ""
) -> tuple[Sequence[Deed], bool]:
    """A page of them, and whether there are more."""
    with connection.cursor() as cursor:
        cursor.execute(_DEEDS, {"before": before, "tenant": tenant_id, "by": by})
        rows = cursor.fetchall()
    return [_deed(*row) for row in rows[:PAGE]], len(rows) > PAGE


def _deed(
    tenant_id: UUID, name: str | None, seq: int, at: datetime, event: str, record: bytes
) -> Deed:
    detail: dict[str, object] = json.loads(bytes(record))["detail"]
    by = str(detail.pop("by", ""))
    shown = "the house" if tenant_id == HOUSE else name or str(tenant_id)
    told = ", ".join(f"{key}: {value}" for key, value in detail.items() if value not in (None, ""))
    return Deed(tenant_id, shown, seq, at, event, by, told)
