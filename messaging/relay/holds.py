"""Holds that people place on what goes to the system operator, and release. What is held waits in
order, its control points are told so, and it expires as ever: a hold moves no deadline.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from messaging.models import StandingHold
from messaging.relay import gates
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.models import BmUnit, Endpoint
from tenants.scope import require_tenant


class NoSuchThing(Exception):
    """The endpoint or BM unit to be held is none of the tenant's."""


class NotHeld(Exception):
    """The hold was released before."""


def place(
    reason: str,
    by: str,
    at: datetime,
    *,
    endpoint_id: UUID | None = None,
    bm_unit: str = "",
) -> StandingHold:
    """Of one of the two, or of everything of the tenant in scope. It holds whatever is claimed once
    this has committed. Raises NoSuchThing.
    """
    if endpoint_id is not None and not Endpoint.objects.filter(id=endpoint_id).exists():
        raise NoSuchThing
    if bm_unit and not BmUnit.objects.filter(name=bm_unit).exists():
        raise NoSuchThing
    row = StandingHold.objects.create(
        tenant_id=require_tenant(),
        endpoint_id=endpoint_id,
        bm_unit=bm_unit,
        reason=reason,
        placed_at=at,
        placed_by=by,
    )
    _tell(Event.HOLD_PLACED, row, at, by, reason)
    return row


def release(row: StandingHold, reason: str, by: str, at: datetime) -> StandingHold:
    """What it held goes, in order, unless something else holds it. Raises NotHeld."""
    gates.lock()
    released = standing().filter(id=row.id)
    if not released.update(released_at=at, released_by=by, release_reason=reason):
        raise NotHeld
    row.refresh_from_db()
    _tell(Event.HOLD_RELEASED, row, at, by, reason)
    gates.let_go()
    return row


def standing() -> QuerySet[StandingHold]:
    rows: QuerySet[StandingHold] = StandingHold.objects.filter(released_at__isnull=True)
    return rows


def _tell(event: Event, row: StandingHold, at: datetime, by: str, reason: str) -> None:
    detail: dict[str, object] = {"hold": row.id, "reason": reason, "by": by}
    if row.endpoint_id:
        detail["endpoint"] = row.endpoint_id
    if row.bm_unit:
        detail["bm_unit"] = row.bm_unit
    ledger.record(Fact(event, at, detail=detail))
