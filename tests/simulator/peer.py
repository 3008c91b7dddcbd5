"""A small host to try the simulator with, written on cryptography alone: seals, opens, posts,
listens."""

from __future__ import annotations

import asyncio
import base64
import datetime
import hashlib
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding

from tests.simulator.cast import Cast, Pair, PrivateKey

JOSE = "application/jose+json"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def thumbprint(certificate: x509.Certificate) -> str:
    return b64(hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest())


def sign(key: PrivateKey, data: bytes, algorithm: str) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
    scheme = pss if algorithm == "PS256" else padding.PKCS1v15()
    return key.sign(data, scheme, hashes.SHA256())


def verify(certificate: x509.Certificate, data: bytes, signature: bytes, algorithm: str) -> None:
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        half = len(signature) // 2
        r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    elif isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, data)
    elif isinstance(key, rsa.RSAPublicKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
        scheme = pss if algorithm == "PS256" else padding.PKCS1v15()
        key.verify(signature, data, scheme, hashes.SHA256())
    else:
        raise AssertionError("a kind of key nobody made")


def stamp(seconds: float = 0) -> str:
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def market(minutes: int) -> str:
    """A whole minute from the next half-hour on."""
    at = datetime.datetime.now(datetime.UTC)
    base = at.replace(minute=0) + datetime.timedelta(hours=1, minutes=minutes)
    return base.strftime("%Y-%m-%dT%H:%M:00Z")


def message(type_: str | None, **members: Any) -> dict[str, Any]:
    head = {} if type_ is None else {"type": type_}
    ids = {"messageId": str(uuid.uuid4()), "sentAt": stamp(), "profile": "host-1"}
    return {**head, **ids, **members}


def mel(**changes: Any) -> dict[str, Any]:
    levels = [
        {"timeFrom": market(0), "levelFrom": 100, "timeTo": market(30), "levelTo": 100},
        {"timeFrom": market(30), "levelFrom": 100, "timeTo": market(60), "levelTo": 50},
    ]
    body = {"controlPoint": "CPALFA", "bmUnit": "BMU-1", "parameter": "MEL", "levels": levels}
    merged = message("redeclaration", **{**body, **changes})
    return {name: value for name, value in merged.items() if value is not ...}


def boa(**changes: Any) -> dict[str, Any]:
    levels = [{"timeFrom": market(0), "levelFrom": 0, "timeTo": market(30), "levelTo": 50}]
    flags = dict.fromkeys(("emergencyFlag", "soFlag", "storFlag", "rrFlag"), False)
    body = {"kind": "BOA", "controlPoint": "CPALFA", "bmUnit": "BMU-1", "levels": levels}
    return {**body, **flags, **changes}


@dataclass(frozen=True)
class Seal:
    """Whose seal and what of it is changed from the right one; `header` members that are `...` are
    left out."""

    pair: Pair
    issuer: str
    audience: str = "NGESO"
    algorithm: str = "ES256"
    header: dict[str, Any] = field(default_factory=dict)
    outer: dict[str, Any] = field(default_factory=dict)
    signing_key: PrivateKey | None = None

    def close(self, payload: dict[str, Any] | bytes) -> bytes:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        named = thumbprint(self.pair.certificate)
        jti = json.loads(data).get("messageId") if isinstance(payload, dict) else str(uuid.uuid4())
        right = {
            "alg": self.algorithm,
            "kid": named,
            "x5t#S256": named,
            "typ": "wa+json",
            "iat": int(time.time()),
            "jti": jti,
            "iss": self.issuer,
            "aud": self.audience,
        }
        header = {k: v for k, v in {**right, **self.header}.items() if v is not ...}
        return self.close_raw(json.dumps(header).encode(), data)

    def close_raw(self, header: bytes, data: bytes) -> bytes:
        protected, text = b64(header), b64(data)
        key = self.signing_key or self.pair.key
        signature = sign(key, f"{protected}.{text}".encode(), self.algorithm)
        body = {"payload": text, "protected": protected, "signature": b64(signature)}
        return json.dumps({**body, **self.outer}).encode()


def open_seal(
    body: bytes, pair: Pair, issuer: str, audience: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Payload and header of a message whose seal is right in every part."""
    outer = json.loads(body)
    assert outer.keys() == {"payload", "protected", "signature"}
    header = json.loads(unb64(outer["protected"]))
    data = f"{outer['protected']}.{outer['payload']}".encode()
    verify(pair.certificate, data, unb64(outer["signature"]), header["alg"])
    payload = json.loads(unb64(outer["payload"]))
    named = thumbprint(pair.certificate)
    assert header["kid"] == header["x5t#S256"] == named
    assert (header["typ"], header["iss"], header["aud"]) == ("wa+json", issuer, audience)
    assert header["jti"] == payload["messageId"]
    assert payload["profile"] == "host-1"
    assert abs(header["iat"] - time.time()) < 300
    return payload, header


@dataclass
class Got:
    """A message the simulator posted to the host."""

    path: str
    body: bytes
    payload: dict[str, Any]


def receipt(in_reply_to: str, status: str = "RECEIVED") -> dict[str, Any]:
    return message("receipt", inReplyTo=in_reply_to, status=status, errors=[])


class Host:
    """Listens as the host does and answers a good receipt, unless `answers` holds something else to
    do first."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.got: list[Got] = []
        self.answers: list[Callable[[Got], Awaitable[web.StreamResponse]]] = []
        self.arrived = asyncio.Condition()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/{path:.*}", self.receive)
        return app

    def seal(self, audience: str = "NGESO", **changes: Any) -> Seal:
        return Seal(self.cast.alice_signing, "ALICE", audience, **changes)

    async def receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        assert request.content_type == JOSE
        payload = json.loads(unb64(json.loads(body)["payload"]))
        got = Got(request.path, body, payload)
        async with self.arrived:
            self.got.append(got)
            self.arrived.notify_all()
        if self.answers:
            return await self.answers.pop(0)(got)
        return self.reply(receipt(payload["messageId"]))

    def reply(
        self, payload: dict[str, Any], status: int = 200, seal: Seal | None = None
    ) -> web.Response:
        body = (seal or self.seal()).close(payload)
        return web.Response(status=status, body=body, content_type=JOSE)

    def answer_next(self, answer: Callable[[Got], web.StreamResponse]) -> None:
        async def give(got: Got) -> web.StreamResponse:
            return answer(got)

        self.answers.append(give)

    def refuse_next(self, code: str = "R003") -> None:
        errors = [{"path": "/bmUnit", "code": code, "text": "no"}]
        self.answer_next(
            lambda got: self.reply(
                {**receipt(got.payload["messageId"], "REJECTED"), "errors": errors}, 422
            )
        )

    async def wait_for(self, count: int) -> list[Got]:
        async with self.arrived, asyncio.timeout(15):
            await self.arrived.wait_for(lambda: len(self.got) >= count)
        return self.got
