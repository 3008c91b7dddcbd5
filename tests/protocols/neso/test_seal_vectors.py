"""The RFCs' own vectors: first held against `cryptography` alone, so that a wrong one would show,
then against our rules. Those of an algorithm that is not allowed must be refused.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc.jwk import ECKey, OKPKey, RSAKey
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]
from jwcrypto.jws import JWS  # type: ignore[import-untyped]

from messaging.protocols.neso.seals import ALGORITHMS, SealError, fitting_algorithms
from messaging.protocols.neso.seals.jose import verify_compact, verify_flattened
from messaging.protocols.neso.seals.keys import JoseKey
from tests.protocols.neso.parties import EVERY, KINDS, NOW, decode, encode, party
from tests.protocols.neso.seals import ALGORITHM_OF, SEALS, Sealed, close, open_seal, peek

FOLDER = Path(__file__).parent.parent / "golden" / "neso" / "seals"


@dataclass(frozen=True)
class Vector:
    """One published signature. `payload` is as it is, before base64url."""

    algorithm: str
    key: dict[str, str]
    protected: str
    payload: bytes
    signature: str
    unencoded: bool

    @property
    def signed(self) -> bytes:
        content = self.payload if self.unencoded else encode(self.payload).encode()
        return self.protected.encode() + b"." + content

    @property
    def members(self) -> dict[str, str]:
        names = {"payload": encode(self.payload), "protected": self.protected}
        return {**names, "signature": self.signature}

    @property
    def compact(self) -> str:
        return f"{self.protected}.{encode(self.payload)}.{self.signature}"


def _read() -> tuple[dict[str, Vector], dict[str, bytes]]:
    """Signatures by section, and whole bodies that a seal must not take."""
    vectors, bodies = {}, {}
    for path in sorted(FOLDER.glob("*.json")):
        for number, row in enumerate(json.loads(path.read_bytes())):
            section = f"{path.stem} {row['section']}"
            if "json" in row or "compact" in row:
                body = json.dumps(row["json"]) if "json" in row else row["compact"]
                bodies[f"{section} ({number})"] = body.encode()
                continue
            parts = (row["protected"], decode(row["payload"]), row["signature"])
            unencoded = row.get("unencoded", False)
            vectors[section] = Vector(row["algorithm"], row["key"] or {}, *parts, unencoded)
    return vectors, bodies


VECTORS, BODIES = _read()
ALLOWED = {name: one for name, one in VECTORS.items() if one.algorithm in ALGORITHMS}
REFUSED = {name: one for name, one in VECTORS.items() if name not in ALLOWED}
KEYS = ("rfc7520 4.1", "rfc7515 A.3", "rfc8037 A.4 and A.5")
"""One of each kind that is allowed."""

each_vector = pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
each_allowed = pytest.mark.parametrize("vector", ALLOWED.values(), ids=ALLOWED)
each_refused = pytest.mark.parametrize("vector", REFUSED.values(), ids=REFUSED)


def test_the_files_hold_the_sections_that_they_are_for() -> None:
    wanted = {"rfc7515": 5, "rfc7520": 5, "rfc7797": 2, "rfc8037": 1}
    found = [name.split()[0] for name in VECTORS]
    assert {name: found.count(name) for name in wanted} == wanted
    assert {one.algorithm for one in ALLOWED.values()} == {"RS256", "ES256", "EdDSA"}
    assert {one.algorithm for one in REFUSED.values()} == {"HS256", "PS384", "ES512", "none"}


# The vectors themselves


def number(text: str) -> int:
    return int.from_bytes(decode(text), "big")


def plainly_verify(vector: Vector, signed: bytes) -> None:
    """Raises where the signature is not that of the key over these bytes."""
    key, signature = vector.key, decode(vector.signature)
    match vector.algorithm:
        case "none":
            assert (signature, key) == (b"", {})
        case "HS256":
            if not hmac.compare_digest(hmac.digest(decode(key["k"]), signed, "sha256"), signature):
                raise InvalidSignature
        case "EdDSA":
            public = ed25519.Ed25519PublicKey.from_public_bytes(decode(key["x"]))
            public.verify(signature, signed)
        case "RS256" | "PS384":
            numbers = rsa.RSAPublicNumbers(number(key["e"]), number(key["n"]))
            digest = hashes.SHA256() if vector.algorithm == "RS256" else hashes.SHA384()
            pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
            scheme = padding.PKCS1v15() if vector.algorithm == "RS256" else pss
            numbers.public_key().verify(signature, signed, scheme, digest)
        case _:
            curve, size = (ec.SECP256R1(), 32) if key["crv"] == "P-256" else (ec.SECP521R1(), 66)
            digest_of_curve = hashes.SHA256() if size == 32 else hashes.SHA512()
            point = ec.EllipticCurvePublicNumbers(number(key["x"]), number(key["y"]), curve)
            r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
            der = encode_dss_signature(r, s)
            point.public_key().verify(der, signed, ec.ECDSA(digest_of_curve))


@each_vector
def test_a_vector_is_what_its_rfc_printed(vector: Vector) -> None:
    """Else every refusal below would prove nothing."""
    plainly_verify(vector, vector.signed)
    assert json.loads(decode(vector.protected))["alg"] == vector.algorithm
    if vector.algorithm != "none":
        with pytest.raises(InvalidSignature):
            plainly_verify(vector, vector.signed + b" ")


# Under our rules


def jose_key(vector: Vector) -> JoseKey:
    key: dict[str, Any] = {**vector.key}
    match vector.key["kty"]:
        case "RSA":
            return RSAKey.import_key(key)
        case "EC":
            return ECKey.import_key(key)
        case _:
            return OKPKey.import_key(key)


@each_allowed
def test_a_published_signature_holds(vector: Vector) -> None:
    key = jose_key(vector)
    assert vector.algorithm in fitting_algorithms(key.raw_value)
    verify_flattened(vector.members, vector.algorithm, key)
    verify_compact(vector.compact, vector.algorithm, key)


@each_allowed
def test_a_published_signature_holds_for_nothing_else(vector: Vector) -> None:
    raw, key = decode(vector.signature), jose_key(vector)
    broken = encode(bytes([raw[0] ^ 1]) + raw[1:])
    changes = {"signature": broken, "payload": encode(vector.payload + b" ")}
    for name, value in changes.items():
        members = {**vector.members, name: value}
        compact = ".".join(members[part] for part in ("protected", "payload", "signature"))
        with pytest.raises(SealError):
            verify_flattened(members, vector.algorithm, key)
        with pytest.raises(SealError):
            verify_compact(compact, vector.algorithm, key)


@each_allowed
@pytest.mark.parametrize("named", ["none", "HS256", "RS256", "PS256", "ES256", "EdDSA", "Ed25519"])
def test_the_message_does_not_choose_the_algorithm(vector: Vector, named: str) -> None:
    if named == vector.algorithm:
        return
    key = jose_key(vector)
    with pytest.raises(SealError):
        verify_flattened(vector.members, named, key)
    with pytest.raises(SealError):
        verify_compact(vector.compact, named, key)
    protected = encode(f'{{"alg":"{named}"}}'.encode())
    with pytest.raises(SealError):
        verify_flattened({**vector.members, "protected": protected}, vector.algorithm, key)


@each_refused
@pytest.mark.parametrize("named", [*sorted(ALGORITHMS), "none", "HS256", "PS384", "ES512"])
def test_a_published_signature_of_another_algorithm_is_refused_whatever_is_asked_for(
    vector: Vector, named: str
) -> None:
    detached = vector.payload if vector.unencoded else None
    compact = f"{vector.protected}..{vector.signature}" if detached else vector.compact
    for other in KEYS:
        key = jose_key(VECTORS[other])
        with pytest.raises(SealError):
            verify_flattened(vector.members, named, key)
        with pytest.raises(SealError):
            verify_compact(compact, named, key, detached_payload=detached)


@each_vector
@pytest.mark.parametrize("seal", SEALS)
def test_no_vector_is_a_message_of_ours(vector: Vector, seal: str) -> None:
    """None says for whom it is, and allowing its algorithm does not help."""
    detached = {"X-JWS-Signature": f"{vector.protected}..{vector.signature}"}
    for body in (json.dumps(vector.members).encode(), vector.compact.encode(), vector.payload):
        sealed = Sealed(body, SEALS[seal].content_type, detached)
        with pytest.raises(SealError):
            peek(seal, sealed)
        with pytest.raises(SealError):
            open_seal(seal, sealed, [party("rsa").trusted], algorithms=EVERY | {vector.algorithm})


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("seal", SEALS)
def test_no_other_serialization_is_taken(body: bytes, seal: str) -> None:
    """Several signatures, unprotected headers, content without a protected header, an unknown
    crit.
    """
    with pytest.raises(SealError):
        peek(seal, Sealed(body, SEALS[seal].content_type))


def test_the_flattened_vector_is_refused_for_its_unprotected_header_alone() -> None:
    """RFC 7515, A.7: its signature is good."""
    (body,) = [body for name, body in BODIES.items() if name.startswith("rfc7515 A.7")]
    with pytest.raises(SealError, match="has header"):
        peek("jws-json", Sealed(body, "application/jose+json"))
    members = json.loads(body)
    members.pop("header")
    verify_flattened(members, "ES256", jose_key(VECTORS["rfc7515 A.3"]))


# A second library, both ways

each_algorithm = pytest.mark.parametrize("algorithm", sorted(KINDS))
each_jws = pytest.mark.parametrize("seal", [name for name in SEALS if name.startswith("jws-")])


@each_jws
@each_algorithm
def test_another_library_verifies_what_we_sign(seal: str, algorithm: str) -> None:
    signer = party(KINDS[algorithm])
    sealed = close(seal, signer, algorithm=algorithm)
    token = JWS()
    token.allowed_algs = [algorithm]
    detached = sealed.headers.get("X-JWS-Signature")
    token.deserialize(detached or sealed.body.decode())
    key = JWK.from_pyca(signer.trusted.certificate.public_key())
    token.verify(key, detached_payload=sealed.body if detached else None)
    assert json.loads(token.objects["protected"])["alg"] == algorithm


@each_jws
@each_algorithm
def test_we_verify_what_another_library_signs(seal: str, algorithm: str) -> None:
    signer = party(KINDS[algorithm])
    ours = close(seal, signer, algorithm=algorithm)
    payload = open_seal(seal, ours, [signer.trusted]).payload
    named = signer.trusted.thumbprint
    header: dict[str, Any] = {"alg": algorithm, "kid": named, "x5t#S256": named, "typ": "wa+json"}
    header |= {"iat": int(NOW.timestamp()), "iss": "NGESO", "aud": "ALICE"}
    header |= {"jti": json.loads(payload)["messageId"]}
    if seal == "jws-detached":
        header |= {"b64": False, "crit": ["b64"]}
    token = JWS(payload)
    token.allowed_algs = [algorithm]
    token.add_signature(JWK.from_pyca(signer.signing.key), None, json.dumps(header))
    if seal == "jws-detached":
        token.detach_payload()
        lines = {"X-JWS-Signature": token.serialize(compact=True)}
        sealed = Sealed(payload, ours.content_type, lines)
    else:
        body = token.serialize(compact=seal == "jws-compact").encode()
        sealed = Sealed(body, ours.content_type)
    assert open_seal(seal, sealed, [signer.trusted]).payload == payload


def test_an_ecdsa_signature_differs_each_time_and_the_others_do_not() -> None:
    for kind, differs in (("p256", True), ("rsa", False), ("ed25519", False)):
        one, other = (close("jws-compact", party(kind)).body for _ in range(2))
        assert (one != other) is differs


def test_every_kind_of_key_has_its_algorithms_and_no_algorithm_is_without_a_kind() -> None:
    assert ALGORITHM_OF.keys() == set(KINDS.values())
    assert {name for names in ALGORITHM_OF.values() for name in names} == ALGORITHMS
