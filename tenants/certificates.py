"""Which certificates and private keys of the open scope's tenant are in use: found by purpose or by
fingerprint, parsed once a process. How they come and go: `tenants.keys`.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from django.db import connection
from django.db.models import Q

from tenants import vault
from tenants.clock import now
from tenants.keys.life import VERIFYING, CertificatePurpose, CertificateState
from tenants.keys.memory import KeyMemory
from tenants.models import Certificate, Endpoint
from tenants.scope import require_tenant

KEY_PURPOSE = "certificate.private_key"
"""What the vault binds a private key to, beside its tenant and row."""

_ACTIVE = """
SELECT c.purpose, c.id, c.fingerprint, c.pem, c.private_key, c.not_after, t.participant_id,
    (SELECT max(r.ended_at) FROM tenants_certificate r WHERE r.purpose = 'SIGNING'
     AND r.environment = c.environment AND r.state = 'REVOKED')
FROM tenants_certificate c JOIN tenants_tenant t ON t.id = c.tenant_id
WHERE c.purpose = ANY(%s) AND c.environment = %s AND c.state = 'ACTIVE'
AND c.not_before <= %s AND c.not_after > %s AND c.private_key IS NOT NULL
"""

_keys: KeyMemory[UUID, PrivateKeyTypes] = KeyMemory(4096)


class CertificateMissing(LookupError):
    """The tenant has no active certificate for a purpose: nothing can be signed or connected until
    one is installed.
    """


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate in use with its parsed private key. `pem` is the leaf and its chain. Whoever
    kept it meanwhile asks `in_time` before it is used.
    """

    id: UUID
    fingerprint: bytes
    pem: str
    key: PrivateKeyTypes
    not_after: datetime

    def in_time(self) -> Self:
        """Raises CertificateMissing once the certificate has expired."""
        if self.not_after <= now():
            raise CertificateMissing("the active certificate has expired")
        return self


@dataclass(frozen=True, slots=True)
class ActivePairs:
    """The tenant's key pairs in use, and the name it goes by. `revoked_at` is when a key that
    signed was last revoked: what was signed before may bear its signature.
    """

    participant_id: str
    by_purpose: dict[CertificatePurpose, KeyPair]
    revoked_at: datetime | None


def fingerprint_of(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the DER: the identity of whoever shows the certificate."""
    return certificate.fingerprint(hashes.SHA256())


def thumbprint(fingerprint: bytes) -> str:
    """The fingerprint as `kid` and `x5t#S256` carry it: base64url without padding."""
    return base64.urlsafe_b64encode(fingerprint).rstrip(b"=").decode("ascii")


def get_active(environment: str, *purposes: CertificatePurpose) -> ActivePairs:
    """The key pairs in use for `purposes`, in one query; none that is out of its time. Raises
    CertificateMissing.
    """
    at = now()
    with connection.cursor() as cursor:
        cursor.execute(_ACTIVE, [[purpose.value for purpose in purposes], environment, at, at])
        rows = cursor.fetchall()
    found = {CertificatePurpose(row[0]): _key_pair(*row[1:6]) for row in rows}
    missing = [str(purpose.label) for purpose in purposes if purpose not in found]
    if missing:
        raise CertificateMissing(f"no active certificate for {' and '.join(missing)}")
    return ActivePairs(rows[0][6], found, rows[0][7])


def find_control_point(fingerprint: bytes) -> Endpoint | None:
    """The control point that shows this certificate, unless the certificate is revoked or out of
    its time.
    """
    row = (
        Certificate.objects.select_related("endpoint")
        .filter(_verifies(), purpose=CertificatePurpose.CONTROL_POINT, fingerprint=fingerprint)
        .first()
    )
    return row.endpoint if row else None


def servers_of(endpoint_id: UUID) -> tuple[bytes, ...]:
    """The fingerprints that a server of the tenant's may show when it is connected to."""
    rows = Certificate.objects.filter(
        _verifies(), purpose=CertificatePurpose.SERVER, endpoint_id=endpoint_id
    )
    return tuple(bytes(row) for row in rows.values_list("fingerprint", flat=True) if row)


def still_verify(
    purpose: CertificatePurpose, fingerprints: Collection[bytes]
) -> dict[bytes, datetime]:
    """Those of `fingerprints` that are in force, with their ends, in one query."""
    rows = Certificate.objects.filter(
        _verifies(), purpose=purpose, fingerprint__in=list(fingerprints)
    )
    found = rows.values_list("fingerprint", "not_after")
    return {bytes(shown): end for shown, end in found if shown and end}


def seal_key(key: PrivateKeyTypes, row_id: UUID) -> bytes:
    """The key as its row keeps it."""
    der = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return vault.seal(der, KEY_PURPOSE, row_id)


def open_key(row_id: UUID, sealed: bytes) -> PrivateKeyTypes:
    """The key of a row. Raises VaultError."""
    der = vault.unseal(sealed, KEY_PURPOSE, row_id)
    return serialization.load_der_private_key(der, password=None)


def _verifies() -> Q:
    at = now()
    states = [state.value for state in CertificateState if state in VERIFYING]
    return Q(state__in=states, not_before__lte=at, not_after__gt=at)


def _key_pair(
    row_id: UUID, fingerprint: bytes, pem: str, sealed: bytes, not_after: datetime
) -> KeyPair:
    key = _keys.get(require_tenant(), row_id, lambda: open_key(row_id, bytes(sealed)))
    return KeyPair(row_id, bytes(fingerprint), pem, key, not_after)
