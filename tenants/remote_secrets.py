"""What the host logs in by at a tenant's own server: a password or a private key, sealed by the
vault, set by the tenant and shown to nobody again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from tenants import vault
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.models import Endpoint, RemoteSecret
from tenants.scope import require_tenant

_PURPOSE = "remote secret"


@dataclass(frozen=True, slots=True)
class Secret:
    """Either may be empty."""

    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)


def keep(endpoint: Endpoint, secret: Secret, *, by: Mapping[str, object]) -> None:
    """In the place of one that there was."""
    row = RemoteSecret.objects.filter(endpoint=endpoint).first()
    if row is None:
        row = RemoteSecret(tenant_id=require_tenant(), endpoint=endpoint)
    written = json.dumps([secret.password, secret.private_key]).encode()
    row.sealed, row.set_at = vault.seal(written, _PURPOSE, row.id), now()
    row.save()
    detail = {
        "what": f"endpoint {endpoint}",
        "endpoint": endpoint.id,
        "verb": "was given what the host logs in by",
        "kind": " and ".join(
            name for name in ("password", "private key") if getattr(secret, name.replace(" ", "_"))
        ),
        **by,
    }
    ledger.record(Fact(Event.ENDPOINT_CHANGED, now(), detail=detail))


def find(endpoint_id: UUID) -> Secret | None:
    """Raises VaultError."""
    row = RemoteSecret.objects.filter(endpoint_id=endpoint_id).first()
    if row is None:
        return None
    return Secret(*json.loads(vault.unseal(bytes(row.sealed), _PURPOSE, row.id)))
