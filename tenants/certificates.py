"""Certificates and private keys of the open scope's tenant: installed sealed, found by purpose,
parsed once a process.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from django.db import connection

from tenants import directory, vault
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.cache import Bounded
from tenants.ids import new_id
from tenants.models import Certificate, Endpoint
from tenants.scope import require_tenant

_KEY_PURPOSE = "certificate.private_key"

_ACTIVE = """
SELECT c.purpose, c.id, c.fingerprint, c.pem, c.private_key, t.participant_id
FROM tenants_certificate c JOIN tenants_tenant t ON t.id = c.tenant_id
WHERE c.purpose = ANY(%s) AND c.state = 'ACTIVE' AND c.private_key IS NOT NULL
"""

_keys: Bounded[UUID, PrivateKeyTypes] = Bounded(4096)


class CertificateMissing(LookupError):
    """The tenant has no active certificate for a purpose: nothing can be signed or connected until
    one is installed.
    """


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate in use with its parsed private key. `pem` is the leaf and its chain."""

    id: UUID
    fingerprint: bytes
    pem: str
    key: PrivateKeyTypes


def fingerprint_of(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the DER: the identity of whoever shows the certificate."""
    return certificate.fingerprint(hashes.SHA256())


def thumbprint(fingerprint: bytes) -> str:
    """The fingerprint as `kid` and `x5t#S256` carry it: base64url without padding."""
    return base64.urlsafe_b64encode(fingerprint).rstrip(b"=").decode("ascii")


def install(
    purpose: Certificate.Purpose,
    pem: str,
    key: PrivateKeyTypes | None = None,
    endpoint: Endpoint | None = None,
) -> Certificate:
    """Installs a certificate as the active one of its purpose; the one before it retires.

    A control point's certificate is entered in the directory, which is how its link is told from
    another tenant's.
    """
    leaf = x509.load_pem_x509_certificates(pem.encode())[0]
    row_id, fingerprint = new_id(), fingerprint_of(leaf)
    if purpose != Certificate.Purpose.CONTROL_POINT:
        active = Certificate.objects.filter(purpose=purpose, state=Certificate.State.ACTIVE)
        active.update(state=Certificate.State.RETIRING)
    row = Certificate.objects.create(
        id=row_id,
        tenant_id=require_tenant(),
        purpose=purpose,
        endpoint=endpoint,
        fingerprint=fingerprint,
        pem=pem,
        private_key=_sealed(key, row_id) if key is not None else None,
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )
    if purpose == Certificate.Purpose.CONTROL_POINT:
        kind = directory.Known.CONTROL_POINT_CERTIFICATE
        directory.enter(kind, fingerprint, require_tenant())
    detail = {"purpose": purpose.value, "serial": format(leaf.serial_number, "x")}
    ledger.record(Fact(Event.KEY_INSTALLED, datetime.now(UTC), digest=fingerprint, detail=detail))
    return row


@dataclass(frozen=True, slots=True)
class ActivePairs:
    """The tenant's key pairs in use, and the name it goes by."""

    participant_id: str
    by_purpose: dict[Certificate.Purpose, KeyPair]


def get_active(*purposes: Certificate.Purpose) -> ActivePairs:
    """The key pairs in use for `purposes`, in one query. Raises CertificateMissing."""
    with connection.cursor() as cursor:
        cursor.execute(_ACTIVE, [[purpose.value for purpose in purposes]])
        rows = cursor.fetchall()
    found = {Certificate.Purpose(row[0]): _key_pair(*row[1:5]) for row in rows}
    missing = [purpose.label for purpose in purposes if purpose not in found]
    if missing:
        raise CertificateMissing(f"no active certificate for {' and '.join(missing)}")
    return ActivePairs(rows[0][5], found)


def _key_pair(row_id: UUID, fingerprint: bytes, pem: str, sealed: bytes) -> KeyPair:
    key = _keys.get(row_id, lambda: _opened(row_id, bytes(sealed)))
    return KeyPair(row_id, bytes(fingerprint), pem, key)


def find_control_point(fingerprint: bytes) -> Endpoint | None:
    """The control point that shows this certificate, unless the certificate is revoked or out of
    its time.
    """
    now = datetime.now(UTC)
    row = (
        Certificate.objects.select_related("endpoint")
        .filter(
            purpose=Certificate.Purpose.CONTROL_POINT,
            fingerprint=fingerprint,
            not_before__lte=now,
            not_after__gt=now,
        )
        .exclude(state=Certificate.State.REVOKED)
        .first()
    )
    return row.endpoint if row else None


def _sealed(key: PrivateKeyTypes, row_id: UUID) -> bytes:
    der = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return vault.seal(der, _KEY_PURPOSE, row_id)


def _opened(row_id: UUID, sealed: bytes) -> PrivateKeyTypes:
    der = vault.unseal(sealed, _KEY_PURPOSE, row_id)
    return serialization.load_der_private_key(der, password=None)
