"""Certificates of every kind, good and bad, made on the spot."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Wish:
    """How a certificate is to be; as it stands, it is good for any purpose."""

    name: str = "alice"
    starts: timedelta = -DAY
    ends: timedelta = 365 * DAY
    usages: tuple[x509.ObjectIdentifier, ...] = (
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.SERVER_AUTH,
    )
    is_authority: bool = False
    signs: bool = True


@dataclass(frozen=True, slots=True)
class Paper:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def fingerprint(self) -> bytes:
        return self.certificate.fingerprint(hashes.SHA256())

    def key_pem(self, passphrase: str = "") -> str:
        how: Any = serialization.NoEncryption()
        if passphrase:
            how = serialization.BestAvailableEncryption(passphrase.encode())
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(encoding, form, how).decode()

    def pkcs12(self, passphrase: str, *others: Paper, rounds: int = 0) -> str:
        """As base64."""
        how: Any = serialization.BestAvailableEncryption(passphrase.encode())
        if rounds:
            builder = serialization.PrivateFormat.PKCS12.encryption_builder()
            how = builder.kdf_rounds(rounds).build(passphrase.encode())
        made = pkcs12.serialize_key_and_certificates(
            b"alice", self.key, self.certificate, [other.certificate for other in others], how
        )
        return base64.b64encode(made).decode()


def make_key(kind: str = "P-256") -> Key:
    match kind:
        case "P-256":
            return ec.generate_private_key(ec.SECP256R1())
        case "P-384":
            return ec.generate_private_key(ec.SECP384R1())
        case "secp256k1":
            return ec.generate_private_key(ec.SECP256K1())
        case "Ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(65537, int(kind))


def issue(by: Paper | None, wish: Wish | None = None, key: Any = None) -> Paper:
    """Signed by `by`, or by itself. With only a public key in `key`, the paper's key is another."""
    wish = wish or Wish()
    public = key.public_key() if hasattr(key, "public_key") else key
    own: Key = key if hasattr(key, "private_bytes") else make_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wish.name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.certificate.subject if by else name)
        .public_key(public or own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + wish.starts)
        .not_valid_after(now + wish.ends)
        .add_extension(x509.BasicConstraints(wish.is_authority, None), critical=True)
        .add_extension(_usage(wish), critical=True)
    )
    if wish.usages and not wish.is_authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(wish.usages)), critical=False)
    signer = by.key if by else own
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Paper(builder.sign(signer, algorithm), own)


def weaken(paper: Paper) -> Paper:
    """As if it were signed with RSA and SHA-1, which the library refuses to do: its signature is
    none.
    """
    der = paper.certificate.public_bytes(serialization.Encoding.DER)
    sha256, sha1 = (bytes.fromhex(f"2a864886f70d0101{end}") for end in ("0b", "05"))
    return replace(paper, certificate=x509.load_der_x509_certificate(der.replace(sha256, sha1)))


def _usage(wish: Wish) -> x509.KeyUsage:
    signs = wish.signs and not wish.is_authority
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=not signs,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=wish.is_authority,
        crl_sign=wish.is_authority,
        encipher_only=False,
        decipher_only=False,
    )


ROOT = issue(None, Wish("root", is_authority=True))
MIDDLE = issue(ROOT, Wish("middle", is_authority=True))
RSA_ROOT = issue(None, Wish("RSA root", is_authority=True), make_key("2048"))
OTHER = issue(None, Wish("another root", is_authority=True))
