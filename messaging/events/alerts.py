"""How a tenant is told: its addresses, its escalation ladder, and whether anybody looks at its
chain for it at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection

from messaging.events import reading
from messaging.events.models import AlertSettings, MailLine, Webhook
from messaging.events.types import Way
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.scope import require_tenant

MOST_ADDRESSES = 20
MOST_STEPS = 8
LONGEST_WAIT_S = 3600

_WATCH = """
INSERT INTO messaging_eventwatch (tenant_id, due_at) VALUES (%s, %s) ON CONFLICT DO NOTHING
"""
_UNWATCH = "DELETE FROM messaging_eventwatch WHERE tenant_id = %s"


class NoMailServer(Exception):
    """The vendor has named no mail server, so there can be no addresses."""


@dataclass(frozen=True, slots=True)
class Step:
    """After so many seconds without an answer, the tenant is told in these ways."""

    after_seconds: int
    ways: tuple[Way, ...]

    @property
    def written(self) -> dict[str, Any]:
        return {"after_seconds": self.after_seconds, "ways": [way.value for way in self.ways]}


def default_ladder() -> tuple[Step, ...]:
    """The first step is for those who watch anyway; the others are told by every way."""
    return tuple(
        Step(seconds, tuple(Way) if place else (Way.STREAM, Way.WEBHOOK))
        for place, seconds in enumerate(settings.ESCALATION_SECONDS)
    )


def ladder_of(row: AlertSettings | None) -> tuple[Step, ...]:
    if row is None or row.steps is None:
        return default_ladder()
    return tuple(
        Step(step["after_seconds"], tuple(Way(way) for way in step["ways"])) for step in row.steps
    )


def find() -> AlertSettings | None:
    """The open scope's tenant's; none where nothing was ever set."""
    return AlertSettings.objects.first()


def get_locked() -> AlertSettings:
    """Made where there are none yet."""
    AlertSettings.objects.get_or_create(tenant_id=require_tenant())
    return AlertSettings.objects.select_for_update().get()


def change(
    addresses: Sequence[str], steps: Sequence[Step] | None, by: Mapping[str, object]
) -> AlertSettings:
    """All at once. Raises NoMailServer."""
    if addresses and not settings.EMAIL_HOST:
        raise NoMailServer
    row = get_locked()
    row.addresses = list(addresses)
    row.steps = None if steps is None else [step.written for step in steps]
    row.save(update_fields=["addresses", "steps"])
    if addresses:
        look_on(row)
    else:
        MailLine.objects.all().delete()
    detail = {
        "addresses": ", ".join(addresses),
        "steps": ", ".join(f"{s.after_seconds} s: {' '.join(s.ways)}" for s in ladder_of(row)),
    }
    ledger.record(Fact(Event.ALERTS_CHANGED, now(), detail={**detail, **by}))
    return row


def look_on(row: AlertSettings) -> None:
    """From now on the tenant's chain is looked at, from its present end where nobody did before.
    `row` is locked.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WATCH, [require_tenant(), now()])
        is_new = cursor.rowcount == 1
    if is_new:
        row.cursor = reading.head()
        row.save(update_fields=["cursor"])


def look_off_where_idle(row: AlertSettings) -> bool:
    """Ends the looking where nobody is told any more. `row` is locked."""
    if row.addresses or Webhook.objects.filter(state=Webhook.State.ACTIVE).exists():
        return False
    with connection.cursor() as cursor:
        cursor.execute(_UNWATCH, [require_tenant()])
    return True
