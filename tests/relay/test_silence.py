"""A control point is told, once, of every instruction that ended without its answer."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection

from messaging.domain.acknowledgements import FreeText
from messaging.domain.instructions import InstructionAnswer, Verdict
from messaging.domain.units import RefusalCode
from messaging.models import Delivery, Due, Instruction, Link, Message
from messaging.relay import links, watch
from messaging.relay.answering import answer_for
from messaging.relay.codecs import read_message
from messaging.relay.deliver import take_in_hand
from messaging.states import DeliveryState
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.scope import in_tenant, tenant_scope
from tests.e2e.rig import stamp
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link
from tests.relay.test_from_operator import (
    POINT,
    UNIT,
    acceptance,
    acknowledge_all,
    numbers,
    post,
)

LATE = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
    Due.objects.all().delete()


def instructed(person: Person) -> tuple[int, UUID]:
    """The number of an acceptance, and its delivery."""
    number = numbers()
    return number, post(person, acceptance(number)).deliveries[0].id


def past(person: Person, delivery_id: UUID) -> None:
    with tenant_scope(person.tenant_id):
        Delivery.objects.filter(id=delivery_id).update(deadline=now() - LATE)


def look(person: Person, delivery_id: UUID) -> None:
    in_tenant(person.tenant_id, lambda: watch.look_after(delivery_id))


def told(person: Person, number: int) -> list[str]:
    """The texts that answer the instruction."""
    with tenant_scope(person.tenant_id):
        rows = Message.objects.filter(answers__instructions__number=number, kind="TEXT")
        read = [read_message(row) for row in rows.select_related("endpoint").order_by("id")]
        return [one.text for one in read if isinstance(one, FreeText)]


def alarms(person: Person, delivery_id: UUID) -> int:
    with tenant_scope(person.tenant_id):
        return Entry.objects.filter(delivery_id=delivery_id, event="alarmed").count()


def test_one_that_waited_for_a_link_in_vain_is_told_when_the_link_is_back(
    alice: Person, link: OpenLink
) -> None:
    links.close_link(link.hold, "so that it waits")
    number, delivery_id = instructed(alice)
    past(alice, delivery_id)
    look(alice, delivery_id)
    look(alice, delivery_id)
    (text,) = told(alice, number)
    assert text.startswith(f"BOA {number} of {UNIT} EXPIRED at ")
    assert "could not be delivered to you in time. None was sent" in text
    assert alarms(alice, delivery_id) == 1
    given = open_link(alice, POINT).give().outgoing
    assert [text.encode() in one.content for one in given] == [True]


def test_one_that_a_gateway_finds_too_late_is_told_under_a_number_of_its_own(
    alice: Person, link: OpenLink
) -> None:
    """Beside one that is in time, which has the number before."""
    links.close_link(link.hold, "so that they wait")
    first, in_time = instructed(alice)
    late, expired = instructed(alice)
    past(alice, expired)
    link = open_link(alice, POINT)
    given = link.give()
    assert [one.delivery_id for one in given.outgoing] == [in_time]
    following = link.give().outgoing
    assert [one.number for one in following] == [given.outgoing[0].number + 1]
    assert (len(told(alice, first)), len(told(alice, late))) == (0, 1)


@pytest.mark.parametrize("acknowledged", [False, True])
def test_one_that_was_sent_and_has_no_answer_is_told_and_no_answer_counts_any_more(
    alice: Person, link: OpenLink, acknowledged: bool
) -> None:
    number, delivery_id = instructed(alice)
    reference = link.hold.profile.number_text(link.give().outgoing[-1].number)
    if acknowledged:
        links.acknowledge(link.hold, link.written, now())
    past(alice, delivery_id)
    with tenant_scope(alice.tenant_id):
        Instruction.objects.filter(number=number).update(respond_by=now() - LATE)
    look(alice, delivery_id)
    assert len(told(alice, number)) == 1
    assert alarms(alice, delivery_id) == 1
    answer = InstructionAnswer(POINT, UNIT, number, Verdict.ACCEPTED)
    assert link.say(answer, reply_to=reference).code == RefusalCode.ALREADY_ANSWERED


def test_one_that_comes_after_its_time_is_told_and_not_sent(alice: Person, link: OpenLink) -> None:
    acknowledge_all(link)
    number = numbers()
    post(alice, acceptance(number, respondBy=stamp(now() - LATE)))
    (text,) = told(alice, number)
    assert "it came after its time to respond" in text
    (given,) = link.give().outgoing
    assert b"EXPIRED" in given.content


def test_one_that_was_answered_says_nothing(alice: Person, link: OpenLink) -> None:
    number, delivery_id = instructed(alice)
    reference = link.hold.profile.number_text(link.give().outgoing[-1].number)
    links.acknowledge(link.hold, link.written, now())
    answer = InstructionAnswer(POINT, UNIT, number, Verdict.ACCEPTED)
    assert link.say(answer, reply_to=reference).code == RefusalCode.OK
    past(alice, delivery_id)
    look(alice, delivery_id)
    assert told(alice, number) == []


@pytest.mark.parametrize("by_itself", [True, False])
def test_an_answer_that_the_operator_never_had_is_told_by_result_or_by_text(
    alice: Person, link: OpenLink, by_itself: bool
) -> None:
    """By a result where the control point gave it, by text where somebody gave it instead."""
    number, _ = instructed(alice)
    reference = link.hold.profile.number_text(link.give().outgoing[-1].number)
    links.acknowledge(link.hold, link.written, now())
    if by_itself:
        answer = InstructionAnswer(POINT, UNIT, number, Verdict.ACCEPTED)
        (made,) = link.say(answer, reply_to=reference).deliveries
    else:
        with tenant_scope(alice.tenant_id):
            row = Instruction.objects.get(number=number)
            by = {"by": "a test"}
            (made,) = answer_for(row.id, Verdict.ACCEPTED, now(), by).deliveries
    past(alice, made.id)
    in_tenant(alice.tenant_id, lambda: take_in_hand(made.id, 1))
    with tenant_scope(alice.tenant_id):
        assert Delivery.objects.get(id=made.id).outcome_code == RefusalCode.EXPIRED
    texts = told(alice, number)
    assert len(texts) == (0 if by_itself else 1)
    given = b"".join(one.content for one in link.give().outgoing)
    assert (b"REFUSER031" in given, b"the answer given for you" in given) == (
        by_itself,
        not by_itself,
    )


def test_a_look_at_the_late_locks_the_link_before_the_delivery(
    alice: Person, link: OpenLink
) -> None:
    """As a gateway does that hears an answer: in another order each would wait for the other."""
    number, delivery_id = instructed(alice)
    past(alice, delivery_id)
    looking = threading.Thread(target=look_and_leave, args=(alice, delivery_id))
    with tenant_scope(alice.tenant_id):
        list(Link.objects.select_for_update().filter(endpoint_id=link.hold.endpoint_id))
        looking.start()
        until_somebody_waits()
        locked = Delivery.objects.select_for_update(nowait=True).filter(id=delivery_id)
        assert len(locked) == 1
    looking.join()
    assert len(told(alice, number)) == 1


def look_and_leave(person: Person, delivery_id: UUID) -> None:
    look(person, delivery_id)
    connection.close()


def until_somebody_waits() -> None:
    for _ in range(1000):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
            if cursor.fetchone():
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits for a lock")
