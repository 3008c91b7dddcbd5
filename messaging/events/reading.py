"""Reads a tenant's events off its audit chain, from where a reader stopped. Within a scope."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from messaging.events.types import TOLD, EventType, Happening, Told, happening_of
from tenants.audit.events import Event, stamp
from tenants.scope import require_tenant

AT_ONCE = 200
"""Entries looked at in one go."""

_HEAD = "SELECT head_seq FROM audit_chain WHERE tenant_id = %s"
# Decoded is every message that can be read: of these, instructions and what first answered one.
_ENTRIES = """
SELECT e.seq, e.event, e.recorded_at, e.message_id, e.delivery_id, e.record,
    i.kind, i.bm_unit, i.number, i.respond_by, p.name, i.message_id, i.verdict, m.origin
FROM audit_entry e
LEFT JOIN messaging_message m ON e.event = 'decoded' AND m.id = e.message_id
LEFT JOIN messaging_instruction i
    ON i.tenant_id = e.tenant_id AND i.message_id = coalesce(m.answers_id, e.message_id)
LEFT JOIN tenants_endpoint p ON p.id = i.endpoint_id
WHERE e.tenant_id = %s AND e.seq > %s AND e.seq <= %s AND e.event = ANY(%s::text[])
    AND (e.event <> 'decoded' OR e.message_id IN (i.message_id, i.answer_id))
ORDER BY e.seq LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order. A reader goes on after `last`; `more` says that there was no room for all
    that is there.
    """

    happenings: tuple[Happening, ...]
    last: int
    more: bool


def head() -> int:
    """The number of the chain's last entry. Entries become visible in the order of their numbers,
    since whoever appends holds the chain's row until its commit: nothing appears below it later.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HEAD, [require_tenant()])
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def read(after: int, types: Collection[EventType] = (), limit: int = AT_ONCE) -> Page:
    """The events after an entry's number, of the named types or of all."""
    end = head()
    if after >= end:
        return Page((), end, more=False)
    rows = _rows(after, end, limit)
    found = [happening_of(_told(*row)) for row in rows]
    wanted = tuple(one for one in found if one and (not types or one.type in types))
    more = len(rows) == limit
    return Page(wanted, int(rows[-1][0]) if more else end, more)


def _rows(after: int, end: int, limit: int) -> list[tuple[Any, ...]]:
    told = [event.value for event in TOLD]
    with connection.cursor() as cursor:
        cursor.execute(_ENTRIES, [require_tenant(), after, end, told, limit])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _told(
    seq: int,
    event: str,
    at: datetime,
    message_id: UUID | None,
    delivery_id: UUID | None,
    record: bytes,
    kind: str | None,
    bm_unit: str | None,
    number: int | None,
    respond_by: datetime | None,
    control_point: str | None,
    instructed_by: UUID | None,
    verdict: str | None,
    origin: str | None,
) -> Told:
    instruction: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] | None = None
    if kind is not None and respond_by is not None:
        instruction = {
            "kind": kind,
            "control_point": control_point,
            "bm_unit": bm_unit or None,
            "number": number,
            "respond_by": stamp(respond_by),
        }
        if event == Event.DECODED and message_id != instructed_by:
            answer = {"verdict": verdict, "origin": origin, "answer_id": str(message_id)}
            message_id = instructed_by
    ids = [str(one) if one else None for one in (message_id, delivery_id)]
    return Told(seq, Event(event), at, ids[0], ids[1], bytes(record), instruction, answer)
