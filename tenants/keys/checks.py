"""Whether a certificate and a key are fit for a purpose: pure, on what has been parsed. Each check
yields the faults it finds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import ObjectIdentifier

from tenants.keys.faults import Fault, Unfit, unfit
from tenants.keys.life import CertificatePurpose

RSA_BITS = (2048, 8192)
RSA_EXPONENT = 65537
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_SIGNING_CURVES = frozenset({"secp256r1"})
"""Of the algorithms of seals, ES256 is the one on a curve that has several."""

_WEAK_HASHES = (hashes.MD5, hashes.SHA1)
_DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
_USAGES: dict[CertificatePurpose, frozenset[ObjectIdentifier]] = {
    CertificatePurpose.SO_CLIENT: frozenset({Usage.CLIENT_AUTH}),
    CertificatePurpose.CONTROL_POINT: frozenset({Usage.CLIENT_AUTH}),
    CertificatePurpose.SERVER: frozenset({Usage.SERVER_AUTH}),
    CertificatePurpose.SIGNING: frozenset(
        {Usage.CLIENT_AUTH, Usage.EMAIL_PROTECTION, _DOCUMENT_SIGNING}
    ),
}
_WANTED = {
    CertificatePurpose.SO_CLIENT: "TLS clients (clientAuth)",
    CertificatePurpose.CONTROL_POINT: "TLS clients (clientAuth)",
    CertificatePurpose.SERVER: "TLS servers (serverAuth)",
    CertificatePurpose.SIGNING: "signing (clientAuth, emailProtection or documentSigning)",
}

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for a damaged certificate, as late as when a part is looked at."""


def check_leaf(
    leaf: x509.Certificate, purpose: CertificatePurpose, at: datetime, field: str
) -> None:
    """Raises Unfit with everything that is wrong. A time that has not begun yet is no fault."""
    _raise(_of_leaf(leaf, purpose, at), field)


def check_issuers(issuers: Sequence[x509.Certificate], at: datetime, field: str) -> None:
    """Raises Unfit where one may not vouch for what it signed."""
    _raise(_of_issuers(issuers, at), field)


def key_faults(key: object, purpose: CertificatePurpose) -> Iterator[str]:
    """Of a public key: what makes it too weak, too dear, or of no use here."""
    if isinstance(key, rsa.RSAPublicKey):
        low, high = RSA_BITS
        if key.key_size < low:
            yield f"The RSA key has {key.key_size} bits, which is too weak: at least {low}."
        if key.key_size > high:
            yield f"The RSA key has {key.key_size} bits, which is too slow: at most {high}."
        if key.public_numbers().e < RSA_EXPONENT:
            yield f"The RSA key's public exponent is weak: at least {RSA_EXPONENT}."
    elif isinstance(key, ec.EllipticCurvePublicKey):
        allowed = _SIGNING_CURVES if purpose == CertificatePurpose.SIGNING else _CURVES.keys()
        if key.curve.name not in allowed:
            names = ", ".join(_CURVES[name] for name in sorted(allowed))
            yield f"The key's curve, {key.curve.name}, is not allowed here: {names}."
    elif not isinstance(key, ed25519.Ed25519PublicKey):
        yield "The key is of a kind that is not allowed: RSA, an elliptic curve, or Ed25519."


def chain_of(
    leaf: x509.Certificate, others: Sequence[x509.Certificate], field: str
) -> list[x509.Certificate]:
    """The issuers of `leaf` in order, from what was given in any. Raises Unfit where some of it
    leads nowhere.
    """
    left, chain, current = list(others), [], leaf
    while left and not _issued(current, current):
        issuer = next((other for other in left if _issued(other, current)), None)
        if issuer is None:
            break
        left.remove(issuer)
        chain.append(issuer)
        current = issuer
    if left:
        missing = current.issuer.rfc4514_string()[:200]
        names = "; ".join(other.subject.rfc4514_string()[:100] for other in left[:3])
        raise unfit(
            field,
            f"The chain is broken: the issuer of {current.subject.rfc4514_string()[:200]!r} is"
            f" {missing!r}, which is not there or did not sign it, and this is left over: {names}.",
        )
    return chain


def _raise(found: Iterator[str], field: str) -> None:
    try:
        texts = list(found)
    except UNREADABLE:
        texts = ["A certificate is damaged, or holds what is not supported."]
    if texts:
        raise Unfit(*(Fault(field, text) for text in texts))


def _of_leaf(leaf: x509.Certificate, purpose: CertificatePurpose, at: datetime) -> Iterator[str]:
    if leaf.not_valid_after_utc <= at:
        yield f"The certificate expired at {leaf.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC."
    if leaf.not_valid_after_utc <= leaf.not_valid_before_utc:
        yield "The certificate ends before it begins."
    if _is_authority(leaf):
        yield "This is the certificate of an authority (CA), not of somebody it vouches for."
    yield from key_faults(leaf.public_key(), purpose)
    if _is_weakly_signed(leaf):
        yield "The certificate is signed with MD5 or SHA-1, which can be forged."
    yield from _usage_faults(leaf, purpose)


def _of_issuers(issuers: Sequence[x509.Certificate], at: datetime) -> Iterator[str]:
    for issuer in issuers:
        name = repr(issuer.subject.rfc4514_string()[:200])
        if not _is_authority(issuer):
            yield f"The chain is broken: {name} is not an authority (CA)."
        if not issuer.not_valid_before_utc <= at < issuer.not_valid_after_utc:
            yield f"The chain is broken: {name} is expired or not yet valid."
        if _is_weakly_signed(issuer) and not _issued(issuer, issuer):
            yield f"The chain is weak: {name} is signed with MD5 or SHA-1."


def _usage_faults(leaf: x509.Certificate, purpose: CertificatePurpose) -> Iterator[str]:
    allowed = _USAGES[purpose] | {Usage.ANY_EXTENDED_KEY_USAGE}
    extended = _extension(leaf, x509.ExtendedKeyUsage)
    if extended is not None and not allowed & set(extended):
        yield f"The certificate is for another purpose: it must allow {_WANTED[purpose]}."
    usage = _extension(leaf, x509.KeyUsage)
    if usage is None:
        return
    signs = usage.digital_signature or (
        purpose == CertificatePurpose.SIGNING and usage.content_commitment
    )
    agrees = purpose == CertificatePurpose.SERVER and usage.key_encipherment
    if not signs and not agrees:
        yield "The certificate does not allow digital signatures (key usage), which it must."


E = TypeVar("E", bound=x509.ExtensionType)


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = _extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _is_weakly_signed(certificate: x509.Certificate) -> bool:
    return isinstance(certificate.signature_hash_algorithm, _WEAK_HASHES)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True
