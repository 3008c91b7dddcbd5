"""Makes a key in the service and the signing request for an authority to answer. The key goes to
the vault and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tenants.keys.life import CertificatePurpose

NAME_LIMIT = 64
"""Of a common name or an organization, in UTF-8: X.520 bounds its characters, and those who read
certificates often its bytes.
"""

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class KeyKind(StrEnum):
    """Kinds of key that are made here."""

    EC_P256 = "EC-P256"
    RSA_3072 = "RSA-3072"
    ED25519 = "Ed25519"


_MAKERS: Mapping[KeyKind, Callable[[], Key]] = MappingProxyType(
    {
        KeyKind.EC_P256: lambda: ec.generate_private_key(ec.SECP256R1()),
        KeyKind.RSA_3072: lambda: rsa.generate_private_key(65537, 3072),
        KeyKind.ED25519: ed25519.Ed25519PrivateKey.generate,
    }
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom the certificate is to name; what is empty is left out."""

    common_name: str
    organization: str = ""
    country: str = ""


def fitting(name: str) -> str:
    """Cut where it is longer than a name may be, between characters."""
    return name.encode()[:NAME_LIMIT].decode(errors="ignore")


def make_key(kind: KeyKind) -> Key:
    return _MAKERS[kind]()


def request_for(key: Key, purpose: CertificatePurpose, subject: Subject) -> str:
    """A certification request (PKCS#10) as PEM, asking for what the purpose needs."""
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_name(subject))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_signs_only(), critical=True)
    )
    if purpose == CertificatePurpose.SO_CLIENT:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(usage, critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    made = builder.sign(key, algorithm)
    return made.public_bytes(serialization.Encoding.PEM).decode()


def _name(subject: Subject) -> x509.Name:
    parts = (
        (NameOID.COUNTRY_NAME, subject.country),
        (NameOID.ORGANIZATION_NAME, subject.organization),
        (NameOID.COMMON_NAME, subject.common_name),
    )
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts if text])


def _signs_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
