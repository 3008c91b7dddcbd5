"""Seals that do not hold, against the running stack: each is 401, recorded once in the chain of the
tenant it names, else in the house's, and tells of nobody. The cases are in bad_inbound.toml.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from messaging.rehearsal.authority import Authority
from tests.e2e.bad_input import changed_row, refused
from tests.e2e.bad_operator import (
    TENANT,
    Answer,
    Json,
    acceptance,
    b64,
    dumped,
    header,
    health,
    post,
    say,
    sealed,
    thumbprint,
    unb64,
)
from tests.e2e.rig import Rig
from tests.servers import ROOT

CASES = tomllib.loads((ROOT / "tests" / "e2e" / "bad_inbound.toml").read_text())


def name_of(case: Json) -> str:
    return str(case["name"])


def assert_unauthorized(answer: Answer, case: Json) -> None:
    """In the words of the case, and in nobody's name."""
    assert answer.problem["status"] == 401
    assert case.get("says", "") in answer.problem["title"]
    text = answer.body.decode()
    names = ("alder", "ALDER", "ALDR", "birch", "BIRCH", "BRCH", "Traceback")
    assert not any(name in text for name in names)


@pytest.mark.parametrize("case", CASES["seal"], ids=name_of)
def test_a_seal_whose_header_does_not_hold_is_unauthorized(stack: Rig, case: Json) -> None:
    changes: Json = dict(case.get("change", {}))
    if "without" in case:
        changes[case["without"]] = None
    if "seconds" in case:
        changes["iat"] = int(time.time()) + case["seconds"]
    if changes.get("x") == "{long}":
        changes["x"] = "x" * 5_000
    with refused(stack, case["chain"]):
        answer = say(stack, acceptance(), **changes)
    assert_unauthorized(answer, case)


# Bodies. Each scene is given a body that holds, and has what is to be sent instead.


def a_blank_in_the_header(stack: Rig, body: Json) -> bytes:
    return dumped({**body, "protected": b64(unb64(body["protected"]) + b" ")})


def the_payload_twice(stack: Rig, body: Json) -> bytes:
    return dumped(body)[:-1] + f',"payload":"{body["payload"]}"}}'.encode()


def the_audience_twice(stack: Rig, body: Json) -> bytes:
    told = unb64(body["protected"])[:-1] + b',"aud":"BIRCH"}'
    return dumped(sealed(stack, unb64(body["payload"]), told))


def hmac_with_what_is_public(stack: Rig, body: Json) -> bytes:
    """What an open door between RSA and HMAC would let through."""
    told = {**json.loads(unb64(body["protected"])), "alg": "HS256"}
    protected = b64(json.dumps(told).encode())
    signed = f"{protected}.{body['payload']}".encode()
    public = stack.path(stack.service["simulator"]["signingCertificate"]).read_bytes()
    mac = hmac.new(public, signed, hashlib.sha256).digest()
    return dumped({**body, "protected": protected, "signature": b64(mac)})


def another_key(stack: Rig, body: Json) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return dumped(sealed(stack, unb64(body["payload"]), unb64(body["protected"]), key))


def the_tenants_certificate(stack: Rig, body: Json) -> bytes:
    """Known to the host, and no certificate of the operator's."""
    own = thumbprint(stack.path(stack.tenant(TENANT)["signingCertificate"]))
    told = {**json.loads(unb64(body["protected"])), "kid": own, "x5t#S256": own}
    return dumped(sealed(stack, unb64(body["payload"]), json.dumps(told).encode()))


SCENES: dict[str, Callable[[Rig, Json], bytes]] = {
    "a blank in the header": a_blank_in_the_header,
    "the payload twice": the_payload_twice,
    "the audience twice": the_audience_twice,
    "the payload alone": lambda _, body: unb64(body["payload"]),
    "HMAC with what is public": hmac_with_what_is_public,
    "another key": another_key,
    "the tenant's certificate": the_tenants_certificate,
}
KEPT = "purpose = 'SIGNING' AND peer_id = (SELECT id FROM tenants_peer WHERE is_default)"
OF_THE_REGISTER = ("revoked", "expired", "not yet valid")


def body_of(stack: Rig, case: Json) -> bytes:
    payload = acceptance()
    body = sealed(stack, dumped(payload), header(stack, payload["messageId"]))
    if "raw" in case:
        return str(case["raw"]).encode() * int(case.get("times", 1))
    if "scene" in case:
        return SCENES[case["scene"]](stack, body)
    return dumped({**body, **{name: changed(body, to) for name, to in case["set"].items()}})


def changed(body: Json, to: Any) -> Any:
    if not isinstance(to, str):
        return to
    return to.format(**body, half=body["signature"][:40], long="A" * 100_000)


BODIES = [case for case in CASES["body"] if case.get("scene") not in OF_THE_REGISTER]


@pytest.mark.parametrize("case", BODIES, ids=name_of)
def test_a_body_that_is_no_seal_is_unauthorized(stack: Rig, case: Json) -> None:
    with refused(stack, case["chain"]):
        answer = post(stack, body_of(stack, case))
    assert_unauthorized(answer, case)


# Signing certificates that the register does not, or no longer, vouch for.


def in_the_register(scene: str) -> tuple[Json, ec.EllipticCurvePrivateKey | None]:
    """What the row of the operator's signing certificate is changed to, and the key that fits."""
    if scene == "revoked":
        return {"state": "REVOKED"}, None
    lifetime = timedelta(days=-1 if scene == "expired" else 400)
    issued = Authority("late").issue("NGESO", lifetime=lifetime)
    certificate = x509.load_pem_x509_certificate(issued.pem.encode())
    if scene == "not yet valid":
        certificate = begins_later(issued.key, certificate)
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return {"pem": pem, "fingerprint": certificate.fingerprint(hashes.SHA256())}, issued.key


def begins_later(key: ec.EllipticCurvePrivateKey, like: x509.Certificate) -> x509.Certificate:
    begins = datetime.now(UTC) + timedelta(days=1)
    builder = x509.CertificateBuilder(like.issuer, like.subject, key.public_key(), 1)
    builder = builder.not_valid_before(begins).not_valid_after(begins + timedelta(days=9))
    return builder.sign(key, hashes.SHA256())


REGISTERED = [case for case in CASES["body"] if case.get("scene") in OF_THE_REGISTER]


@pytest.mark.parametrize("case", REGISTERED, ids=name_of)
def test_a_signing_certificate_that_is_not_in_force_is_unauthorized(stack: Rig, case: Json) -> None:
    """Trusted by its fingerprint or once trusted, and refused all the same."""
    change, key = in_the_register(case["scene"])
    payload = acceptance()
    named: Json = {}
    if "fingerprint" in change:
        own = b64(change["fingerprint"])
        named = {"kid": own, "x5t#S256": own}
    body = sealed(stack, dumped(payload), header(stack, payload["messageId"], **named), key)
    with (
        changed_row(stack, TENANT, "tenants_peercertificate", KEPT, **change),
        refused(stack, case["chain"]),
    ):
        answer = post(stack, dumped(body))
    assert_unauthorized(answer, case)


def test_a_message_whose_seal_failed_has_not_used_its_id(stack: Rig) -> None:
    payload = health()
    with refused(stack, TENANT):
        assert say(stack, payload, "NESO_Health", iat=1).status == 401
    assert say(stack, payload, "NESO_Health").status == 200
