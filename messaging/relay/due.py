"""When a delivery wants a hand: the rows that every wait is. Sweeping them takes no scope, for they
tell nothing of any tenant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from messaging.states import Lane
from tenants.ownership import free_orphaned
from tenants.scope import require_tenant

# The table has no policies, so what is done to one delivery names the tenant in scope beside it.
_PUT_OFF = """
UPDATE messaging_due SET due_at = %s, owner = NULL, parked_by = NULL
WHERE delivery_id = %s AND tenant_id = %s
"""
_PUT_OFF_IDLE = """
UPDATE messaging_due SET due_at = %s, parked_by = NULL
WHERE delivery_id = %s AND tenant_id = %s AND owner IS NULL
"""
_PARK = """
UPDATE messaging_due SET due_at = %s, parked_by = %s
WHERE delivery_id = %s AND tenant_id = %s AND owner IS NULL
"""
_REMOVE = "DELETE FROM messaging_due WHERE delivery_id = %s AND tenant_id = %s"
_CLAIM = """
UPDATE messaging_due SET owner = %s, due_at = %s, parked_by = NULL
WHERE delivery_id = %s AND tenant_id = %s AND (owner IS NULL OR owner = %s)
"""

_PICK = """
WITH picked AS (
    SELECT delivery_id FROM messaging_due
    WHERE due_at <= now() AND (urgency >= 2) = %(large)s
        AND due_at <= now()
            - CASE urgency WHEN 0 THEN %(urgent)s::interval ELSE %(others)s::interval END
    ORDER BY urgency, due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
), handed AS (
    UPDATE messaging_due d SET due_at = now() + interval '2 seconds', owner = NULL, parked_by = NULL
    FROM picked WHERE d.delivery_id = picked.delivery_id
    RETURNING d.tenant_id, d.delivery_id, d.urgency, d.lane
)
SELECT tenant_id, delivery_id, lane, urgency FROM handed ORDER BY urgency
"""

_WAITING = "SELECT DISTINCT tenant_id FROM messaging_due WHERE lane = %s AND due_at <= now()"


@dataclass(frozen=True, slots=True)
class Room:
    """For so many `tasks` more; and how long what is in the queue already will keep those that are
    urgent, and all the others, waiting.
    """

    tasks: int
    urgent_behind: timedelta = timedelta(0)
    others_behind: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Overdue:
    tenant_id: UUID
    delivery_id: UUID
    lane: str
    urgency: int


def claim(delivery_id: UUID, owner: int, until: datetime) -> bool:
    """Takes the delivery for the process `owner`; False when another has it or it is settled.

    What a process has claimed it may claim again: its commit may have been lost on the way back.
    That its threads do not both do so is for the caller to see to.
    """
    return _execute(_CLAIM, [owner, until, delivery_id, require_tenant(), owner]) == 1


def put_off(delivery_id: UUID, until: datetime) -> None:
    """Lets go of a delivery until then."""
    _execute(_PUT_OFF, [until, delivery_id, require_tenant()])


def put_off_idle(delivery_id: UUID, until: datetime) -> None:
    """Until then it wants no hand, unless somebody has it in hand."""
    _execute(_PUT_OFF_IDLE, [until, delivery_id, require_tenant()])


def park(delivery_id: UUID, owner: int, until: datetime) -> None:
    """The process `owner` hands it out again when there is room for it; it is due then, or when
    that process dies. Anybody may claim it meanwhile, and nothing is done to what somebody has.
    """
    _execute(_PARK, [until, owner, delivery_id, require_tenant()])


def remove(delivery_id: UUID) -> None:
    """Nothing more is to be done for it."""
    _execute(_REMOVE, [delivery_id, require_tenant()])


def pick(room: Room, large: Room) -> list[Overdue]:
    """What is due now, first freeing what a dead process had claimed or parked: as much as there is
    room for, also of those that are large, the most urgent first.

    Each one picked is due again in two seconds, so a wake-up that is lost on its way costs no more
    than that, and what was in the queue before it.
    """
    free_orphaned("messaging_due")
    free_orphaned("messaging_due", "parked_by")
    return _picked(False, room) + _picked(True, large)


def _picked(large: bool, room: Room) -> list[Overdue]:
    if room.tasks <= 0:
        return []
    values: dict[str, Any] = {
        "large": large,
        "most": room.tasks,
        "urgent": room.urgent_behind,
        "others": room.others_behind,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PICK, values)
        return [Overdue(*row) for row in cursor.fetchall()]


def tenants_waiting(lane: Lane) -> list[UUID]:
    """Tenants with something due in a lane."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [lane.value])
        return [row[0] for row in cursor.fetchall()]


def _execute(statement: str, values: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)
