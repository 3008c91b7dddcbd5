"""Bad input from the system operator's side against the running stack: each is answered as the wire
format says, recorded once, costs bounded memory, and tells of nobody else. The seals are made here,
without the host's code.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from messaging.rehearsal.authority import Authority
from tests.e2e.bad_input import (
    bounded_memory,
    changed_row,
    context_of,
    refusals,
    refused_once,
    traffic_beside,
)
from tests.e2e.rig import Rig, boa, minute, stamp
from tests.servers import ROOT

pytestmark = pytest.mark.xdist_group("stack")

TENANT, PARTICIPANT, POINT, UNIT = "birch", "BIRCH", "BRCH2", "BRCH-F02"
SEALED = "application/jose+json"
CASES = tomllib.loads((ROOT / "tests" / "e2e" / "bad_inbound.toml").read_text())["refused"]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    type: str
    body: bytes

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


# Speaking as the operator.


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
) -> Answer:
    url = urlsplit(stack.service["inbound"]["waUrl"])
    link = http.client.HTTPSConnection(
        url.hostname or "", url.port, context=context or operator_context(stack), timeout=30
    )
    try:
        link.request(method, f"{url.path}/{service}", body, {"Content-Type": type_})
        answer = link.getresponse()
        return Answer(answer.status, answer.headers.get_content_type(), answer.read())
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


def acceptance(**changes: Any) -> Json:
    """One that would be taken, under a number that rises."""
    head: Json = {"type": "instruction", "messageId": str(uuid4()), "profile": "host-1"}
    head |= {"sentAt": stamp(datetime.now(UTC)), "acceptanceNumber": int(time.time() * 2)}
    head |= {"acceptanceTime": stamp(minute()), "respondBy": None}
    return {**head, **boa(UNIT, POINT), **changes}


def health(**changes: Any) -> Json:
    head = {"type": "health", "messageId": str(uuid4()), "profile": "host-1"}
    return {**head, "sentAt": stamp(datetime.now(UTC)), **changes}


def say(stack: Rig, payload: Json, service: str = "NESO_Instruction", **changes: Any) -> Answer:
    told = header(stack, **{"jti": payload["messageId"], **changes})
    return post(stack, dumped(sealed(stack, dumped(payload), told)), service)


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


# Statuses.


def test_what_is_well_is_taken_and_a_repeat_gets_the_same_answer(stack: Rig) -> None:
    payload = health()
    first, again = (
        opened(stack, say(stack, payload, "NESO_Health"), 200, payload["messageId"])
        for _ in range(2)
    )
    assert first == again
    assert (first["type"], first["status"]) == ("health", "OK")


def test_an_id_used_for_another_payload_is_a_conflict(stack: Rig) -> None:
    payload = health()
    assert say(stack, payload, "NESO_Health").status == 200
    with refused_once(stack, TENANT):
        other = say(stack, {**payload, "note": "other bytes"}, "NESO_Health")
    assert other.problem["status"] == 409


@pytest.mark.parametrize("type_", ["text/plain", "application/json", "", "x/y/z;;=", "\xe9"])
def test_another_media_type_is_refused(stack: Rig, type_: str) -> None:
    with refused_once(stack, "house"):
        answer = post(stack, b"{}", type_=type_)
    assert answer.problem["status"] == 415


@pytest.mark.parametrize(
    ("method", "service"),
    [
        ("GET", "NESO_Instruction"),
        ("PUT", "NESO_Health"),
        ("POST", "NESO_Lunch"),
        ("POST", "../../healthz"),
        ("POST", "NESO_Health/%00"),
        ("DELETE", ""),
    ],
)
def test_what_is_not_there_is_a_problem_of_the_400s(stack: Rig, method: str, service: str) -> None:
    answer = post(stack, b"", service, method=method)
    assert answer.problem["status"] in (404, 405)


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_a_body_of_fifty_megabytes_is_refused_while_traffic_goes_on(
    stack: Rig, chunked: bool
) -> None:
    with bounded_memory(stack, "run_inbound"), traffic_beside(stack):
        for _ in range(3):
            assert b" 413 " in told_while_sending(stack, 50 * 2**20, chunked).split(b"\r\n")[0]


def told_while_sending(stack: Rig, size: int, chunked: bool) -> bytes:
    """What the host says to a body of a size; it may say so before it has read all of it."""
    url = urlsplit(stack.service["inbound"]["waUrl"])
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    head = f"POST {url.path}/NESO_Instruction HTTP/1.1\r\nHost: {url.netloc}\r\n"
    head += f"Content-Type: {SEALED}\r\n{length}\r\n\r\n"
    piece = b"x" * 65536
    piece = b"10000\r\n" + piece + b"\r\n" if chunked else piece
    with socket.create_connection((url.hostname or "", url.port or 443), 20) as plain:
        link = operator_context(stack).wrap_socket(plain, server_hostname=url.hostname)
        link.sendall(head.encode())
        link.settimeout(0.02)
        for _ in range(size // 65536):
            try:
                if told := link.recv(65536):
                    return told
                break
            except TimeoutError:
                link.settimeout(20)
                link.sendall(piece)
                link.settimeout(0.001)
        link.settimeout(20)
        return link.recv(65536)


def test_a_payload_over_a_mebibyte_is_too_large(stack: Rig) -> None:
    answer = say(stack, health(note="x" * 1_100_000), "NESO_Health")
    assert answer.problem["status"] == 413


# What is well sealed and says something wrong.


def payload_of(case: Json, message_id: str) -> bytes:
    if "raw" in case:
        text: str = case["raw"].format(id=message_id, now=stamp(datetime.now(UTC)))
        return text.encode()
    payload = acceptance(messageId=message_id, **case.get("change", {}))
    payload.pop(case.get("without", ""), None)
    if payload.get("bmUnit") == "{long}":
        payload["bmUnit"] = "B" * 262_144
    return dumped(payload)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_content_that_is_wrong_is_refused_under_seal_and_stays_refused(
    stack: Rig, case: Json
) -> None:
    message_id = str(uuid4())
    told = header(stack, message_id)
    body = dumped(sealed(stack, payload_of(case, message_id), told))
    with refused_once(stack, TENANT):
        first = opened(stack, post(stack, body), 422, message_id)
    assert (first["type"], first["status"]) == ("receipt", "REJECTED")
    assert first["errors"][0]["code"] == case["code"]
    if "path" in case:
        assert first["errors"][0]["path"] == case["path"]
    assert opened(stack, post(stack, body), 422, message_id) == first


@pytest.mark.parametrize(
    ("member", "theirs", "nobodys"),
    [("bmUnit", "ALDR-F01", "NONE-XX1"), ("controlPoint", "ALDR2", "NOBODY")],
)
def test_anothers_name_is_answered_exactly_as_one_that_nobody_has(
    stack: Rig, member: str, theirs: str, nobodys: str
) -> None:
    said = []
    for name in (theirs, nobodys):
        payload = acceptance(**{member: name})
        told = opened(stack, say(stack, payload), 422, payload["messageId"])
        said.append((told["status"], told["errors"]))
    assert said[0] == said[1]
    assert said[0][1][0]["code"] == "R002"


@pytest.mark.parametrize("depth", [31, 40, 5_000, 100_000])
def test_deep_nesting_is_taken_or_refused_and_nothing_more(stack: Rig, depth: int) -> None:
    message_id = str(uuid4())
    payload = dumped(health(messageId=message_id))[:-1]
    payload += b',"note":' + b"[" * depth + b"]" * depth + b"}"
    body = dumped(sealed(stack, payload, header(stack, message_id)))
    answer = post(stack, body, "NESO_Health")
    if depth < 32:
        assert opened(stack, answer, 200, message_id)["status"] == "OK"
    else:
        told = opened(stack, answer, 422, message_id)
        assert told["errors"][0]["code"] == "R001"


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "\\udfff\\ud800", "\\uffff"])
def test_what_unicode_does_not_pair_is_kept_in_members_that_mean_nothing(
    stack: Rig, text: str
) -> None:
    message_id = str(uuid4())
    payload = dumped(health(messageId=message_id))[:-1] + f',"note":"{text}"}}'.encode()
    body = dumped(sealed(stack, payload, header(stack, message_id)))
    answer = opened(stack, post(stack, body, "NESO_Health"), 200, message_id)
    assert answer["status"] == "OK"


@pytest.mark.parametrize("member", ["bmUnit", "controlPoint", "kind", "type", "profile", "sentAt"])
def test_a_lone_surrogate_in_a_member_is_refused(stack: Rig, member: str) -> None:
    message_id = str(uuid4())
    payload = json.dumps(acceptance(messageId=message_id, **{member: "A\ud800"})).encode()
    body = dumped(sealed(stack, payload, header(stack, message_id)))
    with refused_once(stack, TENANT):
        told = opened(stack, post(stack, body), 422, message_id)
    assert told["errors"][0]["code"] in ("R001", "R005", "R006")


def test_bytes_that_are_not_utf_8_are_refused(stack: Rig) -> None:
    message_id = str(uuid4())
    body = sealed(stack, b'{"messageId":"\xff\xfe"}', header(stack, message_id))
    with refused_once(stack, TENANT):
        told = opened(stack, post(stack, dumped(body)), 422, message_id)
    assert told["errors"][0]["code"] == "R001"


def test_a_receipt_for_what_was_never_sent_is_not_the_tenants(stack: Rig) -> None:
    payload = health(type="receipt", inReplyTo=str(uuid4()), status="ACCEPTED", errors=[])
    with refused_once(stack, TENANT):
        told = opened(stack, say(stack, payload, "NESO_Redeclaration"), 422, payload["messageId"])
    assert (told["errors"][0]["code"], told["errors"][0]["path"]) == ("R002", "/inReplyTo")


def test_a_suspended_tenants_instruction_is_refused(stack: Rig) -> None:
    payload = acceptance()
    with changed_row(stack, TENANT, "tenants_tenant", f"name = '{TENANT}'", state="SUSPENDED"):
        told = opened(stack, say(stack, payload), 422, payload["messageId"])
    assert told["errors"][0]["code"] == "R020"


# Seals that do not hold: header members changed, and in whose chain it is recorded.

SEALS: dict[str, tuple[Json, str]] = {
    "a thumbprint that nobody has": ({"kid": "A" * 43, "x5t#S256": "A" * 43}, TENANT),
    "two thumbprints": ({"x5t#S256": "A" * 43}, "house"),
    "no kid": ({"kid": None}, "house"),
    "no x5t#S256": ({"x5t#S256": None}, "house"),
    "signed too long ago": ({"iat": -301}, TENANT),
    "signed in the future": ({"iat": 320}, TENANT),
    "no iat": ({"iat": None}, "house"),
    "iat as text": ({"iat": "1"}, "house"),
    "iat as truth": ({"iat": True}, "house"),
    "iat beyond all years": ({"iat": 10**14}, "house"),
    "an audience that nobody has": ({"aud": "NOBODY"}, "house"),
    "an audience in lower case": ({"aud": "birch"}, "house"),
    "two audiences": ({"aud": [PARTICIPANT]}, "house"),
    "no audience": ({"aud": None}, "house"),
    "the audience NUL": ({"aud": "\0"}, "house"),
    "another issuer": ({"iss": "NGESO2"}, TENANT),
    "the tenant itself as issuer": ({"iss": PARTICIPANT}, TENANT),
    "no issuer": ({"iss": None}, "house"),
    "another jti": ({"jti": "018f3d6e-7b00-7c3a-9a41-0123456789ab"}, TENANT),
    "no jti": ({"jti": None}, "house"),
    "another typ": ({"typ": "JWT"}, "house"),
    "a crit that is not understood": ({"crit": ["x"], "x": 1}, "house"),
    "an empty crit": ({"crit": []}, "house"),
    "b64 that is critical": ({"crit": ["b64"], "b64": False}, "house"),
    "alg none": ({"alg": "none"}, TENANT),
    "an HMAC": ({"alg": "HS256"}, TENANT),
    "the algorithm of another key": ({"alg": "RS256"}, TENANT),
    "alg as a list": ({"alg": ["ES256"]}, "house"),
    "no alg": ({"alg": None}, "house"),
    "a header beyond all bounds": ({"x": "x" * 5_000}, "house"),
}


@pytest.mark.parametrize("name", SEALS)
def test_a_seal_that_does_not_hold_is_unauthorized(stack: Rig, name: str) -> None:
    changes, chain = SEALS[name]
    iat = changes.get("iat")
    if type(iat) is int and abs(iat) < 1_000:
        changes = {"iat": int(time.time()) + iat}
    with refused_once(stack, chain):
        answer = say(stack, acceptance(), **changes)
    assert answer.problem["status"] == 401
    assert_tells_nothing(answer)


def assert_tells_nothing(answer: Answer) -> None:
    text = answer.body.decode()
    assert not any(
        word in text for word in ("alder", "ALDER", "ALDR", "birch", "BIRCH", "Traceback")
    )


Break = Callable[[Json], bytes]


def _hmac_with_the_certificate(body: Json) -> bytes:
    """What an open door between RSA and HMAC would let through."""
    told = {**json.loads(unb64(body["protected"])), "alg": "HS256"}
    protected = b64(json.dumps(told).encode())
    signed = f"{protected}.{body['payload']}".encode()
    mac = hmac.new(b"the public certificate", signed, hashlib.sha256).digest()
    return dumped({**body, "protected": protected, "signature": b64(mac)})


BODIES: dict[str, tuple[Break, str]] = {
    "another payload": (lambda b: dumped({**b, "payload": b64(b"{}")}), TENANT),
    "another header": (
        lambda b: dumped({**b, "protected": b64(unb64(b["protected"]) + b" ")}),
        TENANT,
    ),
    "no signature": (lambda b: dumped({**b, "signature": ""}), TENANT),
    "half a signature": (lambda b: dumped({**b, "signature": b["signature"][:40]}), TENANT),
    "a signature of zeros": (lambda b: dumped({**b, "signature": b64(b"\0" * 64)}), TENANT),
    "a signature beyond all bounds": (
        lambda b: dumped({**b, "signature": "A" * 100_000}),
        "house",
    ),
    "an unprotected header": (lambda b: dumped({**b, "header": {"kid": "x"}}), "house"),
    "an empty unprotected header": (lambda b: dumped({**b, "header": {}}), "house"),
    "a list of signatures": (lambda b: dumped({**b, "signatures": [b]}), "house"),
    "the payload twice": (
        lambda b: dumped(b)[:-1] + b',"payload":"' + b["payload"].encode() + b'"}',
        "house",
    ),
    "padding": (lambda b: dumped({**b, "signature": b["signature"] + "=="}), "house"),
    "payload as number": (lambda b: dumped({**b, "payload": 1}), "house"),
    "payload null": (lambda b: dumped({**b, "payload": None}), "house"),
    "no protected header": (lambda b: dumped({**b, "protected": ""}), "house"),
    "a lone surrogate": (lambda b: b'{"payload":"\\ud800","protected":"","signature":""}', "house"),
    "not JSON": (lambda b: b"{", "house"),
    "no bytes": (lambda b: b"", "house"),
    "NUL": (lambda b: b"\0" * 1_000, "house"),
    "a list": (lambda b: b"[]", "house"),
    "deep nesting": (lambda b: b"[" * 500_000, "house"),
    "the payload alone": (lambda b: unb64(b["payload"]), "house"),
    "HMAC with what is public": (_hmac_with_the_certificate, TENANT),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_seal_is_unauthorized(stack: Rig, name: str) -> None:
    make, chain = BODIES[name]
    payload = acceptance()
    body = sealed(stack, dumped(payload), header(stack, payload["messageId"]))
    with refused_once(stack, chain):
        answer = post(stack, make(body))
    assert answer.problem["status"] == 401
    assert_tells_nothing(answer)


def test_a_header_member_named_twice_is_unauthorized(stack: Rig) -> None:
    payload = acceptance()
    told = json.dumps(header(stack, payload["messageId"])).encode()
    body = sealed(stack, dumped(payload), told[:-1] + b',"aud":"BIRCH"}')
    with refused_once(stack, "house"):
        assert post(stack, dumped(body)).problem["status"] == 401


def test_another_key_than_the_certificates_is_unauthorized(stack: Rig) -> None:
    payload = acceptance()
    key = ec.generate_private_key(ec.SECP256R1())
    body = sealed(stack, dumped(payload), header(stack, payload["messageId"]), key)
    with refused_once(stack, TENANT):
        assert post(stack, dumped(body)).problem["status"] == 401


@pytest.mark.parametrize("days", [-1, None], ids=["expired", "not yet valid"])
def test_a_signing_certificate_out_of_its_time_is_unauthorized(
    stack: Rig, days: int | None
) -> None:
    """Trusted by its fingerprint, and out of its time all the same."""
    lifetime = timedelta(days=days) if days else timedelta(days=400)
    issued = Authority("late").issue("NGESO", lifetime=lifetime)
    certificate = x509.load_pem_x509_certificate(issued.pem.encode())
    pem = issued.pem if days else _begins_later(issued.key, certificate)
    shown = x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256())
    where = "purpose = 'SIGNING' AND peer_id = (SELECT id FROM tenants_peer WHERE is_default)"
    payload = acceptance()
    told = header(stack, payload["messageId"], **{"kid": b64(shown), "x5t#S256": b64(shown)})
    body = sealed(stack, dumped(payload), told, issued.key)
    with (
        changed_row(stack, TENANT, "tenants_peercertificate", where, pem=pem, fingerprint=shown),
        refused_once(stack, TENANT),
    ):
        answer = post(stack, dumped(body))
    assert answer.problem["status"] == 401
    assert "expired or not yet valid" in answer.problem["title"]


def _begins_later(key: ec.EllipticCurvePrivateKey, like: x509.Certificate) -> str:
    begins = datetime.now(UTC) + timedelta(days=1)
    builder = x509.CertificateBuilder(like.issuer, like.subject, key.public_key(), 1)
    builder = builder.not_valid_before(begins).not_valid_after(begins + timedelta(days=9))
    certificate = builder.sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def test_a_message_whose_seal_failed_has_not_used_its_id(stack: Rig) -> None:
    payload = health()
    assert say(stack, payload, "NESO_Health", iat=1).status == 401
    assert say(stack, payload, "NESO_Health").status == 200


# Clients.


def test_without_a_certificate_there_is_no_handshake(stack: Rig) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        post(stack, b"{}", context=context_of(stack))


def test_a_strangers_certificate_ends_at_the_handshake(stack: Rig, tmp_path: Path) -> None:
    certificate, key = tmp_path / "s.pem", tmp_path / "s.key"
    Authority("stranger").issue("NGESO").write(certificate, key)
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        post(stack, b"{}", context=context_of(stack, str(certificate), str(key)))


def test_a_control_points_certificate_is_not_the_operators(stack: Rig) -> None:
    point = stack.tenant(TENANT)["controlPoints"][1]
    payload = acceptance()
    body = sealed(stack, dumped(payload), header(stack, payload["messageId"]))
    with refused_once(stack, "house"):
        context = context_of(stack, point["certificate"], point["key"])
        answer = post(stack, dumped(body), context=context)
    assert answer.problem["status"] == 401


def test_a_flood_of_strangers_is_counted_and_does_not_fill_the_houses_chain(stack: Rig) -> None:
    before = refusals(stack, "house")
    began = time.monotonic()
    context = operator_context(stack)
    url = urlsplit(stack.service["inbound"]["waUrl"])
    link = http.client.HTTPSConnection(url.hostname or "", url.port, context=context, timeout=30)
    for _ in range(300):
        link.request("POST", f"{url.path}/NESO_Health", b"{", {"Content-Type": SEALED})
        answer = link.getresponse()
        answer.read()
        assert answer.status == 401
    link.close()
    seconds = int(time.monotonic() - began) + 2
    assert refusals(stack, "house") - before <= min(300, 20 * seconds)


def test_none_of_all_this_reached_the_control_point(stack: Rig) -> None:
    rows = stack.query("SELECT count(*) FROM messaging_instruction WHERE bm_unit = %s", UNIT)
    assert rows == [(0,)]
