"""The host's own maintenance, which the vendor's staff switch on and off: nothing is carried
outward, the system operator is told that the host is out, and control points are served as ever,
what they say being kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from messaging.models import Maintenance
from messaging.relay.register import REMEMBERED
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.ids import HOUSE
from tenants.remembered import Remembered
from tenants.scope import require_tenant, tenant_scope

RETRY_AFTER_S = 30
"""What the operator is asked to wait."""

_remembered: Remembered[str, bool] = Remembered(REMEMBERED)


class AlreadySo(Exception):
    """It is on already, or off."""


@dataclass(frozen=True, slots=True)
class Switched:
    """Who switched it, why, and when."""

    by: str
    reason: str
    at: datetime


def is_on() -> bool:
    """Within a tenant's scope. That it is off may be remembered for a second; that it is on never
    is.
    """
    return _remembered.get(require_tenant(), "", _is_on, lambda found: not found)


def begin(switched: Switched) -> Maintenance:
    """Raises AlreadySo. The house's chain tells of it."""
    with tenant_scope(HOUSE):
        try:
            with transaction.atomic():
                row = Maintenance.objects.create(
                    reason=switched.reason, began_at=switched.at, began_by=switched.by
                )
        except IntegrityError:
            raise AlreadySo from None
        _tell(Event.MAINTENANCE_BEGAN, switched)
    return row


def end(switched: Switched) -> None:
    """Raises AlreadySo."""
    with tenant_scope(HOUSE):
        ended = Maintenance.objects.filter(ended_at__isnull=True).update(
            ended_at=switched.at, ended_by=switched.by
        )
        if not ended:
            raise AlreadySo
        _tell(Event.MAINTENANCE_ENDED, switched)


def _is_on() -> bool:
    return Maintenance.objects.filter(ended_at__isnull=True).exists()


def _tell(event: Event, switched: Switched) -> None:
    detail = {"by": switched.by, "reason": switched.reason}
    ledger.record(Fact(event, switched.at, detail=detail))
