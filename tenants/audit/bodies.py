"""Keeps and finds bytes by digest in the open tenant scope."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from tenants.ids import digest_of
from tenants.scope import require_tenant

_KEEP = """
INSERT INTO audit_body (tenant_id, digest, month, content)
VALUES (%s, %s, date_trunc('month', %s AT TIME ZONE 'UTC')::date, %s) ON CONFLICT DO NOTHING
"""
_READ = """
SELECT content FROM audit_body
WHERE tenant_id = %s AND digest = %s AND month = date_trunc('month', %s AT TIME ZONE 'UTC')::date
"""


class BodyGone(LookupError):
    """The bytes were kept once and have been deleted since, as retention allows; the digest stays
    in the chain.
    """


def keep(content: bytes, at: datetime) -> bytes:
    """Stores `content` under the month of `at` unless it is there, and returns its digest."""
    digest = digest_of(content)
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [require_tenant(), digest, at, content])
    return digest


def read(digest: bytes, at: datetime) -> bytes:
    """The bytes kept with the same `at`. Raises BodyGone."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, [require_tenant(), digest, at])
        row = cursor.fetchone()
    if row is None:
        raise BodyGone(digest.hex())
    return bytes(row[0])
