"""The few wire formats a benchmark needs, written for speed and not for strangers: EDL lines,
sealed JSON, HTTP/1.1 over connections that are kept.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from tests.benchmarks.plan import Pair

_ECDSA = ec.ECDSA(hashes.SHA256())
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)

Handler = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]


# EDL.


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a link, cut at its fixed positions."""

    type: str
    number: int
    in_reply_to: int
    data: str
    content: bytes


def edl(point: str, type_: str, number: int, data: str, in_reply_to: int = 0) -> bytes:
    sent_at = time.strftime("%Y%m%d%H%M%S", time.gmtime())
    head = f"{type_:<6}{number:08d}{sent_at}{in_reply_to:08d}"
    return f"{point:<6}^{head}^{data}^\n".encode("ascii")


def parse(content: bytes) -> Line:
    text = content.decode("ascii")
    data = text[44:].rstrip("\r\n")[:-1]
    return Line(text[7:13].rstrip(), int(text[13:21]), int(text[35:43]), data, content)


def ack(point: str, number: int) -> bytes:
    return edl(point, "ACK", 0, "OK  ", number)


# Sealed JSON (ES256, flattened).


@dataclass(frozen=True, slots=True)
class Signer:
    key: ec.EllipticCurvePrivateKey
    public: ec.EllipticCurvePublicKey
    thumbprint: str
    name: str

    @classmethod
    def load(cls, pair: Pair, name: str) -> Signer:
        key = serialization.load_pem_private_key(Path(pair.key).read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(Path(pair.certificate).read_bytes())
        public = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert isinstance(public, ec.EllipticCurvePublicKey)
        return cls(key, public, _b64(certificate.fingerprint(hashes.SHA256())), name)


def seal(payload: bytes, reference: str, signer: Signer, audience: str) -> bytes:
    header = {
        "alg": "ES256",
        "kid": signer.thumbprint,
        "x5t#S256": signer.thumbprint,
        "typ": "wa+json",
        "iat": int(time.time()),
        "jti": reference,
        "iss": signer.name,
        "aud": audience,
    }
    protected, body = _b64(json.dumps(header).encode()), _b64(payload)
    signature = signer.key.sign(f"{protected}.{body}".encode(), _ECDSA)
    r, s = decode_dss_signature(signature)
    raw = _b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return f'{{"protected":"{protected}","payload":"{body}","signature":"{raw}"}}'.encode()


def open_sealed(body: bytes, signers: dict[str, Signer]) -> tuple[bytes, dict[str, Any]]:
    """The payload and the protected header. Raises InvalidSignature, or KeyError for a stranger."""
    members = json.loads(body)
    header: dict[str, Any] = json.loads(_unb64(members["protected"]))
    signer, raw = signers[header["kid"]], _unb64(members["signature"])
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    signed = f"{members['protected']}.{members['payload']}".encode()
    signer.public.verify(encode_dss_signature(r, s), signed, _ECDSA)
    return _unb64(members["payload"]), header


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# HTTP.


class HttpClient(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, port: int, context: ssl.SSLContext) -> HttpClient:
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(
            cls, "127.0.0.1", port, ssl=context, server_hostname="127.0.0.1"
        )
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server hung up"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def post(self, path: str, body: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Writes at once; the future is the status and body of the answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/jose+json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if found else None
        if length is None or len(rest) < int(length[1]):
            return
        self._buffer = b""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((int(head[9:12]), rest))


class HttpServer(asyncio.Protocol):
    """Gives each request's path and body to `handler`, and answers with its status and body."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._buffer = b""
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if found else None
        if length is None or len(rest) < int(length[1]):
            return
        self._buffer = b""
        task = asyncio.create_task(self._answer(head.split(b" ", 2)[1].decode(), rest))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, path: str, body: bytes) -> None:
        status, answer = await self._handler(path, body)
        head = (
            f"HTTP/1.1 {status} X\r\nContent-Type: application/jose+json\r\n"
            f"Content-Length: {len(answer)}\r\n\r\n"
        )
        assert self._transport is not None
        self._transport.write(head.encode() + answer)
