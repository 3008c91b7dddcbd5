"""The only look-ups across tenants: from what a stranger shows (a certificate, a name, a key's
prefix) to a tenant's id.

The table holds digests and ids and nothing else, and is the one place in the runtime that is not
walled by tenant but for `due`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from uuid import UUID

from django.db import connection

from tenants.models import DirectoryEntry


class Known(StrEnum):
    """What a tenant can be found by. Each kind has its own space of digests."""

    CONTROL_POINT_CERTIFICATE = "control point certificate"
    PARTICIPANT = "participant"
    API_KEY = "api key"
    API_CERTIFICATE = "api certificate"
    BM_UNIT = "bm unit"
    TENANT_NAME = "tenant name"
    FILE_LOGIN = "file login"


class AlreadyKnown(Exception):
    """Another tenant is found by this already. Shown to the vendor only: it tells of another
    tenant.
    """


def find_tenant(kind: Known, name: bytes) -> UUID | None:
    """The tenant that `name` belongs to."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tenant_id FROM tenants_directoryentry WHERE digest = %s", [_digest(kind, name)]
        )
        row = cursor.fetchone()
    return row[0] if row else None


def find_tenants(kind: Known, names: Iterable[bytes]) -> dict[bytes, UUID]:
    """The tenants that `names` belong to, in one query; names that are nobody's are left out."""
    by_digest = {_digest(kind, name): name for name in names}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT digest, tenant_id FROM tenants_directoryentry WHERE digest = ANY(%s::bytea[])",
            [list(by_digest)],
        )
        return {by_digest[bytes(digest)]: tenant_id for digest, tenant_id in cursor.fetchall()}


def all_tenants() -> list[UUID]:
    """Every tenant, in the order they were enrolled. For the vendor's commands and the sweep of
    housekeeping.
    """
    return sorted(set(DirectoryEntry.objects.values_list("tenant_id", flat=True)))


def enter(kind: Known, name: bytes, tenant_id: UUID) -> None:
    """Lets `name` find the tenant. Raises AlreadyKnown when it finds another."""
    entry, _ = DirectoryEntry.objects.get_or_create(
        digest=_digest(kind, name), defaults={"tenant_id": tenant_id}
    )
    if entry.tenant_id != tenant_id:
        raise AlreadyKnown(f"this {kind} belongs to another tenant")


def strike(kind: Known, name: bytes) -> None:
    """Removes `name`, if it is there."""
    DirectoryEntry.objects.filter(digest=_digest(kind, name)).delete()


def _digest(kind: Known, name: bytes) -> bytes:
    return hashlib.sha256(kind.encode() + b"\0" + name).digest()
