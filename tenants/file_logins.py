"""What trading points log in by to leave and fetch files: made here with a name of the host's
choosing and a password that is shown once, or with SSH keys that are given; found by the name;
revoked.

The name is the host's choice so that trying names tells nothing of other tenants.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from django.db import connection

from tenants import directory
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.directory import Known
from tenants.models import Endpoint, FileLogin
from tenants.pepper import NoPepper, get_pepper, made_pepper
from tenants.scope import require_tenant

PROTOCOL: Final = "edt"
MOST_KEYS: Final = 20
LONGEST_KEY: Final = 4_096
LONGEST_USERNAME: Final = 40
_SECRET_BYTES = 24
_NAME_BYTES = 6
_LEAST_RSA_BITS = 2_048
_NOTED_EVERY = timedelta(minutes=1)

# A row that somebody else has locked is being noted already, or revoked: neither is waited for.
_NOTE = """
UPDATE tenants_filelogin SET last_used_at = %s WHERE id IN (
    SELECT id FROM tenants_filelogin WHERE id = %s AND (last_used_at IS NULL OR last_used_at < %s)
    FOR UPDATE SKIP LOCKED)
"""


class BadKey(ValueError):
    """No public key in OpenSSH's form, or too weak a one."""


class WrongEndpoint(ValueError):
    """The endpoint is none that anybody logs in at."""


@dataclass(frozen=True, slots=True)
class Made:
    """A new login: `password` is to be shown now and can never be shown again; empty for one with
    keys alone.
    """

    row: FileLogin
    password: str


def make(
    endpoint: Endpoint,
    label: str,
    public_keys: Sequence[str] = (),
    *,
    with_password: bool = True,
    by: Mapping[str, object],
) -> Made:
    """Raises WrongEndpoint and BadKey."""
    if endpoint.protocol != PROTOCOL or endpoint.settings.get("mode", "server") != "server":
        raise WrongEndpoint("nobody logs in at this endpoint")
    keys = [checked_key(key) for key in public_keys]
    password = secrets.token_urlsafe(_SECRET_BYTES) if with_password else ""
    row = FileLogin.objects.create(
        tenant_id=require_tenant(),
        endpoint=endpoint,
        username=f"edt-{secrets.token_hex(_NAME_BYTES)}",
        label=label,
        password_hash=_hash(made_pepper(), password) if password else None,
        public_keys=keys,
    )
    directory.enter(Known.FILE_LOGIN, row.username.encode(), require_tenant())
    _record(Event.FILE_LOGIN_ADDED, row, by)
    return Made(row, password)


def revoke(row: FileLogin, *, by: Mapping[str, object]) -> None:
    """Sessions end within a second or so. Once revoked it stays so."""
    if row.revoked_at is None:
        row.revoked_at = now()
        row.save(update_fields=["revoked_at"])
        _record(Event.FILE_LOGIN_REVOKED, row, by)


def find_tenant(username: str) -> UUID | None:
    """Whose login it is, whether it is in force or not."""
    if not 0 < len(username) <= LONGEST_USERNAME:
        return None
    return directory.find_tenant(Known.FILE_LOGIN, username.encode(errors="replace"))


def find(username: str) -> FileLogin | None:
    """One of the open scope's tenant that is in force, with its endpoint."""
    rows = FileLogin.objects.select_related("endpoint")
    return rows.filter(username=username, revoked_at__isnull=True).first()


def fits(row: FileLogin, password: str) -> bool:
    if row.password_hash is None or not password:
        return False
    try:
        found = _hash(get_pepper(), password)
    except NoPepper:
        return False
    return hmac.compare_digest(bytes(row.password_hash), found)


def has_key(row: FileLogin, blob: bytes) -> bool:
    """Whether this public key (its SSH wire form) is one of the login's."""
    return any(base64.b64decode(key.split()[1]) == blob for key in row.public_keys)


def note_use(login_id: UUID) -> None:
    """Once a minute at most."""
    moment = now()
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, [moment, login_id, moment - _NOTED_EVERY])


def checked_key(text: str) -> str:
    """The key without its comment. Raises BadKey."""
    parts = text.split()
    if len(text) > LONGEST_KEY or len(parts) < 2 or not text.isascii() or "\n" in text.strip():
        raise BadKey("it is no public key in OpenSSH's form")
    line = " ".join(parts[:2])
    try:
        key = load_ssh_public_key(line.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("it is no public key in OpenSSH's form") from None
    match key:
        case Ed25519PublicKey() | EllipticCurvePublicKey():
            return line
        case RSAPublicKey() if key.key_size >= _LEAST_RSA_BITS:
            return line
    raise BadKey(f"it must be Ed25519, ECDSA, or RSA of {_LEAST_RSA_BITS} bits or more")


def fingerprint(key: str) -> str:
    """As OpenSSH shows it."""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _hash(pepper: bytes, password: str) -> bytes:
    """Passwords are the host's own random ones, so a keyed digest is as good as a slow one."""
    return hmac.digest(pepper, b"file login\0" + password.encode(errors="replace"), "sha256")


def _record(event: Event, row: FileLogin, by: Mapping[str, object]) -> None:
    detail = {
        "username": row.username,
        "label": row.label,
        "endpoint": row.endpoint_id,
        "password": row.password_hash is not None,
        "keys": ", ".join(map(fingerprint, row.public_keys)),
        **by,
    }
    ledger.record(Fact(event, now(), detail=detail))
