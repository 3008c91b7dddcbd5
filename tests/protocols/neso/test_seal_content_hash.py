"""The `content-hash` seal: its headers, and the text that is signed."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from messaging.protocols.base import LocalProtocolError
from messaging.protocols.neso.seals import (
    Target,
)
from tests.protocols.neso.parties import (
    ALICE,
    PAYLOAD,
    SO,
    party,
)
from tests.protocols.neso.seals import (
    NO_SIGNATURE,
    SEALS,
    TARGET,
    Sealed,
    close,
    open_seal,
    parts_of,
    reason,
    signed_by,
)
from tests.simulator.peer import verify

# The headers of a detached signature and of a content hash


IN_HEADERS = [(seal, name) for seal in SEALS for name in close(seal, party("rsa")).headers]
each_header = pytest.mark.parametrize(("seal", "name"), IN_HEADERS)


@each_header
def test_a_header_that_is_missing_empty_or_there_twice_is_refused(seal: str, name: str) -> None:
    sealed = close(seal, party("rsa"))
    without = {key: value for key, value in sealed.headers.items() if key != name}
    value = sealed.headers[name]
    assert name in reason(seal, replace(sealed, headers=without))
    reason(seal, replace(sealed, headers={**without, name: ""}))
    doubled: Mapping[str, str] = {**without, name: value, name.lower(): value}
    assert "twice" in reason(seal, replace(sealed, headers=doubled))
    reason(seal, replace(sealed, headers={**without, name: f"{value}, {value}"}))


@each_header
@pytest.mark.parametrize(
    "value", ["\x00", "\u00e9", "\u2028", "A" * 20_000, " ", "=", "....", ";", "\ud800", "null"]
)
def test_a_header_that_is_anything_else_is_refused(seal: str, name: str, value: str) -> None:
    sealed = close(seal, party("rsa"))
    changed = replace(sealed, headers={**sealed.headers, name: value})
    reason(seal, changed)
    reason(seal, replace(sealed, headers={**sealed.headers, name: sealed.headers[name] + value}))


def test_a_detached_signature_carries_no_payload() -> None:
    sealed = close("jws-detached", party("rsa"))
    protected, _, signature = parts_of("jws-detached", sealed)
    for token in (f"{protected}.{signature}", f"{protected}.e30.{signature}", f".{protected}..x"):
        reason("jws-detached", replace(sealed, headers={"X-JWS-Signature": token}))


# The content hash alone


def test_a_content_hash_signs_the_text_that_the_wire_format_gives() -> None:
    sealed = close("content-hash", party("rsa"))
    lines = sealed.headers
    assert lines["X-Signature-Date"] == "2026-11-22T10:00:00.250Z"
    assert (lines["X-Signature-Issuer"], lines["X-Signature-Audience"]) == (SO, ALICE)
    text = (
        "POST;https://host.example:8443/wa/simulator/neso_health;2026-11-22T10:00:00.250Z;"
        f"{lines['X-Content-Hash']};NGESO;ALICE"
    )
    signature = base64.b64decode(lines["X-Signature"])
    assert base64.b64decode(lines["X-Signature-Certificate"]).decode() == party("rsa").signing.pem
    verify(party("rsa").trusted.certificate, text.encode(), signature, "RS256")


@pytest.mark.parametrize(
    "target",
    [
        Target("ANSWER", TARGET.url),
        Target("GET", TARGET.url),
        Target("post", TARGET.url),
        Target("POST", TARGET.url + "/"),
        Target("POST", TARGET.url + "?x=1"),
        Target("POST", TARGET.url.replace("host.", "ghost.")),
        Target("POST", TARGET.url.replace("https", "http")),
        Target("POST", TARGET.url.replace("8443", "443")),
        Target("POST", "/wa/simulator/NESO_Health"),
    ],
)
def test_a_content_hash_of_another_method_or_address_is_refused(target: Target) -> None:
    sealed = close("content-hash", party("rsa"))
    assert reason("content-hash", sealed, target=target) == NO_SIGNATURE


def test_an_answer_is_not_its_request_sent_back() -> None:
    """Else a peer could be answered with its own words."""
    asked = close("content-hash", party("rsa"))
    assert reason("content-hash", asked, target=Target("ANSWER", TARGET.url)) == NO_SIGNATURE


def test_the_case_of_an_address_makes_no_difference() -> None:
    sealed = close("content-hash", party("rsa"), target=Target("POST", TARGET.url.upper()))
    assert open_seal("content-hash", sealed, [party("rsa").trusted]).payload == PAYLOAD


def test_a_content_hash_that_no_address_is_given_for_is_our_own_fault() -> None:
    sealed = close("content-hash", party("rsa"))
    with pytest.raises(LocalProtocolError):
        close("content-hash", party("rsa"), target=None)
    with pytest.raises(LocalProtocolError):
        open_seal("content-hash", sealed, [party("rsa").trusted], target=None)


@pytest.mark.parametrize("name", ["A;B", "", " A", "A ", "A\nB", "\u00e9", "x" * 201])
def test_a_name_that_the_text_could_not_part_is_neither_written_nor_read(name: str) -> None:
    """`A;B` to `C` would sign the same text as `A` to `B;C`."""
    with pytest.raises(LocalProtocolError):
        close("content-hash", party("rsa"), audience=name)
    lines = close("content-hash", party("rsa")).headers
    for header in ("X-Signature-Issuer", "X-Signature-Audience"):
        sealed = Sealed(PAYLOAD, "application/json", {**lines, header: name})
        assert "does not name a participant" in reason("content-hash", sealed)


@pytest.mark.parametrize(
    "date",
    [
        "2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00.25Z",
        "2026-11-22T10:00:00.250000Z",
        "2026-11-22T10:00:00.250+00:00",
        "2026-11-22 10:00:00.250Z",
        "2026-11-22T10:00:00.250z",
        "2026-11-22T10:00:60.250Z",
        "2026-02-30T10:00:00.250Z",
        "0000-11-22T10:00:00.250Z",
        "\u0662026-11-22T10:00:00.250Z",
        "Sun, 22 Nov 2026 10:00:00 GMT",
    ],
)
def test_a_date_in_any_other_form_is_refused(date: str) -> None:
    sealed = signed_by(party("rsa"), "content-hash", lines={"X-Signature-Date": date})
    assert "YYYY-MM-DD" in reason("content-hash", sealed)


def test_a_hash_of_another_body_is_refused_though_it_is_signed() -> None:
    digest = base64.b64encode(b"\x00" * 32).decode()
    sealed = signed_by(party("rsa"), "content-hash", lines={"X-Content-Hash": digest})
    assert "is not the body's hash" in reason("content-hash", sealed)


PEMS: dict[str, Callable[[str], str]] = {
    "two certificates": lambda pem: pem + pem,
    "text before it": lambda pem: "Subject: NGESO\n" + pem,
    "text after it": lambda pem: pem + "x",
    "the lines of another width": lambda pem: _wrapped(pem, 76),
    "no lines": lambda pem: _wrapped(pem, 10_000),
    "another word": lambda pem: pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
    "a private key": lambda pem: pem.replace("CERTIFICATE", "PRIVATE KEY"),
    "a blank line": lambda pem: pem.replace("\n", "\n\n", 1),
    "nothing between": lambda pem: re.sub(r"\n[^-]+\n", "\n", pem),
}
"""Spellings in which a certificate is not taken: there is one way to show a certificate."""


def _wrapped(pem: str, width: int) -> str:
    first, *lines, last = pem.strip().split("\n")
    text = "".join(lines)
    wrapped = [text[at : at + width] for at in range(0, len(text), width)]
    return "\n".join([first, *wrapped, last, ""])


@pytest.mark.parametrize("change", PEMS)
def test_a_certificate_that_is_not_one_pem_is_refused(change: str) -> None:
    shown = PEMS[change](party("rsa").signing.pem)
    value = base64.b64encode(shown.encode()).decode()
    sealed = signed_by(party("rsa"), "content-hash", lines={"X-Signature-Certificate": value})
    reason("content-hash", sealed)


@pytest.mark.parametrize("change", [lambda t: t.replace("\n", "\r\n"), str.rstrip])
def test_a_pem_may_end_its_lines_either_way_and_go_without_the_last(change: Any) -> None:
    value = base64.b64encode(change(party("rsa").signing.pem).encode()).decode()
    sealed = signed_by(party("rsa"), "content-hash", lines={"X-Signature-Certificate": value})
    assert open_seal("content-hash", sealed, [party("rsa").trusted]).payload == PAYLOAD


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"{}", b"[]", b"\xff", b"[" * 99_999, b'{"messageId":1}', b'{"messageId":""}'),
        *(b'{"messageId":"%s"}' % (b"x" * 201), b'{"messageId":"a\\u0000b"}'),
    ],
)
def test_a_payload_that_names_no_message_is_known_by_its_hash(payload: bytes) -> None:
    sealed = close("content-hash", party("rsa"), payload)
    opened = open_seal("content-hash", sealed, [party("rsa").trusted])
    assert opened.heading.jti == sealed.headers["X-Content-Hash"]


def test_the_unused_bits_of_a_signatures_last_letter_are_zero() -> None:
    sealed = close("content-hash", party("rsa"))
    text = sealed.headers["X-Signature"]
    assert text.endswith("==")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    same = [
        other
        for other in (f"{text[:-3]}{letter}==" for letter in letters)
        if other != text and base64.b64decode(other) == base64.b64decode(text)
    ]
    assert len(same) == 15
    for other in same:
        lines = {**sealed.headers, "X-Signature": other}
        assert "canonical" in reason("content-hash", replace(sealed, headers=lines))
