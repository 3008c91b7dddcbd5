"""Checks audit chains from the first entry to the head; exits 1 naming the first entry that does
not hold.
"""

from __future__ import annotations

import sys
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants import directory
from tenants.audit.verify import verify
from tenants.ids import HOUSE
from tenants.models import Tenant
from tenants.scope import tenant_scope


class Command(BaseCommand):
    help = "Verifies the audit chain of each tenant and of the house."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", nargs="*", help="names or ids; all, when none is given")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = [_found(name) for name in options["tenant"]]
        broken = [
            chain for chain in wanted or [*directory.all_tenants(), HOUSE] if not self._holds(chain)
        ]
        if broken:
            sys.exit(1)

    def _holds(self, tenant_id: UUID) -> bool:
        verdict = verify(tenant_id)
        name = _name(tenant_id)
        if verdict.broken is None:
            head = verdict.head
            self.stdout.write(f"{name}: {head.seq} entries hold; head {head.hash.hex()}")
            return True
        self.stdout.write(
            f"{name}: entry {verdict.broken.seq} does not hold: {verdict.broken.reason}"
        )
        return False


def _found(name: str) -> UUID:
    if name == "house":
        return HOUSE
    tenant_id = directory.find_tenant(directory.Known.TENANT_NAME, name.encode())
    try:
        return tenant_id or UUID(name)
    except ValueError:
        raise CommandError(f"no tenant is called {name!r}") from None


def _name(tenant_id: UUID) -> str:
    if tenant_id == HOUSE:
        return "house"
    with tenant_scope(tenant_id):
        return Tenant.objects.values_list("name", flat=True).filter(id=tenant_id).first() or str(
            tenant_id
        )
