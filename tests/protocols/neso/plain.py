"""Every seal closed and opened with `cryptography` and nothing else: a second opinion on what
travels, and the means to sign what is wrong.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from messaging.protocols.neso.seals import Sealed
from messaging.protocols.neso.seals.base import PrivateKey
from tests.simulator.peer import b64, sign, thumbprint, unb64, verify

TYPES = {
    "jws-json": "application/jose+json",
    "jws-compact": "application/jose",
    "jws-detached": "application/json",
    "content-hash": "application/json",
}
HEADER = "X-JWS-Signature"


@dataclass(frozen=True)
class Writer:
    """Who signs for whom and when. `header` changes members of a JWS's protected header, `lines`
    the header lines of a content hash, before signing; a value of None leaves one out.
    """

    key: PrivateKey
    certificate: x509.Certificate
    issuer: str
    audience: str
    at: datetime
    algorithm: str
    verb: str = "POST"
    url: str = ""
    header: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, str | None] = field(default_factory=dict)

    def close(self, seal: str, payload: bytes, reference: str) -> Sealed:
        if seal == "content-hash":
            return self._hashed(payload)
        extra = {"b64": False, "crit": ["b64"]} if seal == "jws-detached" else {}
        return self.close_raw(seal, payload, json.dumps(self._header(reference, extra)).encode())

    def close_raw(self, seal: str, payload: bytes, header: bytes) -> Sealed:
        """Over a protected header as it is given."""
        protected = b64(header)
        content = payload if seal == "jws-detached" else b64(payload).encode()
        signed = protected.encode() + b"." + content
        signature = b64(sign(self.key, signed, self.algorithm))
        match seal:
            case "jws-detached":
                return Sealed(payload, TYPES[seal], {HEADER: f"{protected}..{signature}"})
            case "jws-compact":
                return Sealed(signed + b"." + signature.encode(), TYPES[seal])
            case _:
                members = {"payload": content.decode(), "protected": protected}
                body = json.dumps({**members, "signature": signature}).encode()
                return Sealed(body, TYPES[seal])

    def _header(self, reference: str, extra: dict[str, Any]) -> dict[str, Any]:
        named = thumbprint(self.certificate)
        header: dict[str, Any] = {"alg": self.algorithm, "kid": named, "x5t#S256": named}
        header |= {"typ": "wa+json", "iat": int(self.at.timestamp()), "jti": reference}
        header |= {"iss": self.issuer, "aud": self.audience, **extra, **self.header}
        return {name: value for name, value in header.items() if value is not None}

    def _hashed(self, payload: bytes) -> Sealed:
        at = self.at.astimezone(UTC)
        digest = base64.b64encode(hashlib.sha256(payload).digest()).decode()
        pem = self.certificate.public_bytes(Encoding.PEM)
        lines: dict[str, str | None] = {
            "X-Signature-Date": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z",
            "X-Signature-Certificate": base64.b64encode(pem).decode(),
            "X-Content-Hash": digest,
            "X-Signature-Issuer": self.issuer,
            "X-Signature-Audience": self.audience,
        }
        lines |= self.lines
        signed = text_of({name: value or "" for name, value in lines.items()}, self.verb, self.url)
        signature = base64.b64encode(sign(self.key, signed, self.algorithm)).decode()
        lines = {"X-Signature": signature, **lines}
        headers = {name: value for name, value in lines.items() if value is not None}
        return Sealed(payload, TYPES["content-hash"], headers)


def text_of(lines: Mapping[str, str], verb: str, url: str) -> bytes:
    """What a content hash signs."""
    names = ("X-Signature-Date", "X-Content-Hash", "X-Signature-Issuer", "X-Signature-Audience")
    return ";".join([verb, url.lower(), *(lines[name] for name in names)]).encode()


def open_plain(
    seal: str, sealed: Sealed, certificate: x509.Certificate, verb: str, url: str
) -> tuple[bytes, dict[str, Any]]:
    """The payload and what is said of it, if the signature is the certificate's. Any failure
    raises.
    """
    lines = {name.lower(): value for name, value in sealed.headers.items()}
    if seal == "content-hash":
        named = {name: lines[name.lower()] for name in _LINES}
        signature = base64.b64decode(named["X-Signature"])
        verify(certificate, text_of(named, verb, url), signature, "RS256")
        digest = base64.b64encode(hashlib.sha256(sealed.body).digest()).decode()
        assert named["X-Content-Hash"] == digest
        pem = base64.b64decode(named["X-Signature-Certificate"])
        assert x509.load_pem_x509_certificate(pem) == certificate
        return sealed.body, dict(named)
    protected, content, mark = _parts(seal, sealed, lines)
    header: dict[str, Any] = json.loads(unb64(protected))
    signed = protected.encode() + b"." + content
    verify(certificate, signed, unb64(mark), header["alg"])
    payload = content if seal == "jws-detached" else unb64(content.decode())
    return payload, header


_LINES = (
    "X-Signature",
    "X-Signature-Date",
    "X-Signature-Certificate",
    "X-Content-Hash",
    "X-Signature-Issuer",
    "X-Signature-Audience",
)


def _parts(seal: str, sealed: Sealed, lines: Mapping[str, str]) -> tuple[str, bytes, str]:
    match seal:
        case "jws-detached":
            protected, nothing, signature = lines[HEADER.lower()].split(".")
            assert nothing == ""
            return protected, sealed.body, signature
        case "jws-compact":
            protected, content, signature = sealed.body.decode().split(".")
            return protected, content.encode(), signature
        case _:
            body = json.loads(sealed.body)
            assert body.keys() == {"payload", "protected", "signature"}
            return body["protected"], body["payload"].encode(), body["signature"]
