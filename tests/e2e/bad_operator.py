"""Speaking to the inbound API as the system operator does, well or badly: requests, and seals that
are made here without the host's code.
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from tests.e2e.bad_input import context_of
from tests.e2e.rig import Rig, boa, minute, stamp

TENANT, PARTICIPANT, POINT, UNIT = "birch", "BIRCH", "BRCH2", "BRCH-F02"
SEALED = "application/jose+json"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def problem(self) -> Json:
        assert self.type == "application/problem+json", self
        told: Json = json.loads(self.body)
        assert told["status"] == self.status
        return told


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def operator_context(stack: Rig) -> ssl.SSLContext:
    operator = stack.service["simulator"]
    return context_of(stack, operator["certificate"], operator["key"])


def post(
    stack: Rig,
    body: bytes,
    service: str = "NESO_Instruction",
    *,
    type_: str = SEALED,
    method: str = "POST",
    context: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
    port: int | None = None,
) -> Answer:
    """On a connection of its own, to the stack's inbound process or another on `port`."""
    url = urlsplit(stack.service["inbound"]["waUrl"])
    link = http.client.HTTPSConnection(
        url.hostname or "", port or url.port, context=context or operator_context(stack), timeout=60
    )
    try:
        link.request(
            method, f"{url.path}/{service}", body, {"Content-Type": type_, **(headers or {})}
        )
        answer = link.getresponse()
        told = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, answer.headers.get_content_type(), answer.read(), told)
    finally:
        link.close()


def signing_key(stack: Rig) -> ec.EllipticCurvePrivateKey:
    pem = stack.path(stack.service["simulator"]["signingKey"]).read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def thumbprint(path: Path) -> str:
    return b64(x509.load_pem_x509_certificate(path.read_bytes()).fingerprint(hashes.SHA256()))


def header(stack: Rig, jti: str | None, **changes: Any) -> Json:
    """A protected header that holds, with members changed; those that are None are left out."""
    own = thumbprint(stack.path(stack.service["simulator"]["signingCertificate"]))
    told: Json = {"alg": "ES256", "kid": own, "x5t#S256": own, "typ": "wa+json", "jti": jti}
    told |= {"iat": int(time.time()), "iss": "NGESO", "aud": PARTICIPANT, **changes}
    return {name: value for name, value in told.items() if value is not None}


def signature(key: ec.EllipticCurvePrivateKey, protected: str, payload: str) -> str:
    r, s = decode_dss_signature(
        key.sign(f"{protected}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
    )
    return b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def sealed(
    stack: Rig,
    payload: bytes,
    told: Json | bytes,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Json:
    """The three members of the body."""
    protected = b64(told if isinstance(told, bytes) else json.dumps(told).encode())
    content = b64(payload)
    signed = signature(key or signing_key(stack), protected, content)
    return {"payload": content, "protected": protected, "signature": signed}


def dumped(value: Json) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


_numbers = itertools.count(1_000_000)


def acceptance(**changes: Any) -> Json:
    """One that would be taken, under a number that rises and stays below the simulator's, whose
    own would come late after a higher one.
    """
    head: Json = {"type": "instruction", "messageId": str(uuid4()), "profile": "host-1"}
    head |= {"sentAt": stamp(datetime.now(UTC)), "acceptanceNumber": next(_numbers)}
    head |= {"acceptanceTime": stamp(minute()), "respondBy": None}
    return {**head, **boa(UNIT, POINT), **changes}


def health(**changes: Any) -> Json:
    head = {"type": "health", "messageId": str(uuid4()), "profile": "host-1"}
    return {**head, "sentAt": stamp(datetime.now(UTC)), **changes}


def say(
    stack: Rig,
    payload: Json,
    service: str = "NESO_Instruction",
    *,
    port: int | None = None,
    **changes: Any,
) -> Answer:
    told = header(stack, **{"jti": payload["messageId"], **changes})
    return post(stack, dumped(sealed(stack, dumped(payload), told)), service, port=port)


def opened(stack: Rig, answer: Answer, status: int, in_reply_to: str) -> Json:
    """The answer's payload, once its seal is the tenant's and holds."""
    assert (answer.status, answer.type) == (status, SEALED), answer
    body = json.loads(answer.body)
    certificate = x509.load_pem_x509_certificate(
        stack.path(stack.tenant(TENANT)["signingCertificate"]).read_bytes()
    )
    raw = unb64(body["signature"])
    signed = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(signed, f"{body['protected']}.{body['payload']}".encode(), ec.ECDSA(hashes.SHA256()))
    payload: Json = json.loads(unb64(body["payload"]))
    assert payload["inReplyTo"] == in_reply_to
    return payload
