"""Every way a seal does not hold. A forged body is signed well but for the thing under test."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.protocols.neso.seals import Sealed, SealError, TrustedKey
from tests.protocols.neso.parties import (
    ALICE,
    EVERY,
    MESSAGE,
    NOW,
    PAYLOAD,
    SEAL,
    SO,
    Party,
    body_of,
    certificate_of,
    close,
    decode,
    encode,
    enrol,
    forge,
    header_of,
    new_key,
    new_party,
    open_seal,
    party,
    with_body,
)

UNTRUSTED = "The signing certificate is not a trusted certificate of the issuer."


def reason(sealed: Sealed, signer: Party | None = None, **options: Any) -> str:
    trusted = [(signer or party("p256")).trusted]
    with pytest.raises(SealError) as caught:
        open_seal(sealed, trusted, **options)
    told = caught.value.reason
    assert told == str(caught.value)
    assert told.endswith(".")
    assert len(told) < 200
    return told


def with_header(change: dict[str, Any], drop: tuple[str, ...] = ()) -> Sealed:
    signer = party("p256")
    header = {**header_of(close(signer)), **change}
    return forge(signer, {name: value for name, value in header.items() if name not in drop})


def test_the_forger_makes_seals_that_hold() -> None:
    assert open_seal(with_header({}), [party("p256").trusted]).payload == PAYLOAD


# The algorithm


@pytest.mark.parametrize(
    "alg", ["none", "None", "HS256", "HS512", "RS512", "ES384", "ES256K", "es256", "", "Ed448", "A"]
)
def test_an_algorithm_that_is_none_of_ours_is_refused_even_if_the_endpoint_allows_it(
    alg: str,
) -> None:
    sealed = with_header({"alg": alg})
    reason(sealed)
    reason(sealed, algorithms=EVERY | {alg})


@pytest.mark.parametrize("alg", [None, 1, True, [], ["ES256"], {"ES256": 1}])
def test_an_algorithm_that_is_no_text_is_refused(alg: object) -> None:
    reason(with_header({"alg": alg}))


def test_an_algorithm_that_the_endpoint_does_not_allow_is_refused() -> None:
    sealed = close(party("p256"))
    assert (
        reason(sealed, algorithms=frozenset({"RS256"})) == "The signature algorithm is not allowed."
    )
    reason(sealed, algorithms=frozenset())


@pytest.mark.parametrize(
    ("kind", "alg"),
    [
        ("p256", "RS256"),
        ("p256", "PS256"),
        ("p256", "EdDSA"),
        ("p256", "Ed25519"),
        ("rsa", "ES256"),
        ("rsa", "EdDSA"),
        ("ed25519", "ES256"),
        ("ed25519", "RS256"),
    ],
)
def test_an_algorithm_that_does_not_fit_the_key_is_refused(kind: str, alg: str) -> None:
    signer = party(kind)
    header = {**header_of(close(signer)), "alg": alg}
    sealed = with_body(close(signer), protected=encode(json.dumps(header).encode()))
    assert reason(sealed, signer).startswith("The signature algorithm does not fit")


def test_rs256_and_ps256_are_not_taken_for_each_other() -> None:
    signer = party("rsa")
    header = {**header_of(close(signer, algorithm="RS256")), "alg": "PS256"}
    sealed = with_body(close(signer), protected=encode(json.dumps(header).encode()))
    assert reason(sealed, signer) == "The signature does not hold."


def test_an_empty_signature_under_none_is_refused() -> None:
    header = {**header_of(close(party("p256"))), "alg": "none"}
    sealed = with_body(
        close(party("p256")), protected=encode(json.dumps(header).encode()), signature=""
    )
    reason(sealed)
    reason(sealed, algorithms=EVERY | {"none"})


@pytest.mark.parametrize("kind", ["rsa", "p256", "ed25519"])
@pytest.mark.parametrize("form", ["pem", "der", "certificate"])
def test_a_public_key_is_no_hmac_secret(kind: str, form: str) -> None:
    signer = party(kind)
    certificate = signer.trusted.certificate
    public = certificate.public_key()
    secret = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "certificate": certificate.public_bytes(Encoding.PEM),
    }[form]
    header = {**header_of(close(signer)), "alg": "HS256"}
    protected, payload = encode(json.dumps(header).encode()), encode(PAYLOAD)
    tag = hmac.new(secret, f"{protected}.{payload}".encode(), sha256).digest()
    sealed = with_body(close(signer), protected=protected, signature=encode(tag))
    reason(sealed, signer)
    reason(sealed, signer, algorithms=EVERY | {"HS256"})


# The signer


def test_an_unknown_certificate_is_refused_in_the_words_for_somebody_elses() -> None:
    stranger, other = new_party("p256"), new_party("p256", "BOB")
    assert reason(close(stranger)) == UNTRUSTED
    assert reason(close(other), other) == UNTRUSTED
    assert reason(close(other, issuer="BOB"), other) == UNTRUSTED
    with pytest.raises(SealError, match="is not a trusted certificate"):
        open_seal(close(stranger), lambda thumbprint: None)
    with pytest.raises(SealError, match="is not a trusted certificate"):
        open_seal(close(stranger), [])


def test_a_certificate_of_another_participant_does_not_speak_for_the_issuer() -> None:
    bob = new_party("p256", "BOB")
    assert reason(close(bob, issuer=SO), bob, issuer=None) == UNTRUSTED


def test_a_lookup_that_gives_another_certificate_is_not_believed() -> None:
    with pytest.raises(SealError, match="is not a trusted certificate"):
        open_seal(close(party("p256")), lambda thumbprint: new_party("p256").trusted)


def test_another_certificates_name_on_the_signature_is_refused() -> None:
    mine, theirs = party("p256"), new_party("p256")
    named = theirs.trusted.thumbprint
    sealed = with_header({"kid": named, "x5t#S256": named})
    with pytest.raises(SealError, match="signature does not hold"):
        open_seal(sealed, [mine.trusted, theirs.trusted])


def test_a_certificate_of_the_same_key_is_not_the_one_that_is_trusted() -> None:
    key = new_key("p256")
    old, new = enrol(key, certificate_of(key)), enrol(key, certificate_of(key))
    assert reason(close(old), new) == UNTRUSTED


def test_a_trusted_thumbprint_on_another_certificate_is_not_believed() -> None:
    mine, theirs = new_party("p256"), new_party("p256")
    swapped = TrustedKey(mine.trusted.thumbprint, theirs.trusted.certificate, SO)
    with pytest.raises(SealError):
        open_seal(close(mine), [swapped])


@pytest.mark.parametrize(
    ("begins", "ends"), [(-3600, -1), (1, 3600)], ids=["expired", "not yet valid"]
)
def test_a_certificate_out_of_its_time_is_refused(begins: int, ends: int) -> None:
    key = new_key("p256")
    at = NOW.replace(microsecond=0)
    signer = enrol(
        key, certificate_of(key, at + timedelta(seconds=begins), at + timedelta(seconds=ends))
    )
    assert "expired or not yet valid" in reason(close(signer), signer)


@pytest.mark.parametrize("kind", ["rsa-1024", "p384", "k256"])
def test_a_certificate_of_an_unfit_key_is_refused(kind: str) -> None:
    signer = new_party(kind)
    named = signer.trusted.thumbprint
    assert "of no kind" in reason(with_header({"kid": named, "x5t#S256": named}), signer)


@pytest.mark.parametrize("drop", [("kid",), ("x5t#S256",), ("kid", "x5t#S256")])
def test_a_signer_named_once_or_not_at_all_is_refused(drop: tuple[str, ...]) -> None:
    reason(with_header({}, drop))


@pytest.mark.parametrize("member", ["kid", "x5t#S256"])
@pytest.mark.parametrize(
    "value", ["x" * 43, "", None, 1, ["x"], "A" * 42, "A" * 44, "A" * 42 + "\n"]
)
def test_a_signer_named_in_two_ways_is_refused(member: str, value: object) -> None:
    reason(with_header({member: value}))


def test_keys_in_the_header_are_not_used() -> None:
    stranger = new_party("p256")
    pem = stranger.trusted.certificate.public_bytes(Encoding.DER)
    numbers = stranger.trusted.certificate.public_key().public_numbers()  # type: ignore[union-attr]
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "x": encode(numbers.x.to_bytes(32, "big")),  # type: ignore[union-attr]
        "y": encode(numbers.y.to_bytes(32, "big")),  # type: ignore[union-attr]
    }
    header = {**header_of(close(party("p256"))), "jwk": jwk, "x5c": [encode(pem)]}
    assert reason(forge(stranger, header)) == "The signature does not hold."


# What the header says


@pytest.mark.parametrize("crit", [[], ["b64"], ["exp"], ["x"], "b64", None, {}, ["alg"]])
def test_any_crit_is_refused(crit: object) -> None:
    assert "crit" in reason(with_header({"crit": crit, "b64": True, "exp": 1, "x": 1}))


@pytest.mark.parametrize("value", [False, None, 0, "true"])
def test_an_unencoded_payload_is_refused(value: object) -> None:
    assert "b64" in reason(with_header({"b64": value}))


@pytest.mark.parametrize("typ", ["", "wa", "JOSE+JSON", "WA+JSON", "application/wa+json", None, 1])
def test_another_type_is_refused(typ: object) -> None:
    assert "typ" in reason(with_header({"typ": typ}))


@pytest.mark.parametrize("name", ["alg", "typ", "iat", "jti", "iss", "aud"])
def test_a_header_member_that_is_missing_is_told(name: str) -> None:
    assert name in reason(with_header({}, (name,)))


@pytest.mark.parametrize("name", ["jti", "iss", "aud"])
@pytest.mark.parametrize(
    "value", [None, 1, True, [], ["ALICE"], "", "x" * 201, "a\x00b", "a\nb", "\ud800"]
)
def test_a_header_text_that_is_none_is_refused(name: str, value: object) -> None:
    assert name in reason(with_header({name: value}))


@pytest.mark.parametrize(
    "iat",
    [None, "1", True, 1.0, 1e300, -1, 253402300800, 10**14, 10**20, int(NOW.timestamp()) + 0.5],
)
def test_a_time_of_signing_that_is_no_whole_second_is_refused(iat: object) -> None:
    assert "iat" in reason(with_header({"iat": iat}))


@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 86_400, -int(NOW.timestamp())])
def test_a_time_of_signing_too_far_from_now_is_refused(seconds: int) -> None:
    moment = NOW.replace(microsecond=0)
    sealed = close(party("p256"), now=moment + timedelta(seconds=seconds))
    assert "more than 300 seconds" in reason(sealed, now=moment)


@pytest.mark.parametrize("audience", ["BOB", "alice", "ALICE ", "NGESO"])
def test_another_audience_is_refused(audience: str) -> None:
    sealed = close(party("p256"), audience=audience)
    assert reason(sealed) == "The audience is not this receiver."
    assert SEAL.peek(sealed).audience == audience


def test_another_issuer_is_refused() -> None:
    assert reason(close(party("p256"), issuer="NESO")) == UNTRUSTED
    assert reason(close(party("p256")), issuer="NESO") == UNTRUSTED


@pytest.mark.parametrize("jti", [MESSAGE.upper(), MESSAGE[:-1] + "c", "x"])
def test_a_jti_that_is_not_the_payloads_message_id_is_refused(jti: str) -> None:
    assert reason(with_header({"jti": jti})) == "The jti is not the payload's messageId."


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"[]", b'{"messageId":1}', b'{"messageId":null}', b"\xff", b"[" * 99_999],
)
def test_a_payload_without_a_message_id_is_left_to_its_reader(payload: bytes) -> None:
    signer = party("p256")
    assert open_seal(close(signer, payload), [signer.trusted]).payload == payload


# What travels


def test_a_member_named_twice_in_the_header_is_refused() -> None:
    signer = party("p256")
    raw = json.dumps(header_of(close(signer)))
    for twice in (
        raw.replace('"aud"', '"aud": "BOB", "aud"'),
        raw.replace('"alg"', '"alg": "none", "alg"'),
        raw.replace('"alg"', '"\\u0061lg": "ES256", "alg"'),
        raw[:-1] + ', "x": {"y": 1, "y": 1}}',
    ):
        assert "twice" in reason(forge(signer, twice.encode()))


@pytest.mark.parametrize("name", ["payload", "protected", "signature", "x"])
def test_a_member_named_twice_in_the_body_is_refused(name: str) -> None:
    body = close(party("p256")).body[:-1] + b',"x":1}'
    start = body.index(f'"{name}"'.encode())
    sealed = Sealed(body[:start] + f'"{name}":1,'.encode() + body[start:], SEAL.content_type)
    assert "twice" in reason(sealed)
    with pytest.raises(SealError):
        SEAL.peek(sealed)


@pytest.mark.parametrize("member", ["header", "signatures"])
@pytest.mark.parametrize("value", [{}, [], {"alg": "ES256"}, "x", 0, False])
def test_an_unprotected_header_or_more_signatures_are_refused(member: str, value: object) -> None:
    assert member in reason(with_body(close(party("p256")), **{member: value}))


def test_the_general_serialization_is_refused() -> None:
    body = body_of(close(party("p256")))
    general = {"payload": body.pop("payload"), "signatures": [body]}
    reason(Sealed(json.dumps(general).encode(), SEAL.content_type))


def test_the_compact_serialization_is_refused() -> None:
    body = body_of(close(party("p256")))
    compact = ".".join(body[name] for name in ("protected", "payload", "signature"))
    reason(Sealed(compact.encode(), SEAL.content_type))


@pytest.mark.parametrize("name", ["payload", "protected", "signature"])
@pytest.mark.parametrize("value", [None, 1, True, [], {}, ["x"]])
def test_a_member_that_is_missing_or_no_text_is_refused(name: str, value: object) -> None:
    sealed = with_body(close(party("p256")), **{name: value})
    reason(sealed)
    reason(Sealed(sealed.body.replace(b"{", b'{"' + name.encode() + b'":null,'), ""))


def test_a_null_member_is_refused() -> None:
    body = {**body_of(close(party("p256"))), "header": None}
    reason(Sealed(json.dumps(body).encode(), SEAL.content_type))


SPELLINGS: dict[str, Callable[[str], str]] = {
    "padded": lambda text: text + "=" * (-len(text) % 4 or 4),
    "with a line feed": lambda text: text + "\n",
    "with a blank": lambda text: f"{text[:8]} {text[8:]}",
    "with a full stop": lambda text: f"{text[:8]}.{text[8:]}",
    "in the other alphabet": lambda text: text[:8] + "+/" + text[10:],
    "with a letter that is no ASCII": lambda text: text[:8] + "\u00e9" + text[9:],
    "with half a surrogate pair": lambda text: text[:8] + "\ud800" + text[9:],
    "with a NUL": lambda text: text + "\x00",
}


@pytest.mark.parametrize("name", ["payload", "protected", "signature"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_base64url_is_taken_in_its_one_spelling_only(name: str, spelling: str) -> None:
    sealed = close(party("p256"))
    spelt = with_body(sealed, **{name: SPELLINGS[spelling](body_of(sealed)[name])})
    assert "base64url" in reason(spelt)
    if name != "payload":
        with pytest.raises(SealError, match="base64url"):
            SEAL.peek(spelt)


def test_the_unused_bits_of_the_last_letter_are_zero() -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sealed = close(party("p256"))
    text = body_of(sealed)["signature"]
    for other in letters:
        if other != text[-1]:
            told = reason(with_body(sealed, signature=text[:-1] + other))
            assert ("canonical" in told) is (other not in "AQgw")


def test_a_signature_stripped_cut_or_lengthened_is_refused() -> None:
    sealed = close(party("p256"))
    signature = decode(body_of(sealed)["signature"])
    for other in (
        b"",
        signature[:-1],
        signature + b"\x00",
        signature[:32],
        b"\x00" * 64,
        b"\xff" * 64,
    ):
        reason(with_body(sealed, signature=encode(other)))


def test_an_ecdsa_signature_in_der_is_refused() -> None:
    sealed = close(party("p256"))
    raw = decode(body_of(sealed)["signature"])
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    reason(with_body(sealed, signature=encode(der)))


def test_a_signature_of_another_message_is_refused() -> None:
    other = json.dumps({"type": "health", "messageId": MESSAGE, "x": 1}).encode()
    for name in ("payload", "signature"):
        moved = body_of(close(party("p256"), other))[name]
        assert reason(with_body(close(party("p256")), **{name: moved})).endswith("does not hold.")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b": ", b":"),
        lambda text: text + b"\n",
        lambda text: text.replace(b"7.50", b"7.5"),
        lambda text: text.replace(b"7.50", b"75e-1"),
        lambda text: text.replace(b"health", b"he\\u0061lth"),
        lambda text: json.dumps(dict(reversed(json.loads(text).items()))).encode(),
    ],
)
def test_the_same_payload_in_other_bytes_is_another_payload(
    change: Callable[[bytes], bytes],
) -> None:
    payload = b'{"type": "health", "rate": 7.50, "messageId": "' + MESSAGE.encode() + b'"}'
    assert change(payload) != payload
    sealed = close(party("p256"), payload)
    assert reason(with_body(sealed, payload=encode(change(payload)))).endswith("does not hold.")


def test_the_same_header_in_other_bytes_is_another_header() -> None:
    sealed = close(party("p256"))
    spaced = encode(json.dumps(header_of(sealed), indent=1).encode())
    assert reason(with_body(sealed, protected=spaced)).endswith("does not hold.")


def test_a_changed_byte_anywhere_in_what_is_signed_is_refused() -> None:
    sealed = close(party("ed25519"))
    body = body_of(sealed)
    for name in ("payload", "protected", "signature"):
        raw = decode(body[name])
        for index in range(len(raw)):
            changed = raw[:index] + bytes([raw[index] ^ 1]) + raw[index + 1 :]
            reason(with_body(sealed, **{name: encode(changed)}), party("ed25519"))


def test_every_prefix_and_every_changed_byte_of_a_body_is_refused_or_changes_nothing() -> None:
    signer = party("ed25519")
    sealed = close(signer)
    for end in range(len(sealed.body)):
        reason(Sealed(sealed.body[:end], sealed.content_type), signer)
    for index, old in enumerate(sealed.body):
        for new in {old ^ 1, old ^ 0x20, old ^ 0x80, 0}:
            changed = sealed.body[:index] + bytes([new]) + sealed.body[index + 1 :]
            assert _payload(Sealed(changed, sealed.content_type), signer) in (None, PAYLOAD)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_whatever_the_bytes_a_seal_error_is_all_that_comes(data: bytes) -> None:
    signer = party("ed25519")
    good = close(signer)
    for sealed in (
        Sealed(data, "application/jose+json"),
        with_body(good, protected=encode(data)),
        with_body(good, payload=encode(data)),
        with_body(good, signature=encode(data)),
        with_body(good, protected=data.decode("latin-1")),
    ):
        assert _payload(sealed, signer) is None
        try:
            SEAL.peek(sealed)
        except SealError:
            continue


def _payload(sealed: Sealed, signer: Party) -> bytes | None:
    try:
        return open_seal(sealed, [signer.trusted], audience=ALICE).payload
    except SealError:
        return None


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"protected":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"x":' + b"1" * 100_000 + b"}",
        b"\xef\xbb\xbf{}",
        b"null",
        b'"x"',
        b"",
    ],
)
def test_a_body_that_is_no_plain_json_object_is_refused(body: bytes) -> None:
    reason(Sealed(body, SEAL.content_type))


def test_what_is_too_long_is_refused_before_it_is_read() -> None:
    sealed = close(party("p256"))
    assert "too long" in reason(with_body(sealed, protected="A" * 4097))
    assert "too long" in reason(with_body(sealed, signature="A" * 2049))
    assert "too long" in reason(Sealed(b" " * ((96 << 20) + 1), SEAL.content_type))
