"""Certificates and keys as the seals need them; where they are configured is not known here."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey | Ed25519PrivateKey
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
_RSA_BITS = 2048


class UnfitKey(ValueError):
    """The key is of a kind, curve or size that no allowed algorithm takes."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """One certificate whose signatures count, with its public key parsed once."""

    thumbprint: str
    certificate: x509.Certificate
    algorithms: tuple[str, ...]
    key: JWK = field(repr=False)

    def is_valid_at(self, at: datetime) -> bool:
        certificate = self.certificate
        return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key and the certificate it claims to belong to."""

    thumbprint: str
    certificate: x509.Certificate
    algorithm: str
    key: JWK = field(repr=False)


def find_algorithms(key: object) -> tuple[str, ...]:
    """The allowed algorithms that fit a public or private key; the first is the one to sign
    with."""
    match key:
        case EllipticCurvePublicKey() | EllipticCurvePrivateKey() if isinstance(
            key.curve, SECP256R1
        ):
            return ("ES256",)
        case RSAPublicKey() | RSAPrivateKey() if key.key_size >= _RSA_BITS:
            return ("RS256", "PS256")
        case Ed25519PublicKey() | Ed25519PrivateKey():
            return ("EdDSA", "Ed25519")
        case _:
            return ()


def thumbprint(certificate: x509.Certificate) -> str:
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def fingerprint(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


def make_verifier(certificate: x509.Certificate) -> Verifier:
    public = certificate.public_key()
    algorithms = find_algorithms(public)
    if not algorithms:
        raise UnfitKey(
            "a signing certificate needs a P-256, RSA (2048 bits or more) or Ed25519 key"
        )
    return Verifier(thumbprint(certificate), certificate, algorithms, JWK.from_pyca(public))


def make_signer(key_pem: bytes, certificate: x509.Certificate, algorithm: str | None) -> Signer:
    key = load_pem_private_key(key_pem, password=None)
    algorithms = find_algorithms(key)
    if not algorithms:
        raise UnfitKey("a signing key must be P-256, RSA (2048 bits or more) or Ed25519")
    if algorithm is not None and algorithm not in algorithms:
        raise UnfitKey(f"the signing key can't sign with {algorithm}")
    if key.public_key() != certificate.public_key():
        raise UnfitKey("the signing key is not the certificate's")
    return Signer(
        thumbprint(certificate), certificate, algorithm or algorithms[0], JWK.from_pyca(key)
    )


def make_stranger(like: Signer) -> Signer:
    """A signer nobody trusts, for the faults that need one: the same kind of key, a certificate of
    its own."""
    key = generate_key(like.certificate.public_key())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stranger")])
    begins = datetime.now(UTC) - timedelta(minutes=5)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=365))
        .sign(key, None if isinstance(key, Ed25519PrivateKey) else hashes.SHA256())
    )
    return Signer(thumbprint(certificate), certificate, like.algorithm, JWK.from_pyca(key))


def generate_key(like: object) -> PrivateKey:
    """A new private key of the kind of a public one."""
    if isinstance(like, RSAPublicKey):
        return rsa.generate_private_key(65537, _RSA_BITS)
    if isinstance(like, Ed25519PublicKey):
        return Ed25519PrivateKey.generate()
    return generate_private_key(SECP256R1())
