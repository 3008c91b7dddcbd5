"""Reads a tenant's whole chain from the database, a stretch at a time, and finds its first
break.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from tenants.audit.chain import Break, Head, Linked, check, genesis
from tenants.scope import tenant_scope

_STRETCH = 5_000
_SELECT = """
SELECT seq, record, hash, event, message_id::text, delivery_id::text FROM audit_entry
WHERE tenant_id = %s AND seq > %s ORDER BY seq LIMIT %s
"""
_BEYOND = """
SELECT min(seq) FROM audit_entry WHERE tenant_id = %s
AND seq > (SELECT coalesce(max(head_seq), 0) FROM audit_chain WHERE tenant_id = %s)
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: `broken` is None for a whole chain of `head.seq` entries."""

    head: Head
    broken: Break | None


def verify(tenant_id: UUID) -> Verdict:
    """Checks every entry against the one before it, and the last against the chain's head.

    The head is read first: entries appended meanwhile are beyond it and left for the next time.
    """
    with tenant_scope(tenant_id):
        start = Head(0, genesis(tenant_id))
        head = _head(tenant_id, start)
        broken = check(start, _entries(tenant_id, head.seq), head)
        return Verdict(head, broken or _beyond_the_head(tenant_id))


def _beyond_the_head(tenant_id: UUID) -> Break | None:
    """Entries after the head mean that the head was set back; one statement, so that appending
    meanwhile does not show.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BEYOND, [tenant_id, tenant_id])
        (seq,) = cursor.fetchone()
    return Break(seq, "stored beyond the chain's head") if seq is not None else None


def _head(tenant_id: UUID, start: Head) -> Head:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT head_seq, head_hash FROM audit_chain WHERE tenant_id = %s", [tenant_id]
        )
        row = cursor.fetchone()
    return Head(row[0], bytes(row[1])) if row else start


def _entries(tenant_id: UUID, until: int) -> Iterator[Linked]:
    """Entries up to number `until`, in order.

    Read by the driver itself, in binary: what the columns of bytes are written as text and read
    again costs more than the hashes.
    """
    seen = 0
    connection.ensure_connection()
    with connection.connection.cursor(binary=True) as cursor:
        while True:
            cursor.execute(_SELECT, [tenant_id, seen, min(_STRETCH, until - seen)])
            rows = cursor.fetchall()
            yield from map(Linked._make, rows)
            if len(rows) < _STRETCH:
                return
            seen = rows[-1][0]
