"""API keys: minted once and shown once, found by their prefix, known by a keyed hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime

from django.conf import settings

from tenants import directory
from tenants.models import ApiKey, Tenant
from tenants.scope import require_tenant, tenant_scope

_PREFIX_CHARS = 8
_SECRET_BYTES = 32
MARK = "hsk_"


def mint(label: str) -> str:
    """A new key for the open scope's tenant: `hsk_<prefix>_<secret of 256 bits>`. This is the only
    time it is seen.
    """
    prefix = secrets.token_hex(_PREFIX_CHARS // 2)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    ApiKey.objects.create(
        tenant_id=require_tenant(), prefix=prefix, hash=_hash(secret), label=label
    )
    directory.enter(directory.Known.API_KEY, prefix.encode(), require_tenant())
    return f"{MARK}{prefix}_{secret}"


def find_tenant(key: str) -> Tenant | None:
    """The tenant a presented key belongs to, or None for anything that is not a key in force."""
    prefix, _, secret = key.removeprefix(MARK).partition("_")
    if not key.startswith(MARK) or not key.isascii():
        return None
    tenant_id = directory.find_tenant(directory.Known.API_KEY, prefix.encode())
    if tenant_id is None:
        return None
    with tenant_scope(tenant_id):
        row = ApiKey.objects.select_related("tenant").filter(prefix=prefix).first()
        if row is None or not hmac.compare_digest(bytes(row.hash), _hash(secret)):
            return None
        return row.tenant if _in_force(row) else None


def _in_force(row: ApiKey) -> bool:
    expired = row.expires_at is not None and row.expires_at <= datetime.now(UTC)
    return row.revoked_at is None and not expired


def _hash(secret: str) -> bytes:
    pepper = hashlib.sha256(b"api keys" + settings.MASTER_KEY).digest()
    return hmac.digest(pepper, secret.encode(), "sha256")
