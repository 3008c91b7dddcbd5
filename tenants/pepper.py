"""The secret that a tenant's API keys are hashed under.

It is random, one for each tenant, and sealed by the vault: a stolen dump holds nothing to try
guesses against, and as it is not derived from the master key, a new master key leaves every API key
in force.
"""

from __future__ import annotations

import secrets
from uuid import UUID

from tenants import vault
from tenants.cache import Bounded
from tenants.ids import new_id
from tenants.models import Pepper
from tenants.scope import require_tenant

_PURPOSE = "pepper"
_BYTES = 32

_known: Bounded[UUID, bytes] = Bounded(1024)


class NoPepper(LookupError):
    """No key was ever minted for the tenant."""


def get_pepper() -> bytes:
    """That of the open scope's tenant, unsealed once a process: it never changes. Raises NoPepper.

    Not for a transaction that may just have made it, and may yet be undone.
    """
    return _known.get(require_tenant(), _stored)


def made_pepper() -> bytes:
    """That of the open scope's tenant, made now if it has none."""
    row_id = new_id()
    if not Pepper.objects.exists():
        sealed = vault.seal(secrets.token_bytes(_BYTES), _PURPOSE, row_id)
        Pepper.objects.get_or_create(
            tenant_id=require_tenant(), defaults={"id": row_id, "sealed": sealed}
        )
    return _stored()


def _stored() -> bytes:
    row = Pepper.objects.first()
    if row is None:
        raise NoPepper
    return vault.unseal(bytes(row.sealed), _PURPOSE, row.id)
