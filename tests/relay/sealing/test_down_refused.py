"""What the inbound side does not believe or cannot answer, over HTTP, whatever the seal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from messaging.protocols.neso.seals import Sealed
from tenants.clock import now
from tests.people import Person
from tests.relay.sealing.both_ends import BothEnds
from tests.relay.sealing.speaking import closed, each_seal, health, post, said, writer

UNBELIEVED: dict[str, dict[str, Any]] = {
    "another audience": {"audience": "NOBODY"},
    "another issuer": {"issuer": "NESO"},
    "signed 301 s ago": {"at": -301},
    "signed 320 s ahead": {"at": 320},
}


@each_seal
@pytest.mark.parametrize("name", UNBELIEVED)
def test_what_the_seal_does_not_hold_for_is_unauthorized(
    ends: BothEnds, seal: str, name: str
) -> None:
    changes = dict(UNBELIEVED[name])
    if "at" in changes:
        changes["at"] = now() + timedelta(seconds=changes["at"])
    answer = post(ends, closed(ends, seal, health(), **changes))
    assert (answer.status, answer.sealed.content_type) == (401, "application/problem+json")


@pytest.mark.parametrize(
    ("verb", "path"),
    [("ANSWER", ""), ("GET", ""), ("POST", "/x"), ("POST", "?x=1")],
)
def test_a_content_hash_of_another_method_or_address_is_unauthorized(
    ends: BothEnds, verb: str, path: str
) -> None:
    url = writer(ends).url + path
    assert post(ends, closed(ends, "content-hash", health(), verb=verb, url=url)).status == 401


def test_the_case_of_the_address_makes_no_difference(ends: BothEnds) -> None:
    url = writer(ends).url.upper()
    assert post(ends, closed(ends, "content-hash", health(), url=url)).status == 200


@pytest.mark.parametrize("seal", ["jws-detached", "content-hash"])
def test_a_payload_without_its_seals_headers_is_of_the_wrong_type(
    ends: BothEnds, seal: str
) -> None:
    sealed = closed(ends, seal, health())
    assert post(ends, Sealed(sealed.body, sealed.content_type)).status == 415


def test_a_content_hash_without_any_one_of_its_headers_is_unauthorized(ends: BothEnds) -> None:
    sealed = closed(ends, "content-hash", health())
    for missing in sealed.headers:
        kept = {name: value for name, value in sealed.headers.items() if name != missing}
        assert post(ends, Sealed(sealed.body, sealed.content_type, kept)).status == 401


def test_headers_of_two_seals_at_once_are_neither(ends: BothEnds) -> None:
    payload = health()
    one, other = (closed(ends, seal, payload) for seal in ("jws-detached", "content-hash"))
    assert post(ends, one, *other.headers.items()).status == 415


@pytest.mark.parametrize("seal", ["jws-detached", "content-hash"])
def test_a_header_of_the_seal_that_comes_twice_is_unauthorized(ends: BothEnds, seal: str) -> None:
    sealed = closed(ends, seal, health())
    for line in sealed.headers.items():
        assert post(ends, sealed, line).status == 401


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"messageId":1}', b'{"a":1,"a":2}'])
def test_content_without_a_message_id_is_refused_by_the_hash_it_was_signed_under(
    ends: BothEnds, content: bytes
) -> None:
    """A content hash carries no jti: the hash is all that such a message can be named by."""
    sealed = writer(ends).close("content-hash", content, "")
    first, again = (said(ends, "content-hash", post(ends, sealed)) for _ in range(2))
    assert first == again
    assert (first["status"], first["errors"][0]["code"]) == ("REJECTED", "R001")
    assert first["inReplyTo"] == sealed.headers["X-Content-Hash"]


def test_a_key_that_cannot_sign_a_content_hash_does_not_take_what_it_could_not_answer(
    ends: BothEnds, alice: Person
) -> None:
    payload = health()
    ends.set_endpoint(algorithm="PS256")
    assert post(ends, closed(ends, "content-hash", payload)).status == 415
    ends.set_endpoint()
    assert post(ends, closed(ends, "content-hash", payload)).status == 200
