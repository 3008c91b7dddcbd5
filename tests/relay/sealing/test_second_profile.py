"""A tenant whose operator endpoint speaks the enveloped-1 profile, against a peer that does: other
names, other paths and methods, verdicts at once, answers told by the question's messageId.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from messaging.domain.instructions import BidOfferAcceptance, InstructionAnswer, Verdict
from messaging.domain.redeclarations import LevelRedeclaration
from messaging.inbound.exchange import PREFIX
from messaging.models import Delivery, Message
from messaging.probing.question import Asking, ask, judge_seal
from messaging.probing.report import Colour
from messaging.protocols.base import Parcel
from messaging.relay import from_operator, signing
from messaging.relay.claim import Claimed
from messaging.relay.codecs import operator_codec, read_message
from messaging.relay.deliver import deliver
from messaging.relay.from_operator import Reply
from messaging.relay.inflow import Inflow
from messaging.relay.register import OPERATOR_PROTOCOL, find_operator
from messaging.relay.settings import operator_settings
from messaging.states import DeliveryState
from messaging.transports.connecting import Guard
from tenants.changes import WATCH
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import in_tenant, tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.sealing.both_ends import BothEnds
from tests.relay.sealing.enveloped_peer import (
    HELD,
    OUT,
    REFUSED,
    Json,
    Peer,
    bid_offer,
    header,
    running_peer,
)
from tests.relay.sealing.speaking import claim, say, state_of
from tests.relay.test_claim import release
from tests.relay.test_from_control_point import POINT, UNIT
from tests.roles import as_role

PROFILE = "enveloped-1"
_numbers = itertools.count(700_000)
two_seals = pytest.mark.parametrize("seal", ["jws-json", "content-hash"])
"""One that bears the messageId itself, and one that covers method and URL."""


def speak(ends: BothEnds, address: str, **settings: Any) -> None:
    """Sets the tenant's endpoint; a watch that has just begun remembers nothing of before."""
    with as_role("staff", ends.servers, ends.database), tenant_scope(ends.person.tenant_id):
        row = Endpoint.objects.filter(protocol=OPERATOR_PROTOCOL)
        row.update(address=address, settings=settings)
    WATCH.stop()


@pytest.fixture
def peer(ends: BothEnds, request: pytest.FixtureRequest) -> Iterator[Peer]:
    seal = request.node.callspec.params.get("seal") if hasattr(request.node, "callspec") else None
    with running_peer(ends, seal or "jws-json") as running:
        speak(ends, running.url, profile=PROFILE, seal=running.seal)
        try:
            yield running
        finally:
            ends.use("jws-json")
            WATCH.stop()


def boa(**body: Any) -> Json:
    return bid_offer(POINT, UNIT, next(_numbers), **body)


def outcome_of(person: Person, delivery_id: UUID) -> tuple[str, str]:
    with tenant_scope(person.tenant_id):
        row = Delivery.objects.get(id=delivery_id)
        return row.state, row.outcome_text


# Up.


@two_seals
def test_a_redeclaration_is_put_under_its_id_and_the_answer_is_its_verdict(
    peer: Peer, alice: Person, link: OpenLink, seal: str
) -> None:
    accepted, refused = say(link), say(link)
    deliver(alice.tenant_id, accepted)
    assert outcome_of(alice, accepted) == (DeliveryState.ACKNOWLEDGED, "")
    peer.verdict = REFUSED
    deliver(alice.tenant_id, refused)
    assert outcome_of(alice, refused) == (DeliveryState.REFUSED, "R003 too high")
    methods = [(one.method, one.path) for one in peer.heard]
    assert methods == [("PUT", f"/so/declarations/{i}") for i in (accepted, refused)]
    told = peer.heard[0].payload
    assert told["header"]["parameter"] == "MEL"
    assert told["body"]["target"] == {"control_point": POINT, "bm_unit": UNIT}
    assert told["body"]["profile"][0]["from"]["at"].endswith(":00+00:00")


def test_no_receipt_is_waited_for(peer: Peer, alice: Person, link: OpenLink) -> None:
    """Where receipts may come later, one that says only that it came would leave it delivered."""
    peer.verdict = HELD
    delivery_id = say(link)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED


def test_an_operator_that_is_out_says_so_with_a_status_of_its_own(
    peer: Peer, alice: Person, link: OpenLink
) -> None:
    peer.verdict = OUT
    delivery_id = say(link)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.HELD


def test_an_answer_that_bears_another_id_is_none(peer: Peer, alice: Person, link: OpenLink) -> None:
    peer.misnames = True
    delivery_id = say(link)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.PENDING
    peer.misnames = False
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=delivery_id).update(wait_until=None)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
    assert peer.heard[0] == peer.heard[1]


@two_seals
def test_a_connection_test_asks_in_the_endpoints_profile(
    peer: Peer, alice: Person, seal: str
) -> None:
    with tenant_scope(alice.tenant_id):
        row = Endpoint.objects.get(protocol=OPERATOR_PROTOCOL)
        settings, codec = operator_settings(row.settings), operator_codec(row.settings)
        asking = Asking(row.address, settings, codec, signing.credentials_for(row))
    asked = ask(asking, Guard.of_vendor(), 10)
    assert judge_seal(asking, asked).colour is Colour.GREEN
    assert peer.heard[0].payload["header"]["message"] == "health_request"


# Down, and the answer up again.


@two_seals
def test_an_acceptance_comes_by_put_and_is_answered_at_a_path_of_its_own(
    peer: Peer, alice: Person, link: OpenLink, seal: str
) -> None:
    asked = boa()
    status, told = peer.dispatch(asked)
    assert (status, told["body"]) == (202, {"outcome": "received", "faults": []})
    assert told["header"]["id"] == asked["header"]["id"]
    outgoing = link.give().outgoing[-1]
    number = int(asked["body"]["acceptance"])
    (given,) = link.hold.codec.decode(Parcel(outgoing.content)).messages
    assert isinstance(given, BidOfferAcceptance)
    assert (given.number, given.so_flag, given.levels[0].level_to) == (number, True, 50)
    answer = InstructionAnswer(POINT, UNIT, number, Verdict.ACCEPTED)
    reply_to = link.hold.profile.number_text(outgoing.number)
    (made,) = link.say(answer, reply_to=reply_to).deliveries
    deliver(alice.tenant_id, made.id)
    assert state_of(alice, made.id) == DeliveryState.ACKNOWLEDGED
    (heard,) = peer.heard
    assert (heard.method, heard.path) == ("PUT", f"/so/dispatch-replies/{made.id}")
    assert heard.payload["body"]["verdict"] == "will_comply"
    assert heard.payload["body"]["acceptance"] == str(number)


def test_the_operators_question_of_health_is_answered_in_kind(peer: Peer) -> None:
    asked = {"header": header("health_request")}
    status, told = peer.dispatch(asked, f"{PREFIX}simulator/status", "POST")
    assert (status, told["body"]) == (202, {"state": "up"})
    assert told["header"]["id"] == asked["header"]["id"]


def test_what_is_refused_for_what_it_says_is_400_with_a_pointer_of_the_profile(peer: Peer) -> None:
    status, told = peer.dispatch(boa(target={"control_point": POINT, "bm_unit": "BOBCP1-1"}))
    (fault,) = told["body"]["faults"]
    assert (status, told["body"]["outcome"]) == (400, "rejected")
    assert (fault["reason"], fault["pointer"]) == ("R002", "/body/target/bm_unit")


@two_seals
def test_a_repeat_gets_the_same_answer_and_other_content_is_a_conflict(
    peer: Peer, seal: str
) -> None:
    asked = boa()
    assert peer.dispatch(asked) == peer.dispatch(asked)
    assert peer.dispatch(asked)[0] == 202
    asked["body"]["flags"]["so"] = 0
    assert peer.dispatch(asked)[0] == 409


@two_seals
def test_the_seal_must_name_the_id_where_the_profile_has_it(peer: Peer, seal: str) -> None:
    """A content hash covers the payload and bears no id of its own: there the path tells."""
    asked, other = boa(), str(uuid4())
    path = f"{PREFIX}simulator/dispatches/{other}"
    url = f"https://127.0.0.1:{peer.ends.inbound_port}{path}"
    sealed = peer.writer("PUT", url).close(seal, json.dumps(asked).encode(), other)
    status, told = peer.put_sealed(sealed, path, "PUT")
    expected = 404 if seal == "content-hash" else 401
    assert (status, told["status"]) == (expected, expected)


@pytest.mark.parametrize(
    ("method", "place", "status"),
    [
        ("PUT", "dispatches/00000000-0000-4000-8000-000000000000", 404),
        ("PUT", "dispatches/7", 404),
        ("PUT", "dispatches", 404),
        ("POST", "NESO_Instruction", 404),
        ("PUT", "NESO_Instruction", 405),
        ("POST", "dispatches/{id}", 405),
        ("GET", "status", 405),
    ],
)
def test_an_address_that_is_not_the_profiles_is_no_address(
    peer: Peer, alice: Person, method: str, place: str, status: int
) -> None:
    asked = boa()
    path = f"{PREFIX}simulator/{place.format(id=asked['header']['id'])}"
    found, told = peer.dispatch(asked, path, method)
    assert (found, told["status"]) == (status, status)
    with tenant_scope(alice.tenant_id):
        assert not Message.objects.filter(reference=asked["header"]["id"]).exists()


def test_an_address_of_another_profile_is_none_where_the_default_is_spoken(
    peer: Peer, ends: BothEnds, alice: Person
) -> None:
    speak(ends, peer.url, seal="jws-json")
    status, told = peer.dispatch(boa())
    assert (status, told["title"]) == (404, "There is nothing at this address.")


def test_a_payload_of_another_profile_is_refused_in_the_endpoints_own(peer: Peer) -> None:
    asked = boa()
    asked["header"]["schema"] = "host-1"
    status, told = peer.dispatch(asked)
    assert (status, told["body"]["faults"][0]["reason"]) == (400, "R006")


# A changed profile leaves nothing unreadable.


def post(person: Person, profile: str, content: bytes, reference: str, service: str) -> Reply:
    def work() -> Reply:
        endpoint = find_operator("simulator")
        assert endpoint is not None
        under = replace(endpoint, settings={"profile": profile})
        return from_operator.take(Inflow(under, service, reference, content, now()))

    return in_tenant(person.tenant_id, work)


def test_what_came_under_a_profile_is_read_with_it_ever_after(
    peer: Peer, ends: BothEnds, alice: Person
) -> None:
    asked = boa()
    peer.dispatch(asked)
    speak(ends, peer.url, profile="host-1")
    with tenant_scope(alice.tenant_id):
        row = Message.objects.select_related("endpoint").get(reference=asked["header"]["id"])
        assert row.profile == PROFILE
        message = read_message(row)
    assert isinstance(message, BidOfferAcceptance)
    assert str(message.number) == asked["body"]["acceptance"]


def test_a_repeat_after_the_change_gets_the_answer_it_got_before(alice: Person) -> None:
    asked = boa()
    content, reference = json.dumps(asked).encode(), asked["header"]["id"]
    first = post(alice, PROFILE, content, reference, "Instruction")
    again = post(alice, "host-1", content, reference, "Instruction")
    assert (again.status, again.payload, again.reference) == (202, first.payload, reference)


def test_the_same_instruction_in_the_other_profiles_words_is_a_repeat(alice: Person) -> None:
    asked = boa()
    first = post(alice, PROFILE, json.dumps(asked).encode(), asked["header"]["id"], "Instruction")
    assert len(first.deliveries) == 1
    for changes, status in (({}, 200), ({"soFlag": False}, 422)):
        plain = _in_host_1(asked) | changes
        reference = plain["messageId"]
        again = post(alice, "host-1", json.dumps(plain).encode(), reference, "Instruction")
        assert (again.status, again.deliveries) == (status, ())


def _in_host_1(asked: Json) -> Json:
    """Written without either codec."""
    body, level = asked["body"], asked["body"]["profile"][0]

    def time(text: str) -> str:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    segment = {"timeFrom": time(level["from"]["at"]), "levelFrom": int(level["from"]["mw"])}
    segment |= {"timeTo": time(level["to"]["at"]), "levelTo": int(level["to"]["mw"])}
    return {
        "type": "instruction",
        "kind": "BOA",
        "messageId": str(uuid4()),
        "sentAt": now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "profile": "host-1",
        "controlPoint": POINT,
        "bmUnit": UNIT,
        "acceptanceNumber": int(body["acceptance"]),
        "acceptanceTime": time(body["accepted"]),
        **{f"{name}Flag": bool(flag) for name, flag in body["flags"].items()},
        "levels": [segment],
        "respondBy": None,
    }


@two_seals
def test_what_was_sent_once_goes_again_as_it_was_to_where_it_went(
    peer: Peer, ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    delivery_id = say(link)
    first = claim(alice, delivery_id)
    release(alice, delivery_id)
    speak(ends, peer.url, profile="host-1", seal=seal)
    again = claim(alice, delivery_id, 2)
    assert isinstance(first, Claimed)
    assert isinstance(again, Claimed)
    assert (again.sealed, again.url) == (first.sealed, first.url)
    with tenant_scope(alice.tenant_id):
        aged = now() - timedelta(seconds=241)
        Delivery.objects.filter(id=delivery_id).update(sealed_at=aged)
    release(alice, delivery_id)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
    (heard,) = peer.heard
    assert heard.payload["header"]["schema"] == PROFILE


def test_what_was_never_sent_goes_in_the_endpoints_profile(
    peer: Peer, ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    speak(ends, peer.url, seal="jws-json")
    delivery_id = say(link)
    speak(ends, peer.url, profile=PROFILE, seal="jws-json")
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
    with tenant_scope(alice.tenant_id):
        row = Delivery.objects.select_related("message__endpoint").get(id=delivery_id)
        assert row.payload_profile == PROFILE
        assert isinstance(read_message(row.message), LevelRedeclaration)
