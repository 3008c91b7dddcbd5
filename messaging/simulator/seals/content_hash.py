"""The `content-hash` seal: the body is the payload, and X-Signature signs its hash, the URL, the
time and the two parties, by RSA alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from messaging.simulator.certificates import Signer, UnfitKey, Verifier, thumbprint
from messaging.simulator.seals.base import (
    Claims,
    Exchange,
    Opened,
    SealBroken,
    Wire,
    read_header_line,
)

_ALGORITHM = "RS256"
_DATE_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


class ContentHash:
    name = "content-hash"
    content_type = "application/json"
    algorithms: tuple[str, ...] = (_ALGORITHM,)

    def close(self, payload: bytes, claims: Claims, signer: Signer, exchange: Exchange) -> Wire:
        key = signer.key.get_op_key("sign")
        if not isinstance(key, RSAPrivateKey):
            raise UnfitKey("content-hash is signed by an RSA key")
        date = _write_date(claims.signed_at)
        digest = _encode(hashlib.sha256(payload).digest())
        signed = _signed(exchange, date, digest, claims.issuer, claims.audience)
        headers = {
            "X-Signature": _encode(key.sign(signed, PKCS1v15(), SHA256())),
            "X-Signature-Date": date,
            "X-Signature-Certificate": _encode(signer.certificate.public_bytes(Encoding.PEM)),
            "X-Content-Hash": digest,
            "X-Signature-Issuer": claims.issuer,
            "X-Signature-Audience": claims.audience,
        }
        return Wire(payload, self.content_type, headers)

    def open(
        self,
        wire: Wire,
        trusted: Mapping[str, Verifier],
        algorithms: Sequence[str],
        exchange: Exchange,
    ) -> Opened:
        digest = read_header_line(wire, "X-Content-Hash")
        if digest != _encode(hashlib.sha256(wire.body).digest()):
            raise SealBroken("X-Content-Hash is not the body's")
        verifier = _find_verifier(wire, trusted, algorithms)
        date = read_header_line(wire, "X-Signature-Date")
        issuer, audience = (
            read_header_line(wire, name) for name in ("X-Signature-Issuer", "X-Signature-Audience")
        )
        key = verifier.certificate.public_key()
        signature = _decode(wire, "X-Signature")
        try:
            if not isinstance(key, RSAPublicKey):
                raise SealBroken("the certificate's key is not RSA")
            signed = _signed(exchange, date, digest, issuer, audience)
            key.verify(signature, signed, PKCS1v15(), SHA256())
        except InvalidSignature:
            raise SealBroken("the signature does not hold") from None
        claims = Claims(issuer, audience, _read_date(date), None)
        return Opened(wire.body, claims, verifier)


def _find_verifier(
    wire: Wire, trusted: Mapping[str, Verifier], algorithms: Sequence[str]
) -> Verifier:
    pem = _decode(wire, "X-Signature-Certificate")
    try:
        shown = thumbprint(x509.load_pem_x509_certificate(pem))
    except ValueError:
        raise SealBroken("X-Signature-Certificate is not the PEM of a certificate") from None
    verifier = trusted.get(shown)
    if verifier is None:
        raise SealBroken("X-Signature-Certificate is not a trusted certificate of the sender")
    if _ALGORITHM not in algorithms:
        raise SealBroken("this seal's algorithm is not allowed for this sender")
    return verifier


def _signed(exchange: Exchange, date: str, digest: str, issuer: str, audience: str) -> bytes:
    if ";" in issuer + audience:
        raise SealBroken("a participant's name has a semicolon")
    return ";".join((exchange.verb, exchange.url.lower(), date, digest, issuer, audience)).encode(
        "utf-8"
    )


def _write_date(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def _read_date(text: str) -> float:
    try:
        at = datetime.strptime(text, _DATE_FORM).replace(tzinfo=UTC)
    except ValueError:
        raise SealBroken("X-Signature-Date is not a time") from None
    if _write_date(at.timestamp()) != text:
        raise SealBroken("X-Signature-Date is not in milliseconds")
    return at.timestamp()


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(wire: Wire, name: str) -> bytes:
    text = read_header_line(wire, name)
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        raise SealBroken(f"{name} is not base64") from None
    if _encode(decoded) != text:
        raise SealBroken(f"{name} is not canonical base64")
    return decoded
