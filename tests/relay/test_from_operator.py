"""What the system operator sends is taken once, in the order of its numbers, and its verdicts
end what they answer.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from messaging.domain.instructions import InstructionAnswer, Verdict
from messaging.domain.units import RefusalCode
from messaging.inbound import exchange
from messaging.models import Delivery, Due, Instruction, Message
from messaging.protocols.base import Parcel
from messaging.relay import due, from_operator, links, verdicts, watch
from messaging.relay.codecs import legacy_codec
from messaging.relay.deliver import take_in_hand
from messaging.relay.due import Room
from messaging.relay.from_operator import Reply
from messaging.relay.hold import LinkReplaced
from messaging.relay.inflow import Inflow
from messaging.relay.load import load_locked
from messaging.relay.register import find_operator
from messaging.states import DeliveryState, Lane
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.models import Environment
from tenants.scope import in_tenant, tenant_scope
from tests.e2e.rig import boa, stamp
from tests.minutes import minute
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link
from tests.relay.test_from_control_point import mel

POINT, UNIT = "ALICP1", "ALICP1-1"


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person) -> None:
    """Each test starts with empty queues and no instructions in the way."""
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
    Due.objects.all().delete()


_numbers = [1000]


def numbers() -> int:
    _numbers.append(_numbers[-1] + 100)
    return _numbers[-1]


def acceptance(number: int, **changes: Any) -> dict[str, Any]:
    payload = boa(UNIT, POINT) | {
        "type": "instruction",
        "messageId": str(uuid4()),
        "sentAt": stamp(now()),
        "profile": "host-1",
        "acceptanceNumber": number,
        # The clock's, as the levels' are: what was declared for the test may be of a later minute.
        "acceptanceTime": stamp(now().replace(second=0, microsecond=0)),
        "respondBy": None,
    }
    return payload | changes


def post(person: Person, payload: dict[str, Any], service: str = "Instruction") -> Reply:
    return in_tenant(person.tenant_id, taking(payload, service))


def taking(payload: dict[str, Any], service: str = "Instruction") -> Callable[[], Reply]:
    def work() -> Reply:
        endpoint = find_operator(Environment.SIMULATOR)
        assert endpoint is not None
        content = json.dumps(payload).encode()
        return from_operator.take(Inflow(endpoint, service, payload["messageId"], content, now()))

    return work


def said(reply: Reply) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(reply.payload)
    return told


def codes(reply: Reply) -> list[str]:
    return [error["code"] for error in said(reply)["errors"]]


def given_numbers(link: OpenLink) -> list[int]:
    """Acceptance numbers in the order the link is given them."""
    given = link.give()
    messages = [legacy_codec({}).decode(Parcel(o.content)).messages[0] for o in given.outgoing]
    return [getattr(message, "number", 0) for message in messages]


def test_an_acceptance_is_taken_and_waits_for_its_link(alice: Person, link: OpenLink) -> None:
    number = numbers()
    reply = post(alice, acceptance(number))
    assert (reply.status, said(reply)["status"]) == (200, "RECEIVED")
    assert [made.lane for made in reply.deliveries] == [Lane.LINK]
    assert given_numbers(link) == [number]


def test_the_same_payload_again_gets_the_same_answer_and_no_second_delivery(alice: Person) -> None:
    payload = acceptance(numbers())
    first, again = post(alice, payload), post(alice, payload)
    assert (again.payload, again.reference) == (first.payload, first.reference)
    assert again.deliveries == ()


def test_a_message_id_with_another_payload_is_a_conflict_and_an_entry(alice: Person) -> None:
    payload = acceptance(numbers())
    post(alice, payload)
    reply = post(alice, payload | {"soFlag": True})
    assert (reply.status, reply.payload) == (409, b"")


def test_the_same_content_under_another_id_is_a_repeat(alice: Person, link: OpenLink) -> None:
    payload = acceptance(numbers())
    post(alice, payload)
    reply = post(alice, payload | {"messageId": str(uuid4()), "sentAt": stamp(now())})
    assert (reply.status, reply.deliveries) == (200, ())


def test_of_the_same_instruction_at_several_workers_at_once_one_is_taken(alice: Person) -> None:
    """Under its own id, and under another's: all are answered alike, and it goes down once."""
    number = numbers()
    payload = acceptance(number)
    told = [payload] * 3 + [payload | {"messageId": str(uuid4())}] * 3
    start = threading.Barrier(len(told))

    def take(one: dict[str, Any]) -> Reply:
        start.wait(10)
        try:
            work: Any = taking(one)
            reply: object = exchange._first_to_commit(alice.tenant_id, work)
        finally:
            connection.close()
        assert isinstance(reply, Reply)
        return reply

    with ThreadPoolExecutor(len(told)) as workers:
        replies = list(workers.map(take, told))
    assert {(reply.status, said(reply)["status"]) for reply in replies} == {(200, "RECEIVED")}
    assert len({reply.payload for reply in replies}) == 2, "each id has its first answer"
    assert sum(len(reply.deliveries) for reply in replies) == 1
    with tenant_scope(alice.tenant_id):
        row = Instruction.objects.get(number=number)
        assert Delivery.objects.filter(message_id=row.message_id).count() == 1


def test_a_known_number_with_other_content_is_refused(alice: Person) -> None:
    payload = acceptance(numbers())
    post(alice, payload)
    reply = post(alice, payload | {"messageId": str(uuid4()), "soFlag": True})
    assert (reply.status, codes(reply)) == (422, [RefusalCode.ALREADY_ANSWERED])


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"controlPoint": "NOSUCH"}, "/controlPoint"),
        ({"controlPoint": "BOBCP1", "bmUnit": "BOBCP1-1"}, "/controlPoint"),
        ({"bmUnit": "NOSUCH-1"}, "/bmUnit"),
        ({"bmUnit": "BOBCP1-1"}, "/bmUnit"),
        ({"bmUnit": "ALICP2-1"}, "/bmUnit"),
    ],
)
def test_what_is_not_this_tenants_is_refused_as_unknown(
    alice: Person, bob: Person, changes: dict[str, Any], pointer: str
) -> None:
    reply = post(alice, acceptance(numbers(), **changes))
    (error,) = said(reply)["errors"]
    assert (reply.status, error["code"], error["path"]) == (422, "R002", pointer)


def levels(*minutes: int) -> list[dict[str, Any]]:
    times = [stamp(minute(after)) for after in minutes]
    return [
        {"timeFrom": a, "levelFrom": 1, "timeTo": b, "levelTo": 1}
        for a, b in itertools.pairwise(times)
    ]


def test_what_the_control_points_protocol_cannot_say_is_refused_and_stops_nobody(
    alice: Person, link: OpenLink
) -> None:
    endless = acceptance(numbers(), levels=levels(*range(2, 8000)))
    reply = post(alice, endless)
    assert (reply.status, codes(reply)) == (422, [RefusalCode.OUT_OF_RANGE])
    following = numbers()
    post(alice, acceptance(following))
    assert given_numbers(link) == [following]


def test_a_lower_number_that_overlaps_one_still_waiting_is_kept_and_not_sent(
    alice: Person, link: OpenLink
) -> None:
    number = numbers()
    post(alice, acceptance(number))
    reply = post(alice, acceptance(number - 1))
    assert (reply.status, reply.deliveries) == (200, ())
    assert given_numbers(link) == [number]
    with tenant_scope(alice.tenant_id):
        late = Instruction.objects.get(number=number - 1)
        events = Entry.objects.filter(message_id=late.message_id)
        assert "alarmed" in set(events.values_list("event", flat=True))


def test_a_lower_number_that_overlaps_nothing_is_still_sent(alice: Person, link: OpenLink) -> None:
    number = numbers()
    post(alice, acceptance(number, levels=levels(30, 40)))
    post(alice, acceptance(number - 1, levels=levels(2, 10)))
    assert given_numbers(link) == [number, number - 1]


def test_after_its_time_to_respond_it_is_kept_and_not_sent(alice: Person, link: OpenLink) -> None:
    past = stamp(now() - timedelta(seconds=1))
    reply = post(alice, acceptance(numbers(), respondBy=past))
    assert reply.status == 200
    assert given_numbers(link) == [0], "a text that says so, and no acceptance"


def sent(person: Person, link: OpenLink) -> UUID:
    """A redeclaration that was claimed: the operator may have it."""
    (made,) = link.say(mel()).deliveries
    in_tenant(person.tenant_id, lambda: take_in_hand(made.id, 1))
    return made.id


def settle(person: Person, delivery_id: UUID, how: str) -> None:
    def work() -> None:
        row = load_locked(delivery_id)
        assert row is not None
        if how == "retry":
            verdicts.retry(row, now(), timedelta(seconds=30))
        elif how == "hold":
            verdicts.hold(row, now(), now() + timedelta(seconds=30), "out")
        elif how == "received":
            verdicts.await_final(row, now())

    in_tenant(person.tenant_id, work)


def receipt(in_reply_to: UUID, status: str) -> dict[str, Any]:
    return {
        "type": "receipt",
        "messageId": str(uuid4()),
        "sentAt": stamp(now()),
        "profile": "host-1",
        "inReplyTo": str(in_reply_to),
        "status": status,
        "errors": [],
    }


@pytest.mark.parametrize("how", ["claimed", "retry", "hold", "received"])
@pytest.mark.parametrize(
    ("status", "state"),
    [("ACCEPTED", DeliveryState.ACKNOWLEDGED), ("REJECTED", DeliveryState.REFUSED)],
)
def test_a_later_receipt_ends_a_delivery_wherever_it_stands(
    alice: Person, link: OpenLink, how: str, status: str, state: DeliveryState
) -> None:
    delivery_id = sent(alice, link)
    settle(alice, delivery_id, how)
    assert post(alice, receipt(delivery_id, status), "Redeclaration").status == 200
    with tenant_scope(alice.tenant_id):
        row = Delivery.objects.get(id=delivery_id)
        assert row.state == state
        results = Message.objects.filter(answers=row.message, kind="RESULT")
        assert results.exclude(deliveries__outcome_code="R999").exists()
    again = post(alice, receipt(delivery_id, status), "Redeclaration")
    assert (again.status, codes(again)) == (422, [RefusalCode.ALREADY_ANSWERED])


def test_another_tenants_receipt_is_an_unknown_one(
    alice: Person, bob: Person, link: OpenLink
) -> None:
    delivery_id = sent(alice, link)
    reply = post(bob, receipt(delivery_id, "ACCEPTED"), "Redeclaration")
    assert (reply.status, codes(reply)) == (422, [RefusalCode.UNKNOWN_UNIT])


def test_a_second_look_does_not_alarm_before_the_final_receipt_is_late(
    alice: Person, link: OpenLink
) -> None:
    delivery_id = sent(alice, link)
    settle(alice, delivery_id, "received")
    in_tenant(alice.tenant_id, lambda: watch.look_after(delivery_id))
    assert Due.objects.filter(delivery_id=delivery_id).exists()
    with tenant_scope(alice.tenant_id):
        events = Entry.objects.filter(delivery_id=delivery_id)
        assert "alarmed" not in set(events.values_list("event", flat=True))


@pytest.mark.parametrize("how", ["retry", "hold"])
def test_a_pause_is_kept_however_often_it_is_woken(alice: Person, link: OpenLink, how: str) -> None:
    delivery_id = sent(alice, link)
    settle(alice, delivery_id, how)
    claimed = in_tenant(alice.tenant_id, lambda: take_in_hand(delivery_id, 2))
    assert not hasattr(claimed, "sealed")
    assert due.pick(Room(10), Room(10)) == []


def test_a_worker_that_was_overtaken_takes_no_verdict_back(alice: Person, link: OpenLink) -> None:
    delivery_id = sent(alice, link)
    settle(alice, delivery_id, "received")
    with tenant_scope(alice.tenant_id):
        assert Delivery.objects.get(id=delivery_id).state == DeliveryState.DELIVERED
    post(alice, receipt(delivery_id, "ACCEPTED"), "Redeclaration")
    with tenant_scope(alice.tenant_id):
        assert Delivery.objects.get(id=delivery_id).state == DeliveryState.ACKNOWLEDGED


def test_what_a_lost_commit_had_numbered_is_found_by_the_next_look(
    alice: Person, link: OpenLink
) -> None:
    """The gateway does not know that it had given a number: it asks from the last it wrote on."""
    acknowledge_all(link)
    number = numbers()
    post(alice, acceptance(number))
    first = links.give(link.hold, 100, link.written)
    again = links.give(link.hold, 100, link.written)
    assert first.outgoing == again.outgoing
    assert len(first.outgoing) == 1


def acknowledge_all(link: OpenLink) -> None:
    for outgoing in link.give().outgoing:
        links.acknowledge(link.hold, outgoing.number, now())


def test_expired_ones_do_not_make_a_full_look_seem_the_last(alice: Person, link: OpenLink) -> None:
    links.close_link(link.hold, "so that they wait")
    for _ in range(3):
        post(alice, acceptance(numbers()))
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(lane=Lane.LINK, state=DeliveryState.PENDING).update(
            deadline=now() - timedelta(seconds=1)
        )
    last = numbers()
    post(alice, acceptance(last))
    link = open_link(alice, POINT)
    given = link.give(3)
    assert (given.outgoing, given.is_full) == ((), True)
    assert given_numbers(link) == [last, 0, 0, 0], "and a text about each of the others"


def test_an_acknowledgement_on_a_link_that_was_replaced_counts_for_nothing(
    alice: Person, link: OpenLink
) -> None:
    post(alice, acceptance(numbers()))
    (outgoing,) = link.give().outgoing
    open_link(alice, POINT)
    with pytest.raises(LinkReplaced):
        links.acknowledge(link.hold, outgoing.number, now())


def test_an_answer_does_not_wait_behind_a_redeclaration(alice: Person, link: OpenLink) -> None:
    number = numbers()
    post(alice, acceptance(number))
    (outgoing,) = link.give().outgoing
    stuck = sent(alice, link)
    settle(alice, stuck, "retry")
    answer = InstructionAnswer(POINT, UNIT, number, Verdict.ACCEPTED)
    reference = link.hold.profile.number_text(outgoing.number)
    (made,) = link.say(answer, reply_to=reference).deliveries
    claimed = in_tenant(alice.tenant_id, lambda: take_in_hand(made.id, 3))
    assert hasattr(claimed, "sealed")
