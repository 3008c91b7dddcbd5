"""Instructions answered through the API in their control point's stead: by the same machinery, with
the same races.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from messaging.domain.instructions import InstructionAnswer, Verdict
from messaging.domain.messages import kind_of
from messaging.domain.units import RefusalCode
from messaging.models import Delivery, Due, Instruction, Message
from messaging.protocols.base import Parcel
from messaging.relay import links, watch
from messaging.relay.claim import Claimed
from messaging.relay.codecs import operator_codec
from messaging.states import DeliveryState, Lane
from tenants.audit import bodies
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.ids import new_id
from tenants.scope import in_tenant, tenant_scope
from tests.api.conftest import Ask
from tests.api.test_submission import claim
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link
from tests.relay.test_from_operator import POINT, UNIT, acceptance, numbers, post
from tests.relay.test_from_operator import nothing_waits as nothing_waits

PLACE = "/api/v1/instructions"
REJECTION = {"reason_code": "R1", "reason_text": "unsafe"}


@pytest.fixture
def link(alice: Person) -> OpenLink:
    return open_link(alice, POINT)


@pytest.fixture
def number(alice: Person) -> int:
    """Of an acceptance that was just taken."""
    taken = numbers()
    post(alice, acceptance(taken))
    return taken


def row_of(person: Person, number: int) -> Instruction:
    with tenant_scope(person.tenant_id):
        found: Instruction = Instruction.objects.get(kind="BOA", number=number)
    return found


def answer(asker: Any, row: Instruction, verb: str, body: Any = None) -> Any:
    return asker.post(f"{PLACE}/{row.id}/{verb}", body or {}, format="json")


def said_on(link: OpenLink, number: int, verdict: Verdict, reply_to: str = "") -> RefusalCode:
    reason = ("R1", "unsafe") if verdict is Verdict.REJECTED else (None, None)
    return link.say(
        InstructionAnswer(POINT, UNIT, number, verdict, *reason), reply_to=reply_to
    ).code


def events(person: Person, message_id: UUID) -> list[str]:
    with tenant_scope(person.tenant_id):
        rows = Entry.objects.filter(message_id=message_id).order_by("seq")
        return [row.event for row in rows]


def test_an_instruction_says_how_long_there_is_left(
    alice: Person, number: int, asking: Ask
) -> None:
    told = asking(alice).get(f"{PLACE}/{row_of(alice, number).id}").json()
    assert 100 < told["seconds_left"] <= 120
    assert (told["verdict"], told["answered_by"]) == (None, None)
    assert told["content"]["number"] == number


@pytest.mark.parametrize(
    ("verb", "body", "verdict", "kind"),
    [("accept", {}, "ACCEPTED", "ACCEPT"), ("reject", REJECTION, "REJECTED", "REJECT")],
)
def test_an_answer_goes_out_as_the_control_points_would(
    alice: Person, number: int, asking: Ask, verb: str, body: Any, verdict: str, kind: str
) -> None:
    row = row_of(alice, number)
    told = answer(asking(alice), row, verb, body)
    assert told.status_code == 202, told.content
    assert (told.json()["verdict"], told.json()["is_repeat"]) == (verdict, False)
    with tenant_scope(alice.tenant_id):
        message = Message.objects.get(id=told.json()["answer_id"])
        delivery = Delivery.objects.get(message=message)
    assert (message.origin, message.kind, message.answers_id) == ("API", kind, row.message_id)
    assert (delivery.queue, delivery.deadline) == (f"{UNIT} answers", row.respond_by)
    assert isinstance(claim(alice, delivery.id), Claimed)
    with tenant_scope(alice.tenant_id):
        delivery.refresh_from_db()
        assert delivery.payload_digest is not None
        assert delivery.payload_at is not None
        payload = json.loads(bodies.read(bytes(delivery.payload_digest), delivery.payload_at))
    assert (payload["kind"], payload["verdict"]) == ("BOA", verdict)
    assert payload["acceptanceNumber"] == number
    assert payload["reasonCode"] == body.get("reason_code")
    sent = operator_codec({}).decode(Parcel(json.dumps(payload).encode(), "Instruction"))
    assert [kind_of(message) for message in sent.messages] == [kind]


def test_once_answered_it_says_by_whom_and_counts_down_no_more(
    alice: Person, number: int, asking: Ask
) -> None:
    row = row_of(alice, number)
    given = answer(asking(alice), row, "accept").json()
    told = asking(alice).get(f"{PLACE}/{row.id}").json()
    assert (told["verdict"], told["answered_by"], told["seconds_left"]) == ("ACCEPTED", "API", None)
    assert told["answer_id"] == given["answer_id"]
    with tenant_scope(alice.tenant_id):
        entry = Entry.objects.filter(message_id=given["answer_id"]).order_by("seq")[0]
    assert json.loads(bytes(entry.record))["detail"]["by"] == "alice the owner"


def test_the_same_answer_again_is_a_repeat_and_sends_nothing(
    alice: Person, number: int, asking: Ask
) -> None:
    row = row_of(alice, number)
    first, again = (answer(asking(alice), row, "accept").json() for _ in range(2))
    assert (again["answer_id"], again["is_repeat"]) == (first["answer_id"], True)
    with tenant_scope(alice.tenant_id):
        assert Message.objects.filter(answers_id=row.message_id).count() == 1
    assert events(alice, UUID(first["answer_id"]))[-1] == "repeated"


@pytest.mark.parametrize(("first", "then"), [("accept", "reject"), ("reject", "accept")])
def test_another_answer_is_a_conflict(
    alice: Person, number: int, asking: Ask, first: str, then: str
) -> None:
    row = row_of(alice, number)
    assert answer(asking(alice), row, first, REJECTION).status_code == 202
    told = answer(asking(alice), row, then, REJECTION)
    assert (told.status_code, told.json()["code"]) == (409, "already-answered")
    assert told.json()["detail"].startswith("R008 already answered")


def test_after_its_time_no_answer_is_taken(alice: Person, number: int, asking: Ask) -> None:
    row = row_of(alice, number)
    with tenant_scope(alice.tenant_id):
        past = now() - timedelta(seconds=1)
        Instruction.objects.filter(id=row.id).update(respond_by=past)
    told = answer(asking(alice), row, "accept")
    assert (told.status_code, told.json()["code"]) == (409, "already-answered")
    assert "time to respond has passed" in told.json()["detail"]
    assert asking(alice).get(f"{PLACE}/{row.id}").json()["seconds_left"] == 0


def test_the_control_points_answer_before_wins(
    alice: Person, number: int, link: OpenLink, asking: Ask
) -> None:
    link.give()
    assert said_on(link, number, Verdict.REJECTED) is RefusalCode.OK
    told = answer(asking(alice), row_of(alice, number), "accept")
    assert (told.status_code, told.json()["code"]) == (409, "already-answered")
    told = answer(asking(alice), row_of(alice, number), "reject", REJECTION)
    assert (told.status_code, told.json()["is_repeat"]) == (202, True)


def test_the_control_points_answer_after_is_taken_where_it_is_the_same(
    alice: Person, number: int, link: OpenLink, asking: Ask
) -> None:
    link.give()
    answer(asking(alice), row_of(alice, number), "accept")
    assert said_on(link, number, Verdict.ACCEPTED) is RefusalCode.OK
    assert said_on(link, number, Verdict.REJECTED) is RefusalCode.ALREADY_ANSWERED
    with tenant_scope(alice.tenant_id):
        sent = Delivery.objects.filter(lane=Lane.OPERATOR, state=DeliveryState.PENDING)
        assert sent.count() == 1


def test_the_control_point_still_gets_the_instruction(
    alice: Person, number: int, link: OpenLink, asking: Ask
) -> None:
    answer(asking(alice), row_of(alice, number), "accept")
    assert len(link.give().outgoing) == 1


def delivery_of(alice: Person, number: int) -> Delivery:
    with tenant_scope(alice.tenant_id):
        row = Instruction.objects.get(kind="BOA", number=number)
        found: Delivery = Delivery.objects.get(message_id=row.message_id, lane=Lane.LINK)
    return found


def test_one_that_the_control_point_has_is_settled_with_the_answer(
    alice: Person, number: int, link: OpenLink, asking: Ask
) -> None:
    (given,) = link.give().outgoing
    links.acknowledge(link.hold, given.number, now())
    assert delivery_of(alice, number).state == DeliveryState.DELIVERED
    answer(asking(alice), row_of(alice, number), "accept")
    assert delivery_of(alice, number).state == DeliveryState.ACKNOWLEDGED


def test_one_that_is_acknowledged_after_the_answer_wants_no_verdict_and_raises_no_alarm(
    alice: Person, number: int, link: OpenLink, asking: Ask
) -> None:
    (given,) = link.give().outgoing
    answer(asking(alice), row_of(alice, number), "accept")
    links.acknowledge(link.hold, given.number, now())
    delivery = delivery_of(alice, number)
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=delivery.id).update(deadline=now() - timedelta(seconds=1))
        before = Entry.objects.filter(event="alarmed").count()
    in_tenant(alice.tenant_id, lambda: watch.look_after(delivery.id))
    assert delivery_of(alice, number).state == DeliveryState.ACKNOWLEDGED
    with tenant_scope(alice.tenant_id):
        assert Entry.objects.filter(event="alarmed").count() == before
        assert not Due.objects.filter(delivery_id=delivery.id).exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason_code": "toolong"},
        {"reason_code": "r1"},
        {"reason_code": "R1", "reason_text": "x" * 61},
        {"reason_code": "R1", "reason_text": "\u00e4"},
        {"reason_code": "R1", "colour": "red"},
    ],
    ids=str,
)
def test_a_rejection_has_a_reason_that_can_be_told(
    alice: Person, number: int, asking: Ask, body: dict[str, str]
) -> None:
    told = answer(asking(alice), row_of(alice, number), "reject", body)
    assert (told.status_code, told.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize("whose", ["bob", "nobody"])
def test_anothers_instruction_is_none(
    alice: Person, bob: Person, number: int, asking: Ask, whose: str
) -> None:
    row_id: Callable[[], UUID] = {
        "bob": lambda: row_of(alice, number).id,
        "nobody": new_id,
    }[whose]
    told = asking(bob).post(f"{PLACE}/{row_id()}/accept", {}, format="json")
    assert (told.status_code, told.json()["code"]) == (404, "not-found")
    assert not row_of(alice, number).verdict
