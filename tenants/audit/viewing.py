"""How the vendor's staff come to see a body: they give a reason, and the tenant's chain holds it
before anything is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from tenants.audit import bodies, ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.scope import tenant_scope

SHORTEST_REASON = 10
LONGEST_REASON = 500

_LENGTH = """
SELECT octet_length(content) FROM audit_body
WHERE tenant_id = %s AND digest = %s AND month = date_trunc('month', %s AT TIME ZONE 'UTC')::date
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """Where bytes are kept, and which message they belong to."""

    tenant_id: UUID
    message_id: UUID
    digest: bytes
    at: datetime


def find_length(kept: Kept) -> int | None:
    """In bytes, or None where they have been deleted. The bytes themselves are not read."""
    with tenant_scope(kept.tenant_id), connection.cursor() as cursor:
        cursor.execute(_LENGTH, [kept.tenant_id, kept.digest, kept.at])
        row = cursor.fetchone()
    return row[0] if row else None


def view(kept: Kept, *, by: str, reason: str) -> bytes:
    """The bytes, once the tenant's chain tells who asked for them and why. Raises BodyGone.

    Must not be called in a transaction: what is told could then be undone after the bytes were
    seen.
    """
    detail = {"by": by, "reason": reason}
    fact = Fact(Event.BODY_VIEWED, now(), kept.message_id, digest=kept.digest, detail=detail)
    with transaction.atomic(durable=True), tenant_scope(kept.tenant_id):
        ledger.record(fact)
    with tenant_scope(kept.tenant_id):
        return bodies.read(kept.digest, kept.at)
