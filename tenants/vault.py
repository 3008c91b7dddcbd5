"""Seals secrets for storage: AES-256-GCM under a data key per tenant, which the master key wraps.

Tenant, purpose and row id are bound as associated data, so a sealed value moved to another tenant,
column or row does not open. A sealed value is one version byte, a 12-byte nonce, and the ciphertext
with its tag.
"""

from __future__ import annotations

import hashlib
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from tenants.cache import Bounded
from tenants.models import DataKey
from tenants.scope import require_tenant

VERSION = b"\x01"
NONCE_BYTES = 12

_data_keys: Bounded[UUID, bytes] = Bounded(1024)


class VaultError(Exception):
    """A sealed value does not open: another key, another row, or changed bytes. Says nothing of the
    value.
    """


def seal(clear: bytes, purpose: str, row_id: UUID) -> bytes:
    """Seals for the open scope's tenant; makes its data key when it has none yet."""
    tenant_id = require_tenant()
    return _encrypt(_data_key(tenant_id), clear, _bound_to(tenant_id, purpose, row_id))


def unseal(sealed: bytes, purpose: str, row_id: UUID) -> bytes:
    """The clear value. Raises VaultError."""
    tenant_id = require_tenant()
    return _decrypt(_data_key(tenant_id), sealed, _bound_to(tenant_id, purpose, row_id))


def master_key_id() -> str:
    """Names the master key in use without telling it."""
    return hashlib.sha256(b"master key id" + settings.MASTER_KEY).hexdigest()[:16]


def _data_key(tenant_id: UUID) -> bytes:
    """A key made in this transaction is not remembered: the transaction may yet be undone."""
    row = DataKey.objects.filter(tenant_id=tenant_id).first()
    if row is None:
        return _unwrapped(_new_data_key(tenant_id))
    return _data_keys.get(row.id, lambda: _unwrapped(row))


def _unwrapped(row: DataKey) -> bytes:
    return _decrypt(settings.MASTER_KEY, bytes(row.wrapped), _wrapping(row.tenant_id))


def _new_data_key(tenant_id: UUID) -> DataKey:
    wrapped = _encrypt(settings.MASTER_KEY, AESGCM.generate_key(256), _wrapping(tenant_id))
    row, _ = DataKey.objects.get_or_create(
        tenant_id=tenant_id, defaults={"wrapped": wrapped, "master_key_id": master_key_id()}
    )
    return row


def _bound_to(tenant_id: UUID, purpose: str, row_id: UUID) -> bytes:
    return b"secret" + tenant_id.bytes + row_id.bytes + purpose.encode()


def _wrapping(tenant_id: UUID) -> bytes:
    return b"data key" + tenant_id.bytes


def _encrypt(key: bytes, clear: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return VERSION + nonce + AESGCM(key).encrypt(nonce, clear, bound)


def _decrypt(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    if sealed[:1] != VERSION:
        raise VaultError("unknown version of a sealed value")
    nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, bound)
    except InvalidTag:
        raise VaultError("a sealed value does not open") from None
