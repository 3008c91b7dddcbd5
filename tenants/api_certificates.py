"""Client certificates for the REST API: pinned by their fingerprint once whoever pins them has
shown that the private key is theirs, and found by it.

The proof is what keeps one tenant from pinning another's certificate, and so from being taken for
it: a public certificate is easy to come by.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from tenants import directory
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.certificates import fingerprint_of
from tenants.clock import now
from tenants.credentials import THE_HOST, Address, Shown, Unknown, granted, shown
from tenants.directory import AlreadyKnown, Known
from tenants.models import ApiCertificate, Member
from tenants.permissions import Permission
from tenants.scope import require_tenant, tenant_scope

LONGEST_PEM = 32_768
SMALLEST_RSA = 2048


class BadCertificate(ValueError):
    """The certificate can't be pinned; the text says why, and tells of no other tenant."""


def proof_text(tenant_id: UUID) -> bytes:
    """What the certificate's private key signs, with SHA-256, to be pinned for a tenant."""
    return f"hostsvc api certificate {tenant_id}".encode("ascii")


def pin(
    label: str,
    pem: str,
    proof: bytes,
    *,
    member: Member | None = None,
    scopes: Collection[Permission] | None = None,
    networks: Sequence[str] = (),
    maker: frozenset[Permission] = frozenset(Permission),
    by: Mapping[str, object] = THE_HOST,
) -> ApiCertificate:
    """Lets whoever shows the certificate act for the open scope's tenant. Raises BadCertificate and
    TooWide.
    """
    leaf = _read(pem)
    _check(leaf, proof)
    fingerprint = fingerprint_of(leaf)
    _enter(fingerprint)
    row = ApiCertificate.objects.create(
        tenant_id=require_tenant(),
        label=label,
        member=member,
        scopes=granted(scopes, member, maker),
        networks=list(networks),
        fingerprint=fingerprint,
        pem=pem,
        not_before=leaf.not_valid_before_utc,
        expires_at=leaf.not_valid_after_utc,
    )
    _record(Event.API_CERTIFICATE_PINNED, row, by)
    return row


def revoke(row: ApiCertificate, *, by: Mapping[str, object] = THE_HOST) -> None:
    """From the end of the transaction on, nothing is answered to it; it may be pinned anew."""
    if row.revoked_at is None:
        row.revoked_at = now()
        row.save(update_fields=["revoked_at"])
        directory.strike(Known.API_CERTIFICATE, bytes(row.fingerprint))
        _record(Event.API_CERTIFICATE_REVOKED, row, by)


def find(leaf: x509.Certificate, address: Address | None) -> Shown | Unknown:
    """What a certificate that was shown in a TLS handshake says. Raises NotFromHere."""
    fingerprint = fingerprint_of(leaf)
    tenant_id = directory.find_tenant(Known.API_CERTIFICATE, fingerprint)
    if tenant_id is None:
        return Unknown()
    with tenant_scope(tenant_id):
        rows = ApiCertificate.objects.select_related("tenant", "member")
        row = rows.filter(fingerprint=fingerprint, revoked_at=None).first()
        mark = f"certificate {fingerprint.hex()[:16]}"
        found = shown(row, mark, address) if row else None
        return found or Unknown(mark)


def _read(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode("ascii"))
    except ValueError:
        raise BadCertificate("This is not a certificate in PEM.") from None


def _check(leaf: x509.Certificate, proof: bytes) -> None:
    if not leaf.not_valid_before_utc <= now() < leaf.not_valid_after_utc:
        raise BadCertificate("The certificate is not in its time.")
    if not _is_signed(leaf, proof, proof_text(require_tenant())):
        raise BadCertificate("The proof is not the certificate's signature of the text asked for.")


def _is_signed(leaf: x509.Certificate, signature: bytes, text: bytes) -> bool:
    """By the ways in which `openssl` signs; other kinds of keys are refused."""
    key = leaf.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey) and key.key_size >= SMALLEST_RSA:
            key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, text, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, text)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _enter(fingerprint: bytes) -> None:
    """Whether it is pinned here or by somebody else who has the private key, the answer is one."""
    taken = BadCertificate("The certificate is pinned already; only one can be.")
    if ApiCertificate.objects.filter(fingerprint=fingerprint, revoked_at=None).exists():
        raise taken
    try:
        directory.enter(Known.API_CERTIFICATE, fingerprint, require_tenant())
    except AlreadyKnown:
        raise taken from None


def _record(event: Event, row: ApiCertificate, by: Mapping[str, object]) -> None:
    detail = {
        "label": row.label,
        "for": row.member.name if row.member else "the tenant",
        "scopes": ", ".join(row.scopes),
        "networks": ", ".join(row.networks),
        **by,
    }
    ledger.record(Fact(event, now(), digest=bytes(row.fingerprint), detail=detail))
