"""Finds messages and deliveries by what others call them: a messageId, a log number on a link, an
instruction's number. Whoever telephones knows nothing else of them.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.db import connection

from messaging.domain.instructions import InstructionKind

MOST: Final = 200
"""A log number is one of each link's."""

LONGEST: Final = 200
_LOG_NUMBER_DIGITS: Final = 8
_LONGEST_NUMBER: Final = 10

# An endpoint at a time, along the unique index of receipts and that of deliveries by reference.
_MESSAGES: Final = """
SELECT DISTINCT found.id FROM tenants_endpoint e CROSS JOIN LATERAL (
    SELECT message_id AS id FROM messaging_receipt
    WHERE tenant_id = e.tenant_id AND endpoint_id = e.id AND reference = ANY(%(names)s)
    UNION ALL
    SELECT message_id FROM messaging_delivery
    WHERE tenant_id = e.tenant_id AND endpoint_id = e.id AND reference = ANY(%(names)s)
) found WHERE found.id IS NOT NULL LIMIT %(most)s
"""
_DELIVERIES: Final = """
SELECT d.id FROM tenants_endpoint e JOIN messaging_delivery d
    ON d.tenant_id = e.tenant_id AND d.endpoint_id = e.id AND d.reference = ANY(%(names)s)
LIMIT %(most)s
"""
# A unit at a time, along the index that makes an instruction's number unique; some name no unit.
_INSTRUCTIONS: Final = """
SELECT DISTINCT i.message_id
FROM tenants_bmunit u CROSS JOIN unnest(%(kinds)s::text[]) AS one (kind)
JOIN messaging_instruction i ON i.tenant_id = u.tenant_id AND i.endpoint_id = u.control_point_id
    AND i.kind = one.kind AND i.bm_unit IN (u.name, '') AND i.number = %(number)s
LIMIT %(most)s
"""
_KINDS: Final = [kind.value for kind in InstructionKind]


def find_messages(name: str) -> list[UUID]:
    """At most MOST that were taken or sent under this reference, or are the instruction of this
    number.
    """
    found = _ids(_MESSAGES, {"names": _spelled(name)})
    if name.isascii() and name.isdigit() and len(name) <= _LONGEST_NUMBER:
        found += _ids(_INSTRUCTIONS, {"number": int(name), "kinds": _KINDS})
    return found


def find_deliveries(name: str) -> list[UUID]:
    """At most MOST that were sent under this reference."""
    return _ids(_DELIVERIES, {"names": _spelled(name)})


def _spelled(name: str) -> list[str]:
    """As it was typed, and as a log number and a messageId are written on the wire."""
    name = name[:LONGEST]
    padded = name.zfill(_LOG_NUMBER_DIGITS) if name.isascii() and name.isdigit() else name
    return sorted({name, padded, name.lower()})


def _ids(statement: str, values: dict[str, Any]) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {**values, "most": MOST})
        return [row[0] for row in cursor.fetchall()]
