"""New certificates for the operator itself, made as its present ones are; when they are used is
`rotation.py`'s."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from messaging.simulator.certificates import PrivateKey, generate_key
from messaging.simulator.config import AuthorityFiles

_LIFETIME = timedelta(days=90)
_OLDEST_CLOCK = timedelta(hours=1)
_COPIED = (x509.SubjectAlternativeName, x509.ExtendedKeyUsage)


class Unusable(ValueError):
    """The authority's files can't issue anything; the text says why."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose name stands in a new certificate, and the key that signs it."""

    name: x509.Name
    key: PrivateKey


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate and its key, both PEM."""

    certificate: x509.Certificate
    key_pem: bytes

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Both files, the key for its owner alone."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_text(self.pem)
        descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(self.key_pem)
        return certificate, key


def load_issuer(files: AuthorityFiles | None) -> Issuer | None:
    """Raises Unusable."""
    if files is None:
        return None
    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        key = load_pem_private_key(files.key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise Unusable(f"authority: {error}") from None
    if not isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey | Ed25519PrivateKey):
        raise Unusable("authority: a key of a kind that is not used here")
    if key.public_key() != certificate.public_key():
        raise Unusable("authority: the key is not the certificate's")
    return Issuer(certificate.subject, key)


def make_next(present: x509.Certificate, issuer: Issuer | None) -> Credential:
    """Same subject, same names, same kind of key; issued by the operator's authority, or by itself
    where there is none."""
    key = generate_key(present.public_key())
    by = issuer or Issuer(present.subject, key)
    begins = datetime.now(UTC) - _OLDEST_CLOCK
    builder = (
        x509.CertificateBuilder(by.name, present.subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key()), critical=False
        )
    )
    for extension in present.extensions:
        if isinstance(extension.value, _COPIED):
            builder = builder.add_extension(extension.value, extension.critical)
    digest = None if isinstance(by.key, Ed25519PrivateKey) else hashes.SHA256()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Credential(builder.sign(by.key, digest), pem)
