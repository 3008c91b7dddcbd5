"""An acceptance within all that is declared is accepted for a BM unit that is set so, in the
transaction that takes it; every other is left to a person with the reason, and the control point
gets each as always.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from messaging.domain.instructions import InstructionAnswer, InstructionKind, Verdict
from messaging.domain.redeclarations import LevelParameter
from messaging.domain.units import RefusalCode
from messaging.models import Declared, Delivery, Due, Instruction, Message
from messaging.protocols.base import Parcel
from messaging.relay import links, watch
from messaging.relay.claim import Claimed
from messaging.relay.codecs import operator_codec
from messaging.relay.deliver import take_in_hand
from messaging.relay.from_control_point import Answer
from messaging.relay.from_operator import Reply
from messaging.relay.register import addressee_of
from messaging.states import DeliveryState, Lane
from tenants.audit import bodies
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.models import BmUnit, Environment
from tenants.scope import in_tenant, tenant_scope
from tests.minutes import minute
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.declaring import declare, declare_all, level, notification, say, submit
from tests.relay.test_from_operator import POINT, UNIT, acceptance, codes, numbers, post, said


def switch(person: Person, on: bool) -> None:
    """And waits until this process has noticed."""
    with tenant_scope(person.tenant_id):
        BmUnit.objects.filter(name=UNIT).update(auto_accept=on)
    deadline = time.monotonic() + 10
    while True:
        with tenant_scope(person.tenant_id):
            if addressee_of(POINT, Environment.SIMULATOR, UNIT).auto_accept == on:
                return
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def on(alice: Person, link: OpenLink) -> None:
    """All declared, nothing on its way, no acceptance before, and the unit set so."""
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
        Instruction.objects.update(verdict=Verdict.REJECTED)
        Declared.objects.update(content=[], position=0, doubt="", doubt_position=0)
    Due.objects.all().delete()
    declare_all(alice, link)
    link.give()
    switch(alice, True)


def entry(person: Person, number: int) -> tuple[str, dict[str, Any]] | None:
    """What was decided of an acceptance, with the detail."""
    with tenant_scope(person.tenant_id):
        row = Instruction.objects.get(number=number)
        decided = ("auto-accepted", "left to a person")
        found = Entry.objects.filter(message_id=row.message_id, event__in=decided).first()
        return (found.event, json.loads(bytes(found.record))["detail"]) if found else None


def reason(person: Person, number: int) -> str:
    found = entry(person, number)
    assert found is not None
    assert found[0] == "left to a person"
    assert found[1]["number"] == number
    text: str = found[1]["reason"]
    return text


def lanes(reply: Reply) -> list[str]:
    return [made.lane.value for made in reply.deliveries]


def alarms(person: Person) -> list[str]:
    with tenant_scope(person.tenant_id):
        found = Entry.objects.filter(event="alarmed").order_by("seq")
        return [json.loads(bytes(row.record))["detail"]["alarm"] for row in found]


def given(link: OpenLink) -> int:
    """The number of the last message that the link was given."""
    return link.give().outgoing[-1].number


def answer(link: OpenLink, number: int, verdict: Verdict, reply_to: int) -> Answer:
    reference = link.hold.profile.number_text(reply_to)
    return link.say(InstructionAnswer(POINT, UNIT, number, verdict), reply_to=reference)


def test_within_all_that_is_declared_it_is_accepted_at_once(
    alice: Person, link: OpenLink, on: None
) -> None:
    number = numbers()
    reply = post(alice, acceptance(number))
    assert (said(reply)["status"], lanes(reply)) == ("RECEIVED", ["link", "operator"])
    found = entry(alice, number)
    assert found is not None
    assert found[0] == "auto-accepted"
    assert "is within MIL and MEL; 5 of 5 MW/min; NDZ 0, MZT 0, MNZT 0" in found[1]["reason"]
    with tenant_scope(alice.tenant_id):
        row = Instruction.objects.get(number=number)
        assert row.verdict == Verdict.ACCEPTED
        assert row.answer is not None
        assert (row.answer.origin, row.answer.kind) == (Message.Origin.HOST, "ACCEPT")
        made = Delivery.objects.get(message=row.answer)
        assert (made.lane, made.deadline) == (Lane.OPERATOR, row.respond_by)
        assert made.id == reply.deliveries[1].id


def test_the_operator_is_told_as_the_control_point_would_have_told_it(
    alice: Person, link: OpenLink, on: None
) -> None:
    number = numbers()
    reply = post(alice, acceptance(number))
    claimed = in_tenant(alice.tenant_id, lambda: take_in_hand(reply.deliveries[1].id, 1))
    assert isinstance(claimed, Claimed)
    with tenant_scope(alice.tenant_id):
        row = Delivery.objects.get(id=claimed.delivery_id)
        assert row.payload_digest is not None
        assert row.payload_at is not None
        payload = bodies.read(bytes(row.payload_digest), row.payload_at)
    (told,) = operator_codec({}).decode(Parcel(payload)).messages
    assert isinstance(told, InstructionAnswer)
    assert (told.control_point, told.bm_unit, told.number) == (POINT, UNIT, number)
    assert (told.verdict, told.kind) == (Verdict.ACCEPTED, InstructionKind.BOA)
    assert told.responded_at is not None


def test_a_unit_that_is_not_set_so_costs_no_question(
    alice: Person, link: OpenLink, on: None
) -> None:
    switch(alice, False)
    number = numbers()
    with CaptureQueriesContext(connection) as asked:
        reply = post(alice, acceptance(number))
    assert lanes(reply) == ["link"]
    assert entry(alice, number) is None
    text = " ".join(query["sql"] for query in asked.captured_queries)
    assert "messaging_instruction" in text
    assert "messaging_declared" not in text
    assert "auto_accept" not in text


def test_one_switched_off_a_moment_ago_is_not_accepted(
    alice: Person, link: OpenLink, on: None
) -> None:
    """This process has not noticed yet; the database knows."""
    with tenant_scope(alice.tenant_id):
        BmUnit.objects.filter(name=UNIT).update(auto_accept=False)
    number = numbers()
    assert lanes(post(alice, acceptance(number))) == ["link"]
    assert entry(alice, number) is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"emergencyFlag": True}, "it is an emergency instruction"),
        ({"level": 101}, "MW/min"),
        ({"level": 51}, "5.1 MW/min from"),
    ],
)
def test_what_is_not_within_is_left_with_the_reason(
    alice: Person, link: OpenLink, on: None, changes: dict[str, Any], told: str
) -> None:
    number = numbers()
    payload = acceptance(number)
    if "level" in changes:
        payload["levels"][0]["levelTo"] = changes["level"]
    else:
        payload |= changes
    reply = post(alice, payload)
    assert lanes(reply) == ["link"]
    assert told in reason(alice, number)
    with tenant_scope(alice.tenant_id):
        assert Instruction.objects.get(number=number).verdict == ""


def test_while_a_redeclaration_is_on_its_way_a_person_decides(
    alice: Person, link: OpenLink, on: None
) -> None:
    say(link, level(LevelParameter.MEL, 0))
    number = numbers()
    assert lanes(post(alice, acceptance(number))) == ["link"]
    assert reason(alice, number).endswith("is not accepted yet")


def test_a_redeclaration_that_was_accepted_counts_for_the_next_acceptance(
    alice: Person, link: OpenLink, on: None
) -> None:
    declare(alice, link, level(LevelParameter.MEL, 49))
    number = numbers()
    post(alice, acceptance(number))
    assert "50 MW" in reason(alice, number)
    assert "is above MEL 49" in reason(alice, number)


def test_the_next_one_is_held_against_what_was_accepted_before(
    alice: Person, link: OpenLink, on: None
) -> None:
    first, second, third = numbers(), numbers(), numbers()
    payload = acceptance(first)
    post(alice, payload)
    end = payload["levels"][0]["timeTo"]
    assert "starts at 0 MW" in _left(alice, second, end, 0)
    # The one before has no answer of anybody's now.
    assert f"acceptance {second} before it has no answer" in _left(alice, third, end, 50)
    with tenant_scope(alice.tenant_id):
        Instruction.objects.filter(number=second).update(verdict=Verdict.REJECTED)
        Instruction.objects.filter(number=third).update(verdict=Verdict.REJECTED)
    fourth = numbers()
    reply = post(alice, _following(fourth, end, 50))
    assert lanes(reply) == ["link", "operator"], reason(alice, fourth)


def _following(number: int, start: str, level_from: int) -> dict[str, Any]:
    """Level on from where another ended."""
    payload = acceptance(number)
    later = minute(22)
    payload["levels"] = [
        {
            "timeFrom": start,
            "levelFrom": level_from,
            "timeTo": later.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "levelTo": level_from,
        }
    ]
    return payload


def _left(person: Person, number: int, start: str, level_from: int) -> str:
    reply = post(person, _following(number, start, level_from))
    assert lanes(reply) == ["link"]
    return reason(person, number)


def test_one_that_a_higher_number_has_overtaken_is_left(
    alice: Person, link: OpenLink, on: None
) -> None:
    number = numbers()
    late = acceptance(number - 1)
    late["levels"][0] |= {
        "timeFrom": (now() + timedelta(minutes=40)).strftime("%Y-%m-%dT%H:%M:00Z"),
        "timeTo": (now() + timedelta(minutes=50)).strftime("%Y-%m-%dT%H:%M:00Z"),
    }
    post(alice, acceptance(number))
    assert lanes(post(alice, late)) == ["link"]
    assert reason(alice, number - 1) == "one of a higher number came before it"


def test_the_same_again_gets_no_second_answer(alice: Person, link: OpenLink, on: None) -> None:
    number = numbers()
    payload = acceptance(number)
    post(alice, payload)
    for repeat in (payload, payload | {"messageId": str(uuid4())}):
        assert post(alice, repeat).deliveries == ()
    with tenant_scope(alice.tenant_id):
        row = Instruction.objects.get(number=number)
        assert Message.objects.filter(answers=row.message).count() == 1


def test_other_content_under_its_number_is_refused_as_ever(
    alice: Person, link: OpenLink, on: None
) -> None:
    payload = acceptance(numbers())
    post(alice, payload)
    reply = post(alice, payload | {"messageId": str(uuid4()), "soFlag": True})
    assert (reply.status, codes(reply)) == (422, [RefusalCode.ALREADY_ANSWERED])


def link_state(person: Person, number: int) -> str:
    with tenant_scope(person.tenant_id):
        row = Instruction.objects.get(number=number)
        return str(Delivery.objects.get(message=row.message_id, lane=Lane.LINK).state)


def test_the_control_point_gets_it_and_its_acknowledgement_is_all_that_is_wanted(
    alice: Person, link: OpenLink, on: None
) -> None:
    number = numbers()
    post(alice, acceptance(number))
    links.acknowledge(link.hold, given(link), now())
    assert link_state(alice, number) == DeliveryState.ACKNOWLEDGED


def test_without_a_judgement_the_verdict_is_still_waited_for(
    alice: Person, link: OpenLink, on: None
) -> None:
    number = numbers()
    post(alice, acceptance(number, emergencyFlag=True))
    links.acknowledge(link.hold, given(link), now())
    assert link_state(alice, number) == DeliveryState.DELIVERED


@pytest.mark.parametrize("acknowledged", [True, False])
def test_the_control_points_yes_is_a_repeat_and_goes_no_further(
    alice: Person, link: OpenLink, on: None, acknowledged: bool
) -> None:
    number = numbers()
    post(alice, acceptance(number))
    sent = given(link)
    if acknowledged:
        links.acknowledge(link.hold, sent, now())
    told = answer(link, number, Verdict.ACCEPTED, sent)
    assert (told.code, told.deliveries) == (RefusalCode.OK, ())
    assert link_state(alice, number) == DeliveryState.ACKNOWLEDGED


def test_its_no_comes_too_late_and_is_an_alarm(alice: Person, link: OpenLink, on: None) -> None:
    number = numbers()
    post(alice, acceptance(number))
    told = answer(link, number, Verdict.REJECTED, given(link))
    assert (told.code, told.text) == (RefusalCode.ALREADY_ANSWERED, "already answered ACCEPTED")
    assert alarms(alice)[-1] == (
        "REJECTED by the control point, and answered ACCEPTED for it before"
    )
    with tenant_scope(alice.tenant_id):
        assert Instruction.objects.get(number=number).verdict == Verdict.ACCEPTED


def test_a_control_point_that_changes_its_own_mind_is_no_alarm(
    alice: Person, link: OpenLink, on: None
) -> None:
    number = numbers()
    post(alice, acceptance(number, emergencyFlag=True))
    sent, before = given(link), len(alarms(alice))
    answer(link, number, Verdict.ACCEPTED, sent)
    assert answer(link, number, Verdict.REJECTED, sent).code == RefusalCode.ALREADY_ANSWERED
    assert len(alarms(alice)) == before


def test_where_the_link_is_down_it_waits_and_its_end_is_an_alarm(
    alice: Person, link: OpenLink, on: None
) -> None:
    links.close_link(link.hold, "so that it waits")
    number = numbers()
    reply = post(alice, acceptance(number))
    assert lanes(reply) == ["link", "operator"]
    waiting = reply.deliveries[0].id
    assert link_state(alice, number) == DeliveryState.PENDING
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=waiting).update(deadline=now())
    in_tenant(alice.tenant_id, lambda: watch.look_after(waiting))
    assert link_state(alice, number) == DeliveryState.EXPIRED
    told = "answered for the control point, which does not know of it"
    assert alarms(alice)[-2:] == [told, "expired before it could be delivered"]


def test_a_look_at_its_end_finds_the_verdict_and_raises_no_alarm(
    alice: Person, link: OpenLink, on: None
) -> None:
    """The acknowledgement came while this process believed that nobody answers for the unit."""
    number = numbers()
    reply = post(alice, acceptance(number))
    waiting, before = reply.deliveries[0].id, len(alarms(alice))
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=waiting).update(state=DeliveryState.DELIVERED, deadline=now())
    in_tenant(alice.tenant_id, lambda: watch.look_after(waiting))
    assert link_state(alice, number) == DeliveryState.ACKNOWLEDGED
    assert len(alarms(alice)) == before


def test_a_fault_of_the_judgement_costs_the_acceptance_nothing(
    alice: Person, link: OpenLink, on: None
) -> None:
    with tenant_scope(alice.tenant_id):
        Declared.objects.filter(parameter="MEL").update(content=["not a spell"])
    number = numbers()
    reply = post(alice, acceptance(number))
    assert (reply.status, lanes(reply)) == (200, ["link"])
    assert reason(alice, number) == "it could not be judged: ValueError"


def test_another_tenants_declarations_are_not_looked_at(
    alice: Person, bob: Person, link: OpenLink, on: None
) -> None:
    with tenant_scope(bob.tenant_id):
        Declared.objects.create(
            tenant_id=bob.tenant_id, bm_unit=UNIT, parameter="MEL", content=["not a spell"]
        )
    number = numbers()
    assert lanes(post(alice, acceptance(number))) == ["link", "operator"]


def test_a_unit_of_which_nothing_is_known_is_left_with_what_is_missing(
    alice: Person, link: OpenLink, on: None
) -> None:
    with tenant_scope(alice.tenant_id):
        Declared.objects.update(content=[])
    submit(alice, notification(0))
    number = numbers()
    post(alice, acceptance(number))
    told = reason(alice, number)
    for name in ("MEL", "MIL", "RURE", "NDZ"):
        assert f"no {name} is declared" in told
