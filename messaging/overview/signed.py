"""The signed form of a message, opened: which seal, what its heading says, whose certificate signed
it, and whether the signature holds for the bytes that are kept.

It is judged as of the time of signing: whether a certificate would be trusted now is another
question, and the state it is in now is told beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from cryptography import x509
from django.utils.html import format_html
from django.utils.safestring import SafeString

from messaging.overview.content import Section, as_bytes, as_json
from messaging.protocols.neso.seals import (
    ALGORITHMS,
    Heading,
    Seal,
    Sealed,
    SealError,
    Target,
    TrustedKey,
    find_seal_of,
)
from messaging.protocols.neso.seals.base import MESSAGE_ID
from tenants.certificates import thumbprint
from tenants.models import Certificate, PeerCertificate
from tenants.staff import table, written

_COVERS_URL = "content-hash"


@dataclass(frozen=True, slots=True)
class Sent:
    """What is known of a signed form besides its bytes: where it was sent, which is None where
    nothing tells, and where the payload names its messageId.
    """

    target: Target | None = None
    id_at: tuple[str, ...] = MESSAGE_ID


@dataclass(frozen=True, slots=True)
class Signer:
    """`whose` names the tenant or the peer; `state` is that of the certificate now."""

    key: TrustedKey
    whose: str
    state: str


def sections_of(tenant_id: UUID, sent: Sent, record: bytes) -> Iterator[Section]:
    """Of a signed form as it is kept (Sealed.record)."""
    sealed = _sealed(record)
    seal = find_seal_of(sealed.content_type, sealed.headers) if sealed else None
    if sealed is None or seal is None:
        yield "Signed form", format_html("<p>{}</p>", "No seal that is known here.")
    else:
        yield from _opened(tenant_id, seal, sealed, sent)
    yield from as_bytes(record)


def _sealed(record: bytes) -> Sealed | None:
    try:
        return Sealed.from_record(record)
    except ValueError:
        return None


def _opened(tenant_id: UUID, seal: Seal, sealed: Sealed, sent: Sent) -> Iterator[Section]:
    try:
        heading = seal.peek(sealed)
    except SealError as error:
        yield "Signed form", format_html('<p>{}: <b class="late">{}</b></p>', seal.name, str(error))
        return
    signer = find_signer(tenant_id, heading)
    payload, verdict = _verdict(seal, sealed, heading, signer, sent)
    yield "Signed form", table(("", ""), _facts(seal, heading, signer, verdict, sent))
    for _, shown in as_json(payload):
        yield "Payload that was signed", shown


def find_signer(tenant_id: UUID, heading: Heading) -> Signer | None:
    """Among the tenant's own signing certificates and the peers', whatever their state."""
    for own in (
        Certificate.objects.filter(
            tenant_id=tenant_id, purpose=Certificate.Purpose.SIGNING, fingerprint__isnull=False
        )
        .select_related("tenant")
        .only("fingerprint", "pem", "state", "tenant")
    ):
        if thumbprint(bytes(own.fingerprint or b"")) == heading.kid:
            tenant = own.tenant
            key = _key(own.pem, heading.kid, tenant.participant_id)
            return Signer(key, f"tenant {tenant.name}", own.state)
    for pinned in PeerCertificate.objects.filter(
        purpose=PeerCertificate.Purpose.SIGNING
    ).select_related("peer"):
        if thumbprint(bytes(pinned.fingerprint)) == heading.kid:
            key = _key(pinned.pem, heading.kid, pinned.peer.participant_id)
            return Signer(key, f"peer {pinned.peer.name}", pinned.state)
    return None


def _key(pem: str, kid: str, participant_id: str) -> TrustedKey:
    leaf = x509.load_pem_x509_certificates(pem.encode())[0]
    return TrustedKey(kid, leaf, participant_id)


def _verdict(
    seal: Seal, sealed: Sealed, heading: Heading, signer: Signer | None, sent: Sent
) -> tuple[bytes, SafeString]:
    """What was signed, where it can be told, and in words whether the signature holds."""
    if signer is None:
        return b"", _no("nobody known here has this certificate")
    if seal.name == _COVERS_URL and sent.target is None:
        text = "not looked at: it covers the address as well, which nothing tells"
        return sealed.body, format_html("{}", text)
    try:
        opened = seal.open(
            sealed,
            trusted=(signer.key,),
            audience=heading.audience,
            issuer=None,
            algorithms=ALGORITHMS,
            now=heading.issued_at,
            target=sent.target,
            id_at=sent.id_at,
        )
    except SealError as error:
        return b"", _no(error.reason)
    return opened.payload, format_html('<b class="good">{}</b>', "holds")


def _facts(
    seal: Seal, heading: Heading, signer: Signer | None, verdict: SafeString, sent: Sent
) -> Iterator[tuple[object, object]]:
    yield "signature", verdict
    yield "seal", f"{seal.name}, {heading.algorithm}"
    yield "signed at", written(heading.issued_at)
    if sent.target is not None:
        yield "sent to", f"{sent.target.verb} {sent.target.url}"
    yield "issuer", heading.issuer
    yield "audience", heading.audience
    yield "message id", heading.jti
    yield "certificate (SHA-256, base64url)", heading.kid
    if signer is not None:
        certificate = signer.key.certificate
        yield "signer", f"{signer.whose}, {certificate.subject.rfc4514_string()}"
        yield "certificate issued by", certificate.issuer.rfc4514_string()
        yield "certificate valid until", written(certificate.not_valid_after_utc)
        yield "certificate is now", signer.state


def _no(text: str) -> SafeString:
    return format_html('<b class="late">{}</b>', text)
