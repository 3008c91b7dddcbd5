"""A row in every table that has a page in the admin, so that every page can be opened."""

from __future__ import annotations

from datetime import timedelta

from messaging.events.models import Escalation
from messaging.models import Declared, GateAlarm, Instruction, SystemNotice
from messaging.relay import links, maintenance, presence, sequences
from messaging.relay.maintenance import Switched
from messaging.relay.register import as_control_point
from messaging.relay.trading_points import get_trading_point
from tenants import endpoints
from tenants.clock import now
from tenants.endpoints import Draft
from tenants.ids import HOUSE
from tenants.models import Endpoint
from tenants.scope import tenant_scope
from tests.api.equipped import equip
from tests.people import Person

GATEWAY = 7


def fill(person: Person) -> None:
    """What messages alone don't leave behind. As the application's role."""
    equip(person)
    unit, at = person.bm_units[person.control_points[0]][0], now()
    presence.announce(GATEWAY)
    with tenant_scope(person.tenant_id):
        point = as_control_point(Endpoint.objects.get(name=person.control_points[0]))
        files = get_trading_point(endpoints.add(Draft("files", "edt", "sftp", "simulator")).id)
        sequences.lock(files, files.agent)
        of = {"tenant_id": person.tenant_id}
        Declared.objects.create(**of, bm_unit=unit, parameter="MEL", declared_at=at)
        GateAlarm.objects.create(**of, bm_unit=unit, period_start=at, missing=["PN"], alarmed_at=at)
        told = Instruction.objects.all()[0]
        Escalation.objects.create(**of, instruction=told, after_seconds=30, at=at)
    links.open_link(person.tenant_id, point, GATEWAY, "192.0.2.7:1", 0)


def fill_the_vendors() -> None:
    """As the vendor's staff, who alone write these."""
    at = now() - timedelta(days=1)
    maintenance.begin(Switched("ada", "a test", at))
    maintenance.end(Switched("ada", "", at))
    with tenant_scope(HOUSE):
        SystemNotice.objects.create(
            text="Something is out", environment="simulator", posted_by="ada", posted_at=at
        )
