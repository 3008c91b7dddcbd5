"""The `jws-json` seal closed and opened: what travels, what is told, which keys and names fit."""

from __future__ import annotations

import json
import warnings
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.protocols.base import LocalProtocolError
from messaging.protocols.neso.seals import (
    ALGORITHMS,
    SigningKey,
    TrustedKey,
    fitting_algorithms,
    is_fresh,
)
from messaging.protocols.neso.seals.keys import UnfitKey, signing_key, verifying_key
from tests.protocols.neso.parties import (
    ALICE,
    KINDS,
    MESSAGE,
    NOW,
    PAYLOAD,
    SEAL,
    SO,
    body_of,
    certificate_of,
    close,
    decode,
    enrol,
    forge,
    header_of,
    new_key,
    new_party,
    open_seal,
    party,
    with_body,
)

each_algorithm = pytest.mark.parametrize("algorithm", sorted(KINDS))


@each_algorithm
def test_what_is_closed_opens(algorithm: str) -> None:
    signer = party(KINDS[algorithm])
    sealed = close(signer, algorithm=algorithm)
    opened = open_seal(sealed, [signer.trusted])
    assert opened.payload == PAYLOAD
    assert opened.signer is signer.trusted
    assert opened.heading == SEAL.peek(sealed)
    assert opened.heading.algorithm == algorithm
    assert opened.heading.issued_at == NOW.replace(microsecond=0)
    assert (opened.heading.jti, opened.heading.issuer) == (MESSAGE, SO)
    assert opened.heading.audience == ALICE


@each_algorithm
def test_what_travels_is_a_flattened_jws_and_nothing_else(algorithm: str) -> None:
    signer = party(KINDS[algorithm])
    sealed = close(signer, algorithm=algorithm)
    assert (sealed.content_type, dict(sealed.headers)) == ("application/jose+json", {})
    assert body_of(sealed).keys() == {"payload", "protected", "signature"}
    assert decode(body_of(sealed)["payload"]) == PAYLOAD
    assert header_of(sealed) == {
        "alg": algorithm,
        "kid": signer.trusted.thumbprint,
        "x5t#S256": signer.trusted.thumbprint,
        "typ": "wa+json",
        "iat": int(NOW.timestamp()),
        "jti": MESSAGE,
        "iss": SO,
        "aud": ALICE,
    }
    assert b"=" not in sealed.body
    assert b" " not in sealed.body


@pytest.mark.parametrize(
    ("kind", "name"), [("rsa", "RS256"), ("p256", "ES256"), ("ed25519", "EdDSA")]
)
def test_a_key_signs_with_its_own_algorithm_where_none_is_asked_for(kind: str, name: str) -> None:
    assert header_of(close(party(kind)))["alg"] == name


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("rsa", "ES256"),
        ("rsa", "EdDSA"),
        ("p256", "RS256"),
        ("p256", "ES384"),
        ("ed25519", "PS256"),
        ("rsa", "none"),
        ("rsa", "HS256"),
        ("p256", "HS256"),
        ("rsa", "RS512"),
    ],
)
def test_a_key_does_not_sign_with_an_algorithm_that_does_not_fit(kind: str, algorithm: str) -> None:
    with pytest.raises(LocalProtocolError):
        close(party(kind), algorithm=algorithm)


@pytest.mark.parametrize("kind", ["rsa-1024", "p384", "k256"])
def test_an_unfit_key_signs_nothing(kind: str) -> None:
    key = new_key(kind)
    assert fitting_algorithms(key) == ()
    with pytest.raises(LocalProtocolError):
        close(enrol(key, certificate_of(new_key("p256"))))


def test_neither_none_nor_hmac_is_among_the_algorithms() -> None:
    assert {"RS256", "PS256", "ES256", "EdDSA", "Ed25519"} == ALGORITHMS


@pytest.mark.parametrize("written", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("allowed", ["EdDSA", "Ed25519"])
def test_either_name_of_ed25519_allows_the_other(written: str, allowed: str) -> None:
    signer = party("ed25519")
    sealed = close(signer, algorithm=written)
    assert open_seal(sealed, [signer.trusted], algorithms=frozenset({allowed})).payload == PAYLOAD


def test_no_name_of_ed25519_makes_a_warning() -> None:
    signer = party("ed25519")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_seal(close(signer, algorithm="EdDSA"), [signer.trusted])


def test_a_lookup_is_asked_for_the_thumbprint() -> None:
    signer = party("p256")
    asked: list[str] = []

    def look_up(thumbprint: str) -> TrustedKey | None:
        asked.append(thumbprint)
        return signer.trusted

    assert open_seal(close(signer), look_up).signer is signer.trusted
    assert asked == [signer.trusted.thumbprint]


def test_any_trusted_issuer_will_do_where_none_is_named() -> None:
    signer = party("p256")
    assert open_seal(close(signer), [signer.trusted], issuer=None).heading.issuer == SO


def test_an_overlapping_certificate_is_trusted_beside_the_one_it_replaces() -> None:
    old, new = party("p256"), new_party("p256")
    for signer in (old, new):
        opened = open_seal(close(signer), [old.trusted, new.trusted])
        assert opened.signer is signer.trusted


@settings(max_examples=40)
@given(st.binary(max_size=300))
def test_every_payload_that_names_no_message_opens_as_it_was(payload: bytes) -> None:
    signer = party("ed25519")
    assert open_seal(close(signer, payload), [signer.trusted]).payload == payload


def test_a_payload_of_many_megabytes_opens() -> None:
    signer = party("ed25519")
    payload = json.dumps({"messageId": MESSAGE, "x": "y" * (8 << 20)}).encode()
    assert open_seal(close(signer, payload), [signer.trusted]).payload == payload


def test_header_members_that_are_not_understood_and_not_critical_are_ignored() -> None:
    """RFC 7515, 4: they must be, and so must further members of the body (7.2.1)."""
    signer = party("p256")
    extra = {"cty": "json", "x-vendor": [1], "jku": "https://keys.example/", "b64": True}
    sealed = forge(signer, {**header_of(close(signer)), **extra})
    assert open_seal(with_body(sealed, extra=1), [signer.trusted]).payload == PAYLOAD


@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
def test_a_clock_may_be_five_minutes_off(seconds: int) -> None:
    signer = party("p256")
    moment = NOW.replace(microsecond=0)
    sealed = close(signer, now=moment)
    now = moment + timedelta(seconds=seconds)
    assert open_seal(sealed, [signer.trusted], now=now).payload == PAYLOAD


@pytest.mark.parametrize(
    ("seconds", "fresh"),
    [(-240, False), (-239, True), (0, True), (239.999, True), (240, False), (10_000, False)],
)
def test_a_signature_is_fresh_for_less_than_four_minutes(seconds: float, fresh: bool) -> None:
    assert is_fresh(NOW, NOW + timedelta(seconds=seconds)) is fresh


def test_a_certificate_counts_from_its_first_to_its_last_second() -> None:
    key = new_key("p256")
    first = NOW.replace(microsecond=0)
    signer = enrol(key, certificate_of(key, first, first + timedelta(seconds=100)))
    for seconds in (0, 100):
        now = first + timedelta(seconds=seconds)
        assert open_seal(close(signer, now=now), [signer.trusted], now=now).payload == PAYLOAD


def test_keys_are_made_once_for_each_certificate() -> None:
    signer = new_party("p256")
    assert verifying_key(signer.trusted) is verifying_key(signer.trusted)
    assert signing_key(signer.signing) is signing_key(signer.signing)


def test_a_key_made_before_is_not_used_for_another_key_under_its_thumbprint() -> None:
    one, other = new_party("p256"), new_party("p256")
    signing_key(one.signing)
    swapped = SigningKey(one.signing.thumbprint, other.signing.key)
    assert signing_key(swapped).raw_value is other.signing.key
    assert signing_key(one.signing).raw_value is one.signing.key


def test_a_thumbprint_that_is_another_certificates_is_refused() -> None:
    one, other = new_party("p256"), new_party("p256")
    with pytest.raises(UnfitKey):
        verifying_key(TrustedKey(one.trusted.thumbprint, other.trusted.certificate, SO))


def test_the_private_key_is_not_shown() -> None:
    assert "key=" not in repr(party("p256").signing)
