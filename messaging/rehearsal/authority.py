"""A small certificate authority made on the spot, for demonstrations and tests. Never for
production.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=365)
_HOSTS = ("localhost",)
_ADDRESSES = ("127.0.0.1", "::1")
_OLDEST_CLOCK = timedelta(hours=1)
_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate (PEM, leaf only) and its key."""

    pem: str
    key: ec.EllipticCurvePrivateKey

    def write(self, certificate: Path, key: Path) -> None:
        """Writes both, the key for its owner alone."""
        certificate.parent.mkdir(parents=True, exist_ok=True)
        certificate.write_text(self.pem)
        write_private(key, key_pem(self.key))


class Authority:
    """Issues EC P-256 certificates. `pem` is what those who trust it are given."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        builder = _builder(self._name, self._name, self._key.public_key(), LIFETIME)
        self._certificate = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_SIGNS_CERTIFICATES, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    @classmethod
    def kept(cls, name: str, certificate: Path, key: Path) -> Self:
        """The authority that was written there, or a new one that is written there now."""
        authority = cls(name)
        if certificate.exists() and key.exists():
            authority._restore(certificate.read_bytes(), key.read_bytes())
        else:
            authority.write(certificate, key)
        return authority

    def write(self, certificate: Path, key: Path) -> None:
        """Writes both for their owner alone."""
        write_private(key, key_pem(self._key))
        write_private(certificate, self.pem)

    def _restore(self, certificate: bytes, key: bytes) -> None:
        loaded = serialization.load_pem_private_key(key, password=None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise ValueError("not a key of this authority's kind")
        self._key = loaded
        self._certificate = x509.load_pem_x509_certificate(certificate)
        self._name = self._certificate.subject
        self.pem = certificate.decode()

    def issue(self, name: str, *, lifetime: timedelta = LIFETIME) -> Issued:
        """A certificate for TLS, as server on this machine or as client, and for signing. A
        negative `lifetime` is past.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in _HOSTS]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in _ADDRESSES]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            _builder(_named(name), self._name, key.public_key(), lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(_issuer_of(self._key), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Issued(certificate.public_bytes(serialization.Encoding.PEM).decode(), key)


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and for its owner alone (0600)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    partial.replace(path)


def _issuer_of(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    """Python 3.13 and later verify by the letter of RFC 5280, which wants it."""
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    start = min(now, now + lifetime) - _OLDEST_CLOCK
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
