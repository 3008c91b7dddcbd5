"""API keys: minted once and shown once, found by their prefix, known by a keyed hash; rotated with
an overlap, and revoked.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tenants import directory
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.credentials import THE_HOST, Address, Shown, Unknown, granted, permissions_of, shown
from tenants.directory import Known
from tenants.models import ApiKey, Member
from tenants.pepper import NoPepper, get_pepper, made_pepper
from tenants.permissions import Permission
from tenants.scope import require_tenant, tenant_scope

_PREFIX_CHARS = 8
_SECRET_BYTES = 32
MARK = "hsk_"


class NotRotatable(Exception):
    """The key is revoked, expired or rotated already; a new one is to be minted."""


@dataclass(frozen=True, slots=True)
class Minted:
    """A new key: `text` is to be shown now and can never be shown again."""

    row: ApiKey
    text: str


def mint(
    label: str,
    *,
    member: Member | None = None,
    scopes: Collection[Permission] | None = None,
    networks: Sequence[str] = (),
    expires_at: datetime | None = None,
    maker: frozenset[Permission] = frozenset(Permission),
    by: Mapping[str, object] = THE_HOST,
) -> Minted:
    """A new key for the open scope's tenant: `hsk_<prefix>_<secret of 256 bits>`.

    It speaks for `member`, else for the tenant itself. Without `scopes` a member's key may do what
    the role allows, the tenant's own may read. Raises TooWide beyond that or beyond its `maker`.
    """
    minted = _new(label, member, granted(scopes, member, maker), networks, expires_at)
    _record(Event.API_KEY_MINTED, minted.row, by)
    return minted


def rotate(
    row: ApiKey,
    overlap: timedelta,
    *,
    maker: frozenset[Permission] = frozenset(Permission),
    by: Mapping[str, object] = THE_HOST,
) -> Minted:
    """A key that replaces `row` and may do the same for as long a time; the old one lives on for
    `overlap` at most.

    The caller holds a lock on the row. Raises NotRotatable, and TooWide for a key that may do more
    than its `maker`.
    """
    moment = now()
    expired = row.expires_at is not None and row.expires_at <= moment
    if expired or row.revoked_at is not None or row.replaced_by_id is not None:
        raise NotRotatable
    scopes = granted(permissions_of(row, row.member), row.member, maker)
    life = row.expires_at - row.created_at if row.expires_at else None
    expires_at = moment + life if life else None
    minted = _new(row.label, row.member, scopes, row.networks, expires_at)
    row.replaced_by = minted.row
    row.expires_at = min(row.expires_at or moment + overlap, moment + overlap)
    row.save(update_fields=["replaced_by", "expires_at"])
    _record(Event.API_KEY_ROTATED, row, {**by, "replaced_by": minted.row.prefix})
    return minted


def change(
    row: ApiKey, label: str, networks: Sequence[str], *, by: Mapping[str, object] = THE_HOST
) -> None:
    row.label, row.networks = label, list(networks)
    row.save(update_fields=["label", "networks"])
    _record(Event.API_KEY_CHANGED, row, by)


def revoke(row: ApiKey, *, by: Mapping[str, object] = THE_HOST) -> None:
    """From the end of the transaction on, nothing is answered to it. Once revoked it stays so."""
    if row.revoked_at is None:
        row.revoked_at = now()
        row.save(update_fields=["revoked_at"])
        _record(Event.API_KEY_REVOKED, row, by)


def find(key: str, address: Address | None) -> Shown | Unknown:
    """What a presented key says, shown from `address`. Raises NotFromHere."""
    prefix, _, secret = key.removeprefix(MARK).partition("_")
    if not key.startswith(MARK) or not key.isascii():
        return Unknown()
    tenant_id = directory.find_tenant(Known.API_KEY, prefix.encode())
    if tenant_id is None:
        return Unknown()
    mark = MARK + prefix
    with tenant_scope(tenant_id):
        row = ApiKey.objects.select_related("tenant", "member").filter(prefix=prefix).first()
        if row is None or not _fits(row, secret):
            return Unknown(mark)
        return shown(row, mark, address) or Unknown(mark)


def _fits(row: ApiKey, secret: str) -> bool:
    try:
        return hmac.compare_digest(bytes(row.hash), _hash(get_pepper(), secret))
    except NoPepper:
        return False


def _new(
    label: str,
    member: Member | None,
    scopes: Sequence[str],
    networks: Sequence[str],
    expires_at: datetime | None,
) -> Minted:
    prefix, secret = _unused_prefix(), secrets.token_urlsafe(_SECRET_BYTES)
    row = ApiKey.objects.create(
        tenant_id=require_tenant(),
        prefix=prefix,
        hash=_hash(made_pepper(), secret),
        label=label,
        member=member,
        scopes=list(scopes),
        networks=list(networks),
        expires_at=expires_at,
    )
    directory.enter(Known.API_KEY, prefix.encode(), require_tenant())
    return Minted(row, f"{MARK}{prefix}_{secret}")


def _unused_prefix() -> str:
    while True:
        prefix = secrets.token_hex(_PREFIX_CHARS // 2)
        if directory.find_tenant(Known.API_KEY, prefix.encode()) is None:
            return prefix


def _record(event: Event, row: ApiKey, by: Mapping[str, object]) -> None:
    detail = {
        "prefix": row.prefix,
        "label": row.label,
        "for": row.member.name if row.member else "the tenant",
        "scopes": ", ".join(row.scopes),
        "networks": ", ".join(row.networks),
        "expires_at": row.expires_at.isoformat() if row.expires_at else None,
        **by,
    }
    ledger.record(Fact(event, now(), detail=detail))


def _hash(pepper: bytes, secret: str) -> bytes:
    return hmac.digest(pepper, secret.encode(), "sha256")
