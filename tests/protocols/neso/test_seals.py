"""Every seal closed and opened, by three implementations, with every kind of key."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.protocols.neso.seals import (
    KeyDoesNotFit,
    SigningKey,
    UnknownSeal,
    find_seal_of,
    get_seal,
)
from messaging.simulator import certificates
from messaging.simulator.seals import SEALS as THEIRS
from messaging.simulator.seals.base import Claims, Exchange, Wire
from tests.protocols.neso.parties import (
    ALICE,
    MESSAGE,
    NOW,
    PAYLOAD,
    SO,
    Party,
    certificate_of,
    enrol,
    new_key,
    new_party,
    party,
)
from tests.protocols.neso.plain import open_plain
from tests.protocols.neso.seals import (
    ALGORITHM_OF,
    SEALS,
    TARGET,
    UNTRUSTED,
    Sealed,
    close,
    each_pair,
    each_seal,
    open_seal,
    peek,
    reason,
    signed_by,
    writer,
)

# The registry


def test_seals_are_found_by_name() -> None:
    assert list(SEALS) == ["jws-json", "jws-compact", "jws-detached", "content-hash"]
    for name, seal in SEALS.items():
        assert seal.name == name
        assert get_seal(name) is seal
    with pytest.raises(UnknownSeal):
        get_seal("jws-general")


@pytest.mark.parametrize(
    ("content_type", "headers", "name"),
    [
        ("application/jose+json", (), "jws-json"),
        (" Application/JOSE+JSON ; charset=utf-8", (), "jws-json"),
        ("application/jose", (), "jws-compact"),
        ("application/jose", ("X-JWS-Signature",), "jws-compact"),
        ("application/json", ("X-JWS-Signature",), "jws-detached"),
        ("application/json", ("accept", "x-jws-signature"), "jws-detached"),
        ("application/json", ("X-Signature",), "content-hash"),
        ("application/json", ("X-Content-Hash",), "content-hash"),
        ("application/json", ("X-JWS-Signature", "X-Signature"), None),
        ("application/json", (), None),
        ("application/problem+json", ("X-JWS-Signature",), None),
        ("text/plain", ("X-Signature",), None),
        ("", (), None),
    ],
)
def test_content_type_and_headers_announce_one_seal_or_none(
    content_type: str, headers: tuple[str, ...], name: str | None
) -> None:
    found = find_seal_of(content_type, dict.fromkeys(headers, "x"))
    assert (found.name if found else None) == name


@each_pair
def test_what_is_closed_announces_its_own_seal(seal: str, kind: str, algorithm: str) -> None:
    sealed = close(seal, party(kind), algorithm=algorithm)
    assert find_seal_of(sealed.content_type, sealed.headers) is SEALS[seal]
    assert {name.lower() for name in sealed.headers} == SEALS[seal].headers


# Closed and opened, by this host and by two others


@each_pair
def test_what_is_closed_opens(seal: str, kind: str, algorithm: str) -> None:
    signer = party(kind)
    sealed = close(seal, signer, algorithm=algorithm)
    opened = open_seal(seal, sealed, [signer.trusted])
    assert (opened.payload, opened.signer) == (PAYLOAD, signer.trusted)
    heading = opened.heading
    assert heading == peek(seal, sealed)
    assert (heading.algorithm, heading.kid) == (algorithm, signer.trusted.thumbprint)
    assert (heading.jti, heading.issuer, heading.audience) == (MESSAGE, SO, ALICE)
    assert abs(heading.issued_at - NOW) < timedelta(seconds=1)


@each_pair
def test_plain_cryptography_verifies_what_we_sign(seal: str, kind: str, algorithm: str) -> None:
    signer = party(kind)
    sealed = close(seal, signer, algorithm=algorithm)
    certificate, where = signer.trusted.certificate, (TARGET.verb, TARGET.url)
    assert open_plain(seal, sealed, certificate, *where)[0] == PAYLOAD
    with pytest.raises(InvalidSignature):
        open_plain(seal, sealed, new_party(kind).trusted.certificate, *where)


@each_pair
def test_we_verify_what_plain_cryptography_signs(seal: str, kind: str, algorithm: str) -> None:
    signer = party(kind)
    sealed = writer(signer, algorithm).close(seal, PAYLOAD, MESSAGE)
    assert open_seal(seal, sealed, [signer.trusted]).payload == PAYLOAD


@each_pair
def test_the_simulators_own_seals_and_ours_open_each_other(
    seal: str, kind: str, algorithm: str
) -> None:
    signer, exchange = party(kind), Exchange(TARGET.verb, TARGET.url)
    certificate = signer.trusted.certificate
    verifier = certificates.make_verifier(certificate)
    ours = close(seal, signer, algorithm=algorithm)
    wire = Wire(ours.body, ours.content_type, ours.headers)
    trusted = {verifier.thumbprint: verifier}
    opened = THEIRS[seal].open(wire, trusted, certificates.ALGORITHMS, exchange)
    assert opened.payload == PAYLOAD
    pem = signer.signing.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    theirs = certificates.make_signer(pem, certificate, algorithm)
    claims = Claims(SO, ALICE, NOW.timestamp(), MESSAGE)
    wire = THEIRS[seal].close(PAYLOAD, claims, theirs, exchange)
    sealed = Sealed(wire.body, wire.content_type, wire.headers)
    assert open_seal(seal, sealed, [signer.trusted]).payload == PAYLOAD


@each_seal
def test_header_names_are_taken_in_any_case(seal: str) -> None:
    sealed = close(seal, party("rsa"))
    for change in (str.lower, str.upper):
        lines = {change(name): value for name, value in sealed.headers.items()}
        changed = replace(sealed, headers={**lines, "Accept": "*/*"})
        assert open_seal(seal, changed, [party("rsa").trusted]).payload == PAYLOAD


@each_seal
@settings(max_examples=25, deadline=None)
@given(payload=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_every_payload_that_names_no_message_opens_as_it_was(seal: str, payload: str) -> None:
    content = payload.encode()
    sealed = close(seal, party("rsa"), content)
    assert open_seal(seal, sealed, [party("rsa").trusted]).payload == content


@each_seal
@pytest.mark.parametrize("payload", [b"\xff\xfe", b"a.b", b"", b"abc\n", b"\x00"])
def test_bytes_that_a_peer_signed_open_whatever_they_are(seal: str, payload: bytes) -> None:
    sealed = signed_by(party("rsa"), seal, payload)
    assert open_seal(seal, sealed, [party("rsa").trusted]).payload == payload


@each_seal
def test_a_record_is_all_that_travels_and_reads_back_as_it_was(seal: str) -> None:
    sealed = close(seal, party("rsa"), PAYLOAD + b"\r\n\r\n")
    assert Sealed.from_record(sealed.record) == sealed
    assert sealed.record.endswith(b"\r\n\r\n" + sealed.body)
    for value in (sealed.content_type, *sealed.headers.values()):
        assert value.encode() in sealed.record


# Keys


@each_seal
@pytest.mark.parametrize("kind", ["rsa-1024", "p384", "k256"])
def test_an_unfit_key_signs_nothing(seal: str, kind: str) -> None:
    with pytest.raises(KeyDoesNotFit):
        close(seal, new_party(kind))


@each_seal
@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS512", "ES384", "es256", "PS384"])
@pytest.mark.parametrize("kind", ALGORITHM_OF)
def test_no_key_signs_with_an_algorithm_that_is_not_allowed(
    seal: str, algorithm: str, kind: str
) -> None:
    with pytest.raises(KeyDoesNotFit):
        close(seal, party(kind), algorithm=algorithm)


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("p256", None), ("ed25519", None), ("rsa", "PS256"), ("p256", "RS256")]
)
def test_a_content_hash_is_signed_by_rsa_with_pkcs_1_alone(kind: str, algorithm: str) -> None:
    with pytest.raises(KeyDoesNotFit):
        SEALS["content-hash"].choose(party(kind).signing, algorithm)


@pytest.mark.parametrize("pem", ["", "x", party("p256").signing.pem])
def test_a_content_hash_shows_the_certificate_of_its_own_key(pem: str) -> None:
    own = party("rsa").signing
    stranger = Party(SigningKey(own.thumbprint, own.key, pem), party("rsa").trusted)
    with pytest.raises(KeyDoesNotFit):
        close("content-hash", stranger)


def test_a_content_hash_shows_the_leaf_of_a_chain_and_as_openssl_writes_it() -> None:
    own = party("rsa").signing
    untidy = own.pem.replace("\n", "\r\n") + party("p256").signing.pem
    signer = Party(SigningKey(own.thumbprint, own.key, untidy), party("rsa").trusted)
    shown = close("content-hash", signer).headers["X-Signature-Certificate"]
    assert base64.b64decode(shown).decode() == own.pem


@each_pair
def test_while_a_key_is_rotated_the_old_and_the_new_certificate_are_told_by_their_thumbprints(
    seal: str, kind: str, algorithm: str
) -> None:
    old, new = party(kind), new_party(kind)
    for signer in (old, new):
        sealed = close(seal, signer, algorithm=algorithm)
        assert open_seal(seal, sealed, [old.trusted, new.trusted]).signer is signer.trusted
    assert reason(seal, close(seal, old, algorithm=algorithm), new) == UNTRUSTED


@each_seal
def test_a_renewed_certificate_of_the_same_key_counts_only_once_it_is_trusted(seal: str) -> None:
    key = new_key("rsa")
    old, new = (enrol(key, certificate_of(key)) for _ in range(2))
    assert reason(seal, close(seal, new), old) == UNTRUSTED
    opened = open_seal(seal, close(seal, new), [old.trusted, new.trusted])
    assert opened.signer is new.trusted
