"""What every seal is refused for: all that the wire format has refused."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)

from messaging.protocols.neso.seals import (
    SealError,
    TrustedKey,
)
from tests.protocols.neso.parties import (
    EVERY,
    MESSAGE,
    NOW,
    PAYLOAD,
    SO,
    certificate_of,
    enrol,
    new_key,
    new_party,
    party,
)
from tests.protocols.neso.seals import (
    ALGORITHM_OF,
    NO_SIGNATURE,
    UNTRUSTED,
    close,
    each_jws,
    each_pair,
    each_seal,
    open_seal,
    parts_of,
    peek,
    reason,
    signed_by,
    with_signature,
    writer,
)

# The refusals of section Seals


@each_seal
def test_an_unknown_certificate_and_somebody_elses_are_refused_in_the_same_words(seal: str) -> None:
    stranger, bob = new_party("rsa"), new_party("rsa", "BOB")
    assert reason(seal, close(seal, stranger)) == UNTRUSTED
    assert reason(seal, close(seal, bob), bob) == UNTRUSTED
    assert reason(seal, close(seal, bob), bob, issuer=None) == UNTRUSTED
    assert reason(seal, close(seal, stranger, issuer="BOB"), bob, issuer=None) == UNTRUSTED


@each_seal
def test_a_certificate_swapped_for_another_trusted_one_is_refused(seal: str) -> None:
    mine, other = party("rsa"), new_party("rsa")
    swapped = replace(writer(mine, "RS256"), certificate=other.trusted.certificate).close(
        seal, PAYLOAD, MESSAGE
    )
    assert reason(seal, swapped, mine, other) == NO_SIGNATURE


@each_seal
def test_a_lookup_that_gives_another_certificate_is_not_believed(seal: str) -> None:
    mine, other = new_party("rsa"), new_party("rsa").trusted
    sealed = close(seal, mine)
    with pytest.raises(SealError, match="not a trusted certificate"):
        open_seal(seal, sealed, lambda thumbprint: other)
    mixed = TrustedKey(mine.trusted.thumbprint, other.certificate, SO)
    with pytest.raises(SealError, match="of no kind that may sign"):
        open_seal(seal, sealed, [mixed])


@each_seal
@pytest.mark.parametrize(
    ("begins", "ends"), [(-3600, -1), (1, 3600)], ids=["expired", "not yet valid"]
)
def test_a_certificate_out_of_its_time_is_refused(seal: str, begins: int, ends: int) -> None:
    key, at = new_key("rsa"), NOW.replace(microsecond=0)
    limits = (at + timedelta(seconds=seconds) for seconds in (begins, ends))
    signer = enrol(key, certificate_of(key, *limits))
    assert "expired or not yet valid" in reason(seal, close(seal, signer), signer)


@each_seal
@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 86_400])
def test_a_time_of_signing_too_far_from_now_is_refused(seal: str, seconds: int) -> None:
    moment = NOW.replace(microsecond=0)
    sealed = close(seal, party("rsa"), now=moment + timedelta(seconds=seconds))
    assert "more than 300 seconds" in reason(seal, sealed, now=moment)


@each_seal
@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_clock_may_be_five_minutes_off(seal: str, seconds: int) -> None:
    moment = NOW.replace(microsecond=0)
    sealed = close(seal, party("rsa"), now=moment + timedelta(seconds=seconds))
    assert open_seal(seal, sealed, [party("rsa").trusted], now=moment).payload == PAYLOAD


@each_seal
@pytest.mark.parametrize("audience", ["BOB", "alice", "ALICEX", "NGESO"])
def test_another_audience_is_refused(seal: str, audience: str) -> None:
    sealed = close(seal, party("rsa"), audience=audience)
    assert reason(seal, sealed) == "The audience is not this receiver."
    assert peek(seal, sealed).audience == audience


@each_seal
def test_another_issuer_is_refused(seal: str) -> None:
    assert reason(seal, close(seal, party("rsa"), issuer="NESO")) == UNTRUSTED
    assert reason(seal, close(seal, party("rsa")), issuer="NESO") == UNTRUSTED


@each_pair
def test_an_algorithm_that_the_endpoint_does_not_allow_is_refused(
    seal: str, kind: str, algorithm: str
) -> None:
    sealed, names = close(seal, party(kind), algorithm=algorithm), {algorithm}
    names |= {"EdDSA", "Ed25519"} if kind == "ed25519" else set()
    for allowed in (frozenset[str](), EVERY - names):
        told = reason(seal, sealed, party(kind), algorithms=allowed)
        assert told == "The signature algorithm is not allowed."


@each_jws
def test_a_jti_that_is_not_the_payloads_message_id_is_refused(seal: str) -> None:
    sealed = close(seal, party("rsa"), reference=MESSAGE[:-1] + "c")
    assert reason(seal, sealed) == "The jti is not the payload's messageId."


NESTED = json.dumps({"header": {"id": MESSAGE}, "messageId": "another"}).encode()


@each_jws
def test_a_profile_may_have_the_message_id_elsewhere_and_there_it_counts(seal: str) -> None:
    good, bad = (close(seal, party("rsa"), NESTED, reference=one) for one in (MESSAGE, "another"))
    place = ("header", "id")
    opened = open_seal(seal, good, [party("rsa").trusted], id_at=place)
    assert opened.heading.jti == MESSAGE
    told = "The jti is not the payload's messageId."
    assert reason(seal, bad, id_at=place) == told
    assert reason(seal, good) == told, "where the default profile has it"


@pytest.mark.parametrize(
    ("place", "reference"),
    [(("header", "id"), MESSAGE), (("messageId",), "another"), (("header",), None)],
)
def test_what_bears_no_id_is_known_by_the_payloads_or_by_its_hash(
    place: tuple[str, ...], reference: str | None
) -> None:
    sealed = close("content-hash", party("rsa"), NESTED)
    opened = open_seal("content-hash", sealed, [party("rsa").trusted], id_at=place)
    assert opened.heading.jti == (reference or sealed.headers["X-Content-Hash"])


# Algorithms confused


@each_jws
@pytest.mark.parametrize("alg", ["none", "None", "HS256", "HS512", "RS512", "ES256K", ""])
def test_an_algorithm_that_is_none_of_ours_is_refused_even_if_it_is_allowed(
    seal: str, alg: str
) -> None:
    sealed = signed_by(party("rsa"), seal, header={"alg": alg})
    reason(seal, sealed)
    reason(seal, sealed, algorithms=EVERY | {alg})


@each_jws
@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "Ed25519"])
def test_an_algorithm_that_does_not_fit_the_key_is_refused(seal: str, alg: str) -> None:
    sealed = signed_by(party("rsa"), seal, header={"alg": alg})
    assert reason(seal, sealed).startswith("The signature algorithm does not fit")


@each_jws
def test_rs256_and_ps256_are_not_taken_for_each_other(seal: str) -> None:
    for made, told in (("RS256", "PS256"), ("PS256", "RS256")):
        sealed = writer(party("rsa"), made, header={"alg": told}).close(seal, PAYLOAD, MESSAGE)
        assert reason(seal, sealed) == NO_SIGNATURE


def test_a_content_hash_signed_with_pss_is_refused() -> None:
    sealed = writer(party("rsa"), "PS256").close("content-hash", PAYLOAD, MESSAGE)
    assert reason("content-hash", sealed) == NO_SIGNATURE


@pytest.mark.parametrize("kind", ["p256", "ed25519"])
def test_a_content_hash_by_a_key_that_is_not_rsa_is_refused(kind: str) -> None:
    signer = party(kind)
    sealed = writer(signer, ALGORITHM_OF[kind][0]).close("content-hash", PAYLOAD, MESSAGE)
    assert "does not fit" in reason("content-hash", sealed, signer)


@each_jws
@pytest.mark.parametrize("form", ["pem", "der", "certificate"])
def test_a_public_key_is_no_hmac_secret(seal: str, form: str) -> None:
    certificate = party("rsa").trusted.certificate
    info = PublicFormat.SubjectPublicKeyInfo
    secret = {
        "pem": certificate.public_key().public_bytes(Encoding.PEM, info),
        "der": certificate.public_key().public_bytes(Encoding.DER, info),
        "certificate": certificate.public_bytes(Encoding.PEM),
    }[form]
    sealed = signed_by(party("rsa"), seal, header={"alg": "HS256"})
    protected, content, _ = parts_of(seal, sealed)
    tag = hmac.digest(secret, f"{protected}.".encode() + content, "sha256")
    forged = with_signature(seal, sealed, tag)
    reason(seal, forged)
    reason(seal, forged, algorithms=EVERY | {"HS256"})
