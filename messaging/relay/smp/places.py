"""The tenant's endpoint that leads to the Single Markets Platform, with its settings and codec, as
those who send to it and are sent to by it want it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final
from uuid import UUID

from django.conf import settings as configured
from django.db import connection

from messaging.protocols.neso.settings import SmpSettings
from messaging.protocols.neso.smp import loading
from messaging.protocols.neso.smp.codec import SmpCodec
from messaging.relay import maintenance
from messaging.relay.register import Operator
from tenants.models import Endpoint, Environment, Tenant

PROTOCOL: Final = loading.PROTOCOL
_KNOWN: Final = frozenset(one.name for one in fields(SmpSettings))
_OF_SEALS: Final = ("seal", "algorithms", "algorithm")


@dataclass(frozen=True, slots=True)
class Platform:
    """One endpoint; `settings` are as they are stored."""

    id: UUID
    name: str
    environment: str
    address: str
    settings: dict[str, Any]
    peer_id: UUID | None
    is_held: bool

    @property
    def read(self) -> SmpSettings:
        """Raises BadSettings. What a later version wrote and this one does not know is passed
        over.
        """
        known = {name: value for name, value in self.settings.items() if name in _KNOWN}
        folder = configured.PROFILE_DIR / PROTOCOL
        return SmpSettings.parse(known, profiles=loading.find_profiles(folder))

    @property
    def codec(self) -> SmpCodec:
        """With the profile it holds and the names of its environment. Raises UnknownProfile."""
        folder = configured.PROFILE_DIR / PROTOCOL
        return SmpCodec(
            loading.load_profile(self.read.profile, folder),
            loading.load_mapping(folder, self.environment),
        )

    @property
    def sealing(self) -> Sealing:
        """As much of it as keys and seals depend on."""
        told = {name: value for name, value in self.settings.items() if name in _OF_SEALS}
        return Sealing(told, self.environment, self.peer_id)

    @property
    def as_operator(self) -> Operator:
        return Operator(self.id, self.environment, self.sealing.settings)


@dataclass(frozen=True, slots=True)
class Sealing:
    settings: dict[str, Any]
    environment: str
    peer_id: UUID | None


class NoPlatform(LookupError):
    """The tenant has no endpoint that leads to the platform in this environment."""


def get_platform(endpoint_id: UUID) -> Platform:
    """In the open scope. One of a suspended tenant counts as held, as does each while the host is
    under maintenance.
    """
    row = Endpoint.objects.get(id=endpoint_id)
    return _platform(row)


def find_platform(environment: str) -> Platform | None:
    row = Endpoint.objects.filter(protocol=PROTOCOL, environment=environment).first()
    return _platform(row) if row else None


def platform_for(environment: str | None) -> Platform:
    """That of an environment, or the only one there is. Raises NoPlatform."""
    rows = Endpoint.objects.filter(protocol=PROTOCOL)
    if environment is not None:
        rows = rows.filter(environment=environment)
    found = list(rows.order_by("id")[:2])
    if len(found) != 1:
        names = ", ".join(Environment.values)
        wanted = "say which environment" if found else "there is no endpoint of neso-smp"
        raise NoPlatform(f"{wanted} ({names})")
    return _platform(found[0])


def lock(endpoint_id: UUID) -> None:
    """Whoever sends through an endpoint, settles what was sent or checks what may be sent takes
    turns, until the transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [f"smp {endpoint_id}"]
        )


def _platform(row: Endpoint) -> Platform:
    suspended = Tenant.objects.filter(id=row.tenant_id, state=Tenant.State.SUSPENDED).exists()
    return Platform(
        *(row.id, row.name, row.environment, row.address, row.settings, row.peer_id),
        suspended or row.state == Endpoint.State.HELD or maintenance.is_on(),
    )
