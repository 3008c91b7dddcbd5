"""Each seal between the host and the simulated operator, which share no code for it: what goes up
and its receipt, what comes down and its response, and what neither believes.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.exceptions import InvalidSignature
from django.db import connection

from messaging.domain.instructions import InstructionAnswer, Verdict
from messaging.models import Delivery, Due
from messaging.protocols.neso.seals import SEALS, Sealed
from messaging.relay import links
from messaging.relay.claim import Claimed, NotClaimed
from messaging.relay.deliver import deliver, take_in_hand
from messaging.states import DeliveryState
from tenants.audit import bodies
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.scope import in_tenant, tenant_scope
from tests.e2e.rig import boa
from tests.people import Person
from tests.protocols.neso.plain import TYPES, Writer, open_plain
from tests.relay.both_ends import BothEnds, both_ends, install, pin
from tests.relay.conftest import OpenLink
from tests.relay.test_claim import release
from tests.relay.test_from_control_point import POINT, UNIT, mel
from tests.servers import ROOT, TestServers

each_seal = pytest.mark.parametrize("seal", SEALS)
WRONG: dict[str, dict[str, int]] = {
    "bad_signature": {},
    "wrong_key": {},
    "clock_skew": {"seconds": 900},
}


@pytest.fixture(scope="module")
def ends(
    tmp_path_factory: pytest.TempPathFactory, alice: Person, servers: TestServers, database: str
) -> Iterator[BothEnds]:
    with both_ends(tmp_path_factory.mktemp("ends"), alice, servers, database) as started:
        yield started
    connection.close()


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person, ends: BothEnds) -> None:
    """Each test starts with an empty queue and an operator that behaves."""
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
    Due.objects.all().delete()
    ends.control("DELETE", "/faults")


def say(link: OpenLink) -> UUID:
    (made,) = link.say(mel()).deliveries
    return made.id


def state_of(person: Person, delivery_id: UUID) -> str:
    with tenant_scope(person.tenant_id):
        return str(Delivery.objects.get(id=delivery_id).state)


def claim(person: Person, delivery_id: UUID, owner: int = 1) -> Claimed | NotClaimed:
    return in_tenant(person.tenant_id, lambda: take_in_hand(delivery_id, owner))


def heard(ends: BothEnds, message_id: UUID | str) -> list[dict[str, Any]]:
    """What the operator got under a messageId."""
    rows = ends.control("GET", "/messages?since=0")["messages"]
    return [
        row
        for row in rows
        if row["direction"] == "in" and (row["payload"] or {}).get("messageId") == str(message_id)
    ]


# Up.


@each_seal
def test_a_redeclaration_is_believed_and_so_is_its_receipt(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    ends.use(seal)
    delivery_id = say(link)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
    (got,) = heard(ends, delivery_id)
    assert got["verified"] is True
    assert got["payload"]["bmUnit"] == UNIT


@each_seal
@pytest.mark.parametrize("fault", WRONG)
def test_a_receipt_whose_seal_does_not_hold_is_no_answer_and_the_same_bytes_go_again(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str, fault: str
) -> None:
    ends.use(seal)
    ends.fault(fault, times=1, **WRONG[fault])
    delivery_id = say(link)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.PENDING
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=delivery_id).update(wait_until=None)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
    assert [got["verified"] for got in heard(ends, delivery_id)] == [True, True]


@each_seal
def test_a_receipt_that_comes_later_settles_what_was_only_received(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    ends.use(seal)
    ends.fault("receipt_later", times=1, seconds=0.0)
    delivery_id = say(link)
    deliver(alice.tenant_id, delivery_id)
    for _ in range(200):
        if state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED:
            return
        ends.control("GET", "/messages?since=0")
    raise AssertionError("the final receipt was not taken")


@each_seal
def test_an_operator_that_expects_another_seal_takes_nothing(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    other = next(name for name in SEALS if name != seal)
    ends.use(seal, operator=other)
    delivery_id = say(link)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) in (DeliveryState.PENDING, DeliveryState.REFUSED)
    assert not [got for got in heard(ends, delivery_id) if got["verified"]]


@each_seal
def test_a_resend_repeats_headers_and_body_and_its_entries_name_both(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    ends.use(seal)
    delivery_id = say(link)
    first = claim(alice, delivery_id)
    release(alice, delivery_id)
    again = claim(alice, delivery_id, 2)
    assert isinstance(first, Claimed)
    assert isinstance(again, Claimed)
    assert again.sealed == first.sealed
    assert bool(first.sealed.headers) is bool(SEALS[seal].headers)
    with tenant_scope(alice.tenant_id):
        row = Delivery.objects.get(id=delivery_id)
        assert row.sealed_at is not None
        digest = bytes(row.sealed_digest or b"")
        assert bodies.read(digest, row.sealed_at) == first.sealed.record
        records = Entry.objects.filter(delivery_id=delivery_id, event__in=["signed", "sending"])
        named = [json.loads(bytes(entry.record))["digest"] for entry in records]
    assert named == [digest.hex()] * 3


def test_a_resend_goes_as_it_was_sealed_though_the_endpoint_has_another_seal_by_now(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    ends.use("jws-detached")
    delivery_id = say(link)
    first = claim(alice, delivery_id)
    release(alice, delivery_id)
    ends.set_endpoint(seal="jws-compact")
    deliver(alice.tenant_id, delivery_id)
    assert isinstance(first, Claimed)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED


@each_seal
def test_once_aged_the_same_payload_is_sealed_anew(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    ends.use(seal)
    delivery_id = say(link)
    first = claim(alice, delivery_id)
    with tenant_scope(alice.tenant_id):
        aged = now() - timedelta(seconds=241)
        Delivery.objects.filter(id=delivery_id).update(sealed_at=aged)
    release(alice, delivery_id)
    again = claim(alice, delivery_id, 2)
    assert isinstance(first, Claimed)
    assert isinstance(again, Claimed)
    assert again.sealed.record != first.sealed.record or seal != "content-hash"
    if SEALS[seal].headers:
        assert again.sealed.body == first.sealed.body


@pytest.mark.parametrize(
    "settings",
    [
        {"seal": "content-hash", "algorithm": "PS256"},
        {"seal": "jws-compact", "algorithm": "ES256"},
        {"seal": "smoke-signal"},
    ],
)
def test_a_seal_that_the_key_cannot_sign_is_an_alarm_and_nothing_leaves(
    ends: BothEnds, alice: Person, link: OpenLink, settings: dict[str, str]
) -> None:
    ends.set_endpoint(**settings)
    delivery_id = say(link)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.PENDING
    with tenant_scope(alice.tenant_id):
        events = [entry.event for entry in Entry.objects.filter(delivery_id=delivery_id)]
    assert events == ["alarmed"]


def test_an_algorithm_that_is_not_allowed_is_no_answer_whatever_the_seal(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    for seal in SEALS:
        ends.use(seal)
        ends.set_endpoint(seal=seal, algorithms=["ES256", "PS256", "EdDSA"])
        delivery_id = say(link)
        deliver(alice.tenant_id, delivery_id)
        assert state_of(alice, delivery_id) == DeliveryState.PENDING
        with tenant_scope(alice.tenant_id):
            Delivery.objects.update(state=DeliveryState.ABANDONED)


# Down.


def dispatch(ends: BothEnds) -> dict[str, Any]:
    """One instruction, tried once."""
    body = boa(UNIT, POINT)
    told: dict[str, Any] = ends.control("POST", "/dispatch?wait=0&persist=0", body)
    return told


@dataclass(frozen=True)
class Answer:
    """What the host said to a request made here."""

    status: int
    sealed: Sealed
    url: str


def writer(ends: BothEnds, **changes: Any) -> Writer:
    """The operator, signing without the simulator."""
    keys = ends.keys
    url = f"https://127.0.0.1:{ends.inbound_port}/wa/simulator/NESO_Health"
    names = {"issuer": "NGESO", "audience": ends.person.participant_id}
    told = {"at": now(), "algorithm": "RS256", "url": url, **names, **changes}
    return Writer(keys.signing.key, keys.signing.certificate, **told)


def health(**changes: Any) -> dict[str, Any]:
    payload = {"type": "health", "messageId": str(uuid4()), "profile": "host-1"}
    return {**payload, "sentAt": now().isoformat().replace("+00:00", "Z"), **changes}


def closed(ends: BothEnds, seal: str, payload: dict[str, Any], **changes: Any) -> Sealed:
    content = json.dumps(payload).encode()
    return writer(ends, **changes).close(seal, content, str(payload.get("messageId")))


def post(ends: BothEnds, sealed: Sealed, *more: tuple[str, str]) -> Answer:
    link = http.client.HTTPSConnection(
        "127.0.0.1", ends.inbound_port, context=ends.operator_context, timeout=30
    )
    try:
        link.putrequest("POST", "/wa/simulator/NESO_Health")
        lines = {"Content-Type": sealed.content_type, "Content-Length": str(len(sealed.body))}
        for name, value in (*lines.items(), *sealed.headers.items(), *more):
            link.putheader(name, value)
        link.endheaders(sealed.body)
        answer = link.getresponse()
        type_ = answer.headers.get_content_type()
        body = Sealed(answer.read(), type_, dict(answer.headers.items()))
        return Answer(answer.status, body, writer(ends).url)
    finally:
        link.close()


def said(ends: BothEnds, seal: str, answer: Answer) -> dict[str, Any]:
    """The answer's payload, once its seal is found to be the tenant's without the host's code."""
    certificate = ends.keys.tenant_signing.certificate
    assert answer.sealed.content_type == TYPES[seal], answer
    payload, told = open_plain(seal, answer.sealed, certificate, "ANSWER", answer.url)
    who = [told.get(name) for name in ("iss", "X-Signature-Issuer") if name in told]
    assert who == [ends.person.participant_id]
    read: dict[str, Any] = json.loads(payload)
    return read


@each_seal
def test_an_instruction_is_believed_and_so_are_its_receipt_and_its_response(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    ends.use(seal)
    told = dispatch(ends)
    assert (told["answer"]["status"], told["answer"]["verified"]) == (200, True), told
    assert told["answer"]["payload"]["status"] == "RECEIVED"
    outgoing = links.give(link.hold, 100).outgoing[-1]
    answer = InstructionAnswer(POINT, UNIT, told["acceptanceNumber"], Verdict.ACCEPTED)
    reference = link.hold.profile.number_text(outgoing.number)
    (made,) = link.say(answer, reply_to=reference).deliveries
    deliver(alice.tenant_id, made.id)
    assert state_of(alice, made.id) == DeliveryState.ACKNOWLEDGED
    settled = ends.control("GET", f"/dispatch/{told['messageId']}?wait=5")
    assert settled["response"]["verdict"] == "ACCEPTED"


@each_seal
@pytest.mark.parametrize("fault", WRONG)
def test_an_instruction_whose_seal_does_not_hold_is_unauthorized(
    ends: BothEnds, alice: Person, seal: str, fault: str
) -> None:
    ends.use(seal)
    ends.fault(fault, times=1, direction="requests", **WRONG[fault])
    told = dispatch(ends)
    assert told["answer"]["status"] == 401
    assert dispatch(ends)["answer"]["status"] == 200


@each_seal
def test_a_repeat_gets_the_same_answer_and_another_payload_under_its_id_is_a_conflict(
    ends: BothEnds, seal: str
) -> None:
    payload = health()
    first, again = (post(ends, closed(ends, seal, payload)) for _ in range(2))
    assert (first.status, again.status) == (200, 200)
    assert said(ends, seal, again) == said(ends, seal, first)
    assert said(ends, seal, first)["inReplyTo"] == payload["messageId"]
    assert post(ends, closed(ends, seal, {**payload, "note": 1})).status == 409


def test_an_answer_uses_the_requests_seal_whatever_the_endpoint_is_set_to(ends: BothEnds) -> None:
    ends.use("jws-json")
    for seal in SEALS:
        payload = health()
        answer = post(ends, closed(ends, seal, payload))
        assert answer.status == 200
        assert said(ends, seal, answer)["inReplyTo"] == payload["messageId"]


def test_a_message_taken_under_one_seal_is_a_repeat_under_any_other(ends: BothEnds) -> None:
    payload = health()
    answers = [said(ends, seal, post(ends, closed(ends, seal, payload))) for seal in SEALS]
    assert answers == [answers[0]] * len(SEALS)


@each_seal
def test_what_was_taken_is_remembered_by_another_process_and_after_a_restart(
    ends: BothEnds, seal: str
) -> None:
    """The memory is the database's alone: a new process, with nothing in its own memory, answers
    the same and tells other bytes from it.
    """
    payload = health()
    first = said(ends, seal, post(ends, closed(ends, seal, payload)))
    statuses = []
    for again in (payload, {**payload, "note": 1}):
        elsewhere = in_another_process(ends, closed(ends, seal, again))
        statuses.append(elsewhere.status)
        if elsewhere.status == 200:
            assert said(ends, seal, elsewhere) == first
    assert statuses == [200, 409]


_ELSEWHERE = """
import base64, json, os, sys
import django
django.setup()
from messaging.inbound.exchange import HttpQuestion, respond
told = json.load(sys.stdin)
told["body"], told["certificate"] = (base64.b64decode(told[n]) for n in ("body", "certificate"))
answer = respond(HttpQuestion(**told))
body = base64.b64encode(answer.body).decode()
print(json.dumps([answer.status, body, answer.content_type, answer.headers]))
"""


def in_another_process(ends: BothEnds, sealed: Sealed) -> Answer:
    url = writer(ends).url
    headers = {name.lower(): value for name, value in sealed.headers.items()}
    question = {"environment": "simulator", "service": "Health", "address": "127.0.0.1"}
    question |= {"path": "/wa/simulator/NESO_Health", "certificate": ""}
    question |= {"body": base64.b64encode(sealed.body).decode()}
    whole = {**question, "headers": {**headers, "content-type": sealed.content_type}}
    environment = os.environ | ends.servers.environment(ends.database)
    inbound = {"HOSTSVC_INBOUND_URL": f"https://127.0.0.1:{ends.inbound_port}"}
    done = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE],
        input=json.dumps(whole),
        env={**environment, **inbound, "HOSTSVC_DATABASE_ROLE": "app"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    status, body, type_, lines = json.loads(done.stdout)
    return Answer(status, Sealed(base64.b64decode(body), type_, lines), url)


# What the inbound side does not believe, over HTTP.

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


# Rotation.


@each_seal
def test_while_the_operator_rotates_its_key_the_old_one_and_the_new_one_count(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    for signing in (ends.keys.previous, ends.keys.signing):
        ends.use(seal, signing=signing)
        assert dispatch(ends)["answer"]["status"] == 200
        delivery_id = say(link)
        deliver(alice.tenant_id, delivery_id)
        assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED


@each_seal
def test_once_the_old_key_is_no_longer_pinned_it_does_not_count(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    keys = ends.keys
    ends.use(seal, signing=keys.previous)
    pin(keys, ends.servers, ends.database, (keys.signing,))
    try:
        assert dispatch(ends)["answer"]["status"] == 401
        delivery_id = say(link)
        deliver(alice.tenant_id, delivery_id)
        assert state_of(alice, delivery_id) == DeliveryState.PENDING
    finally:
        pin(keys, ends.servers, ends.database, (keys.previous, keys.signing))


@each_seal
def test_a_tenant_signs_with_its_active_key_alone_and_is_believed_before_and_after_rotation(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    keys = ends.keys
    ends.use(seal)
    pairs = (keys.tenant_signing, keys.tenant_next)
    try:
        for active, other in (pairs, pairs[::-1]):
            install(alice, ends.servers, ends.database, SIGNING=active)
            delivery_id = say(link)
            claimed = claim(alice, delivery_id)
            assert isinstance(claimed, Claimed)
            open_plain(seal, claimed.sealed, active.certificate, "POST", claimed.url)
            with pytest.raises(InvalidSignature):
                open_plain(seal, claimed.sealed, other.certificate, "POST", claimed.url)
            release(alice, delivery_id)
            deliver(alice.tenant_id, delivery_id)
            assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
    finally:
        install(alice, ends.servers, ends.database, SIGNING=keys.tenant_signing)
