"""The three JWS seals: their headers, their spelling, and what travels taken apart."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from messaging.protocols.neso.seals import (
    SealError,
)
from tests.protocols.neso.parties import (
    MESSAGE,
    PAYLOAD,
    party,
)
from tests.protocols.neso.seals import (
    NO_SIGNATURE,
    Sealed,
    close,
    each_jws,
    each_seal,
    header_of,
    joined,
    open_seal,
    parts_of,
    peek,
    reason,
    signed_by,
    with_signature,
    writer,
)


@each_seal
def test_a_signature_stripped_cut_or_of_nothing_is_refused(seal: str) -> None:
    sealed = close(seal, party("rsa"))
    for other in (b"", b"\x00", b"\x00" * 256, b"\xff" * 256, b"\x01" * 255, b"\x01" * 257):
        reason(seal, with_signature(seal, sealed, other))


@each_seal
def test_a_signature_of_another_message_is_refused(seal: str) -> None:
    other = json.dumps({"type": "health", "messageId": MESSAGE, "x": 1}).encode()
    one, two = (close(seal, party("rsa"), payload) for payload in (PAYLOAD, other))
    mixed = replace(one, headers=two.headers)
    if not one.headers:
        protected, content, _ = parts_of(seal, one)
        mixed = joined(seal, protected, content, parts_of(seal, two)[2])
    reason(seal, mixed)


@each_jws
@pytest.mark.parametrize(
    "crit", [[], ["exp"], ["x"], ["b64", "x"], ["b64", "b64"], "b64", None, {}]
)
def test_an_unknown_crit_is_refused(seal: str, crit: object) -> None:
    """What a detached signature says of b64 is the one crit there is; RFC 7515, 4.1.11."""
    header = json.dumps({**header_of(seal), "crit": crit, "exp": 1, "x": 1}).encode()
    sealed = writer(party("rsa"), "RS256").close_raw(seal, PAYLOAD, header)
    assert "crit" in reason(seal, sealed)


def test_a_detached_signature_says_that_its_payload_is_as_it_is_and_that_this_is_critical() -> None:
    assert {"b64": False, "crit": ["b64"]}.items() <= header_of("jws-detached").items()
    for change in ({"b64": True}, {"b64": None}, {"crit": None}, {"b64": None, "crit": None}):
        sealed = signed_by(party("rsa"), "jws-detached", header=change)
        told = reason("jws-detached", sealed)
        assert "crit" in told or "b64" in told


def test_a_signature_over_the_encoded_payload_is_not_one_over_the_payload() -> None:
    """RFC 7797 and RFC 7515 sign different bytes for the same header."""
    header = json.dumps(header_of("jws-detached")).encode()
    compact = writer(party("rsa"), "RS256").close_raw("jws-compact", PAYLOAD, header)
    protected, _, signature = compact.body.decode().split(".")
    moved = joined("jws-detached", protected, PAYLOAD, signature)
    assert reason("jws-detached", moved) == NO_SIGNATURE
    assert "crit" in reason("jws-compact", compact)


@each_jws
def test_a_member_named_twice_in_the_protected_header_is_refused(seal: str) -> None:
    raw = json.dumps(header_of(seal))
    for twice in (
        raw.replace('"aud"', '"aud": "BOB", "aud"'),
        raw.replace('"alg"', '"alg": "none", "alg"'),
        raw.replace('"alg"', '"\\u0061lg": "RS256", "alg"'),
    ):
        sealed = writer(party("rsa"), "RS256").close_raw(seal, PAYLOAD, twice.encode())
        assert "twice" in reason(seal, sealed)


@each_seal
def test_a_member_named_twice_in_the_payload_names_no_message(seal: str) -> None:
    """The seal holds, and the reader of the payload refuses it; nobody picks one of the two."""
    twice = PAYLOAD[:-1] + b', "messageId": "018f3d6e-7b00-7c3a-9a41-ffffffffffff"}'
    opened = open_seal(seal, close(seal, party("rsa"), twice), [party("rsa").trusted])
    assert opened.payload == twice
    if seal == "content-hash":
        assert opened.heading.jti == close(seal, party("rsa"), twice).headers["X-Content-Hash"]


REWRITTEN: dict[str, Callable[[bytes], bytes]] = {
    "less white space": lambda text: text.replace(b": ", b":"),
    "a line feed at the end": lambda text: text + b"\n",
    "a zero less": lambda text: text.replace(b"7.50", b"7.5"),
    "an exponent": lambda text: text.replace(b"7.50", b"75e-1"),
    "an escape": lambda text: text.replace(b"health", b"he\\u0061lth"),
    "another order": lambda text: json.dumps(dict(reversed(json.loads(text).items()))).encode(),
    "a mark of its encoding": lambda text: b"\xef\xbb\xbf" + text,
}


@each_seal
@pytest.mark.parametrize("change", REWRITTEN)
def test_the_same_payload_in_other_bytes_is_another_payload(seal: str, change: str) -> None:
    payload = b'{"type": "health", "rate": 7.50, "messageId": "' + MESSAGE.encode() + b'"}'
    other = REWRITTEN[change](payload)
    assert other != payload
    sealed = close(seal, party("rsa"), payload)
    if sealed.headers:
        reason(seal, replace(sealed, body=other))
        return
    protected, _, signature = parts_of(seal, sealed)
    content = base64.urlsafe_b64encode(other).rstrip(b"=")
    assert reason(seal, joined(seal, protected, content, signature)) == NO_SIGNATURE


@each_jws
def test_the_same_header_in_other_bytes_is_another_header(seal: str) -> None:
    _, content, signature = parts_of(seal, close(seal, party("rsa")))
    spaced = json.dumps(header_of(seal), indent=1).encode()
    protected = base64.urlsafe_b64encode(spaced).rstrip(b"=").decode()
    assert reason(seal, joined(seal, protected, content, signature)) == NO_SIGNATURE


SPELT: dict[str, Callable[[str], str]] = {
    "padded": lambda text: text + "=" * (-len(text) % 4 or 4),
    "with a blank": lambda text: f"{text[:8]} {text[8:]}",
    "with a line feed": lambda text: text + "\n",
    "in the other alphabet": lambda text: text[:8] + "+/" + text[10:],
    "with a letter that is no ASCII": lambda text: text[:8] + "\u00e9" + text[9:],
    "with a NUL": lambda text: text + "\x00",
    "with one segment more": lambda text: text + ".",
}


@each_jws
@pytest.mark.parametrize("spelling", SPELT)
@pytest.mark.parametrize("part", ["header", "signature"])
def test_base64url_is_taken_in_its_one_spelling_only(seal: str, spelling: str, part: str) -> None:
    protected, content, signature = parts_of(seal, close(seal, party("rsa")))
    if part == "header":
        protected = SPELT[spelling](protected)
    else:
        signature = SPELT[spelling](signature)
    reason(seal, joined(seal, protected, content, signature))


@pytest.mark.parametrize(
    "body",
    [b"", b".", b"..", b"...", b"a.b.c", b"a.b", b"a.b.c.d", b"\xff.\xff.\xff", b"{}", b"e30.e30."],
)
def test_a_body_that_is_no_compact_jws_is_refused(body: bytes) -> None:
    sealed = Sealed(body, "application/jose")
    reason("jws-compact", sealed)
    with pytest.raises(SealError):
        peek("jws-compact", sealed)


@pytest.mark.parametrize("spelling", ["with a line feed", "with a NUL", "with one segment more"])
def test_a_compact_jws_has_nothing_around_it(spelling: str) -> None:
    body = close("jws-compact", party("rsa")).body.decode()
    reason("jws-compact", Sealed(SPELT[spelling](body).encode(), "application/jose"))
    reason("jws-compact", Sealed(f" {body}".encode(), "application/jose"))


@each_jws
@pytest.mark.parametrize("part", ["header", "signature"])
def test_what_is_too_long_is_refused_before_it_is_read(seal: str, part: str) -> None:
    protected, content, signature = parts_of(seal, close(seal, party("rsa")))
    long = "A" * 5000
    changed = (long, content, signature) if part == "header" else (protected, content, long)
    assert "too long" in reason(seal, joined(seal, *changed))


@each_seal
def test_a_body_that_is_too_long_is_refused_before_it_is_read(seal: str) -> None:
    sealed = close(seal, party("rsa"))
    assert "too long" in reason(seal, replace(sealed, body=b" " * ((96 << 20) + 1)))
