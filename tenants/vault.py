"""Seals secrets for storage: AES-256-GCM under a data key per tenant, which a master key wraps.

Tenant, purpose and row id are bound as associated data, so a sealed value moved to another tenant,
column or row does not open. Where master keys come from: `keyproviders`.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from tenants import aead
from tenants.aead import VaultError as VaultError
from tenants.cache import Bounded
from tenants.keyproviders import provider
from tenants.models import DataKey
from tenants.scope import require_tenant

_data_keys: Bounded[UUID, bytes] = Bounded(1024)


def seal(clear: bytes, purpose: str, row_id: UUID) -> bytes:
    """Seals for the open scope's tenant; makes its data key when it has none yet."""
    tenant_id = require_tenant()
    return aead.encrypt(_data_key(tenant_id), clear, _bound_to(tenant_id, purpose, row_id))


def unseal(sealed: bytes, purpose: str, row_id: UUID) -> bytes:
    """The clear value. Raises VaultError."""
    tenant_id = require_tenant()
    return aead.decrypt(_data_key(tenant_id), sealed, _bound_to(tenant_id, purpose, row_id))


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many data keys of a tenant are wrapped anew, by the key `current`."""

    count: int
    current: str


def rewrap() -> Rewrapped:
    """Wraps the open scope's data key by the current master key, unless it already is.

    The new wrapping is opened again before it replaces the old one, so that nothing is lost to a
    provider that cannot read what it has written. Raises VaultError.
    """
    holder, tenant_id = provider(), require_tenant()
    current, count = holder.current(), 0
    for row in DataKey.objects.select_for_update().exclude(master_key_id=current):
        clear = _unwrapped(row)
        key_id, wrapped = holder.wrap(clear, _wrapping(tenant_id))
        if holder.unwrap(key_id, wrapped, _wrapping(tenant_id)) != clear:
            raise VaultError("the key provider does not give back what it was given")
        row.wrapped, row.master_key_id = wrapped, key_id
        row.save(update_fields=["wrapped", "master_key_id"])
        count += 1
    return Rewrapped(count, current)


def _data_key(tenant_id: UUID) -> bytes:
    """A key made in this transaction is not remembered: the transaction may yet be undone."""
    row = DataKey.objects.filter(tenant_id=tenant_id).first()
    if row is None:
        return _unwrapped(_new_data_key(tenant_id))
    return _data_keys.get(row.id, lambda: _unwrapped(row))


def _unwrapped(row: DataKey) -> bytes:
    return provider().unwrap(row.master_key_id, bytes(row.wrapped), _wrapping(row.tenant_id))


def _new_data_key(tenant_id: UUID) -> DataKey:
    key_id, wrapped = provider().wrap(aead.new_key(), _wrapping(tenant_id))
    row, _ = DataKey.objects.get_or_create(
        tenant_id=tenant_id, defaults={"wrapped": wrapped, "master_key_id": key_id}
    )
    return row


def _bound_to(tenant_id: UUID, purpose: str, row_id: UUID) -> bytes:
    return b"secret" + tenant_id.bytes + row_id.bytes + purpose.encode()


def _wrapping(tenant_id: UUID) -> bytes:
    return b"data key" + tenant_id.bytes
