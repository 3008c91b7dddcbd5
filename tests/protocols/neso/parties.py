"""Who signs and who verifies in the seal tests: keys and certificates made on the spot."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from messaging.protocols.neso.seals import (
    Opened,
    Sealed,
    SigningKey,
    TrustedKey,
    get_seal,
    thumbprint_of,
)
from messaging.protocols.neso.seals.base import PrivateKey, Trusted

NOW = datetime(2026, 11, 22, 10, 0, 0, 250_000, tzinfo=UTC)
SEAL = get_seal("jws-json")
SO = "NGESO"
ALICE = "ALICE"
MESSAGE = "018f3d6e-7b00-7c3a-9a41-0123456789ab"
PAYLOAD = json.dumps({"type": "health", "messageId": MESSAGE}).encode()
EVERY = frozenset({"RS256", "PS256", "ES256", "EdDSA"})
KINDS = {"RS256": "rsa", "PS256": "rsa", "ES256": "p256", "EdDSA": "ed25519", "Ed25519": "ed25519"}
"""Algorithm to the kind of key that takes it."""


@dataclass(frozen=True)
class Party:
    """A private key with its certificate, and how the other side trusts it."""

    signing: SigningKey
    trusted: TrustedKey


def new_key(kind: str) -> PrivateKey:
    match kind:
        case "rsa":
            return rsa.generate_private_key(65537, 2048)
        case "rsa-1024":
            return rsa.generate_private_key(65537, 1024)  # noqa: S505 - refused, which is the point
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "k256":
            return ec.generate_private_key(ec.SECP256K1())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def certificate_of(
    key: PrivateKey, begins: datetime | None = None, ends: datetime | None = None
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "signer")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins or NOW - timedelta(days=1))
        .not_valid_after(ends or NOW + timedelta(days=1))
    )
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256())


def enrol(key: PrivateKey, certificate: x509.Certificate, participant: str = SO) -> Party:
    thumbprint = thumbprint_of(certificate)
    trusted = TrustedKey(thumbprint, certificate, participant)
    pem = certificate.public_bytes(Encoding.PEM).decode("ascii")
    return Party(SigningKey(thumbprint, key, pem), trusted)


def new_party(kind: str, participant: str = SO) -> Party:
    key = new_key(kind)
    return enrol(key, certificate_of(key), participant)


@cache
def party(kind: str) -> Party:
    """The operator with a key of a kind, one for the whole run."""
    return new_party(kind)


def close(
    signer: Party,
    payload: bytes = PAYLOAD,
    *,
    issuer: str = SO,
    audience: str = ALICE,
    reference: str = MESSAGE,
    now: datetime = NOW,
    algorithm: str | None = None,
) -> Sealed:
    return SEAL.close(
        payload,
        key=signer.signing,
        issuer=issuer,
        audience=audience,
        reference=reference,
        now=now,
        algorithm=algorithm,
    )


def open_seal(
    sealed: Sealed,
    trusted: Trusted,
    *,
    audience: str = ALICE,
    issuer: str | None = SO,
    algorithms: frozenset[str] = EVERY,
    now: datetime = NOW,
) -> Opened:
    return SEAL.open(
        sealed, trusted=trusted, audience=audience, issuer=issuer, algorithms=algorithms, now=now
    )


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def body_of(sealed: Sealed) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(sealed.body)
    return body


def header_of(sealed: Sealed) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(decode(body_of(sealed)["protected"]))
    return header


def with_body(sealed: Sealed, **members: object) -> Sealed:
    """Other members in the JWS; a member of None is left out."""
    changed = {**body_of(sealed), **members}
    kept = {name: value for name, value in changed.items() if value is not None}
    return Sealed(json.dumps(kept).encode(), sealed.content_type, sealed.headers)


def forge(signer: Party, header: dict[str, Any] | bytes, payload: bytes = PAYLOAD) -> Sealed:
    """A body whose ES256 signature is good whatever its header says, made without the code under
    test.
    """
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    protected, content = encode(raw), encode(payload)
    key = signer.signing.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(key.sign(f"{protected}.{content}".encode(), ec.ECDSA(SHA256())))
    signature = encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    body = {"payload": content, "protected": protected, "signature": signature}
    return Sealed(json.dumps(body).encode(), "application/jose+json")
