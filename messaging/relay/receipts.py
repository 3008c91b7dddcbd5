"""What a repeat is known by: the statements that remember an answer under its reference and find it
again, each in one round trip, within the open scope.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from messaging.relay.rows import profile_now
from tenants.ids import new_id
from tenants.scope import require_tenant

_RECEIPT = """
INSERT INTO messaging_receipt (
    id, tenant_id, endpoint_id, reference, digest, message_id, status, answer, profile, taken_at)
VALUES (
    %(id)s, %(tenant)s, %(endpoint)s, %(reference)s, %(digest)s, %(message)s, %(status)s,
    %(answer)s, %(profile)s, %(at)s)
ON CONFLICT (tenant_id, endpoint_id, reference) DO
"""
_KEEP_FIRST = "NOTHING"
_REPLACE = """
UPDATE SET digest = EXCLUDED.digest, message_id = EXCLUDED.message_id, status = EXCLUDED.status,
           answer = EXCLUDED.answer, profile = EXCLUDED.profile, taken_at = EXCLUDED.taken_at
"""

_FIND_RECEIPT = """
SELECT digest, message_id, status, answer, profile FROM messaging_receipt
WHERE tenant_id = %s AND endpoint_id = %s AND reference = %s
"""


@dataclass(frozen=True, slots=True)
class KnownReceipt:
    """What was taken under a reference, and how it was answered."""

    digest: bytes
    message_id: UUID | None
    status: int
    answer: bytes
    profile: str


def insert_receipt(
    endpoint_id: UUID,
    reference: str,
    digest: bytes,
    *,
    answer: bytes,
    status: int,
    message_id: UUID | None,
    at: datetime,
    replace: bool = False,
    profile: str = "",
) -> bool:
    """Remembers an answer, written in `profile` (without one, in that which the endpoint has now);
    False where another transaction was first and `replace` is off.

    Log numbers come round again after 99,999,999, so a link's receipts replace what lies one round
    back.
    """
    values: dict[str, Any] = {
        "id": new_id(),
        "tenant": require_tenant(),
        "endpoint": endpoint_id,
        "reference": reference,
        "digest": digest,
        "message": message_id,
        "status": status,
        "answer": answer,
        "profile": profile or profile_now(endpoint_id),
        "at": at,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECEIPT + (_REPLACE if replace else _KEEP_FIRST), values)
        return bool(cursor.rowcount)


def find_receipt(endpoint_id: UUID, reference: str) -> KnownReceipt | None:
    with connection.cursor() as cursor:
        cursor.execute(_FIND_RECEIPT, [require_tenant(), endpoint_id, reference])
        row = cursor.fetchone()
    return KnownReceipt(bytes(row[0]), row[1], row[2], bytes(row[3]), row[4]) if row else None
