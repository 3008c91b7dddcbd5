"""Receipts that come after the fact, for redeclarations and submissions alike: the first final one
wins, and where none comes in time there is an alarm and no resend.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from messaging.domain.acknowledgements import TakenRedeclaration
from messaging.domain.units import RefusalCode
from messaging.models import Declared, Delivery, Due, Message
from messaging.protocols.base import Envelope, Stamp
from messaging.protocols.neso.wa.exchange import ReceiptMode
from messaging.relay import normalization, verdicts, watch
from messaging.relay.claim import Claimed, NotClaimed
from messaging.relay.codecs import operator_codec
from messaging.relay.deliver import take_in_hand
from messaging.relay.load import load_locked
from messaging.relay.parts import queue_of
from messaging.relay.register import find_operator
from messaging.relay.rows import NewMessage, insert_delivery, insert_message
from messaging.states import DeliveryState, Lane
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.ids import new_id
from tenants.models import Environment
from tenants.scope import in_tenant, tenant_scope
from tests.people import Person
from tests.protocols.neso.rows import SUBMISSION
from tests.relay.conftest import OpenLink, open_link
from tests.relay.test_from_control_point import mel
from tests.relay.test_from_operator import POINT, codes, post, receipt

Make = Callable[[Person], UUID]


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person) -> None:
    """Each test starts with an empty queue."""
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
    Due.objects.all().delete()


def redeclaration(person: Person) -> UUID:
    link: OpenLink = open_link(person, POINT)
    (made,) = link.say(mel()).deliveries
    return made.id


def submission(person: Person) -> UUID:
    """A file's records for the operator, as they go out."""

    def work() -> UUID:
        endpoint = find_operator(Environment.SIMULATOR)
        assert endpoint is not None
        codec = operator_codec(endpoint.settings)
        content = codec.encode(Envelope(Stamp(str(new_id()), now()), (SUBMISSION,))).content
        message_id = insert_message(
            NewMessage(
                endpoint_id=endpoint.id,
                origin=Message.Origin.HOST,
                kind="SUBMISSION",
                bm_unit="",
                reference="",
                content=content,
                received_at=now(),
                profile=codec.profile.name,
            )
        )
        until = now() + timedelta(hours=1)
        times = {"at": now(), "due_at": now(), "deadline": until}
        queue = queue_of(SUBMISSION)
        return insert_delivery(message_id, endpoint.id, Lane.OPERATOR, queue, **times).id

    return in_tenant(person.tenant_id, work)


SERVICES = {"Redeclaration": redeclaration, "Submission": submission}
each_service = pytest.mark.parametrize("service", SERVICES)


def received(person: Person, service: str) -> UUID:
    """A message that the operator has, and has said no more of than that."""
    delivery_id = SERVICES[service](person)
    claimed = in_tenant(person.tenant_id, lambda: take_in_hand(delivery_id, 1))
    assert isinstance(claimed, Claimed)
    assert claimed.exchange.service.name == service
    assert claimed.exchange.receipt is ReceiptMode.LATER

    def work() -> None:
        row = load_locked(delivery_id)
        assert row is not None
        verdicts.await_final(row, now())

    in_tenant(person.tenant_id, work)
    return delivery_id


def state_of(person: Person, delivery_id: UUID) -> str:
    with tenant_scope(person.tenant_id):
        return str(Delivery.objects.get(id=delivery_id).state)


def alarms(person: Person, delivery_id: UUID) -> int:
    with tenant_scope(person.tenant_id):
        return Entry.objects.filter(delivery_id=delivery_id, event="alarmed").count()


def pass_time(person: Person, delivery_id: UUID, seconds: int) -> None:
    """As if it had been sent so long ago; then somebody looks after it."""
    with tenant_scope(person.tenant_id):
        at = now() - timedelta(seconds=seconds)
        Delivery.objects.filter(id=delivery_id).update(sent_at=at)
    in_tenant(person.tenant_id, lambda: watch.look_after(delivery_id))


@each_service
@pytest.mark.parametrize(
    ("first", "state"),
    [("ACCEPTED", DeliveryState.ACKNOWLEDGED), ("REJECTED", DeliveryState.REFUSED)],
)
def test_the_first_final_receipt_wins_and_any_other_is_refused(
    alice: Person, service: str, first: str, state: DeliveryState
) -> None:
    delivery_id = received(alice, service)
    assert post(alice, receipt(delivery_id, first), service).status == 200
    assert state_of(alice, delivery_id) == state
    for status in ("ACCEPTED", "REJECTED"):
        again = post(alice, receipt(delivery_id, status), service)
        assert (again.status, codes(again)) == (422, [RefusalCode.ALREADY_ANSWERED])
    assert state_of(alice, delivery_id) == state


@pytest.mark.parametrize(
    ("first", "then", "wanted"),
    [
        ("ACCEPTED", "REJECTED", 1),
        ("REJECTED", "ACCEPTED", 1),
        ("ACCEPTED", "ACCEPTED", 0),
        ("REJECTED", "REJECTED", 0),
    ],
)
def test_one_that_says_otherwise_changes_nothing_and_is_alarmed(
    alice: Person, first: str, then: str, wanted: int
) -> None:
    delivery_id = received(alice, "Redeclaration")
    post(alice, receipt(delivery_id, first), "Redeclaration")
    ended = state_of(alice, delivery_id)
    again = post(alice, receipt(delivery_id, then), "Redeclaration")
    assert (again.status, codes(again)) == (422, [RefusalCode.ALREADY_ANSWERED])
    assert state_of(alice, delivery_id) == ended
    assert alarms(alice, delivery_id) == wanted
    with tenant_scope(alice.tenant_id):
        doubt = Declared.objects.get(bm_unit="ALICP1-1", parameter="MEL").doubt
    assert bool(doubt) is ("REJECTED" in (first, then)), "who can tell what is in force?"


def test_a_rejection_of_what_normalization_settled_is_alarmed(alice: Person) -> None:
    """The operator named it as taken, and judged it after that."""
    delivery_id = redeclaration(alice)
    in_tenant(alice.tenant_id, lambda: take_in_hand(delivery_id, 1))
    one = TakenRedeclaration("ALICP1-1", "MEL", str(delivery_id))
    endpoint = in_tenant(alice.tenant_id, lambda: find_operator(Environment.SIMULATOR))
    assert endpoint is not None
    tally = normalization._Tally()
    in_tenant(alice.tenant_id, lambda: normalization._settle(endpoint.id, one, None, tally))
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
    told = post(alice, receipt(delivery_id, "REJECTED"), "Redeclaration")
    assert (told.status, codes(told)) == (422, [RefusalCode.ALREADY_ANSWERED])
    assert alarms(alice, delivery_id) == 1


def named(person: Person, delivery_id: UUID) -> None:
    """The operator names it, asked what it took last."""
    one = TakenRedeclaration("ALICP1-1", "MEL", str(delivery_id))

    def work() -> None:
        endpoint = find_operator(Environment.SIMULATOR)
        assert endpoint is not None
        normalization._settle(endpoint.id, one, None, normalization._Tally())

    in_tenant(person.tenant_id, work)


def test_normalization_settles_what_was_received_only_once_its_last_word_is_overdue(
    alice: Person,
) -> None:
    """Until then to be named says no more than that it was received."""
    delivery_id = received(alice, "Redeclaration")
    named(alice, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.DELIVERED
    pass_time(alice, delivery_id, 601)
    assert alarms(alice, delivery_id) == 1
    named(alice, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
    named(alice, delivery_id)
    assert alarms(alice, delivery_id) == 1


@each_service
def test_one_that_says_only_again_that_it_came_ends_nothing(alice: Person, service: str) -> None:
    delivery_id = received(alice, service)
    assert post(alice, receipt(delivery_id, "RECEIVED"), service).status == 200
    assert state_of(alice, delivery_id) == DeliveryState.DELIVERED
    assert post(alice, receipt(delivery_id, "ACCEPTED"), service).status == 200
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED


@each_service
def test_the_receipt_is_stored_as_an_answer_to_the_message(alice: Person, service: str) -> None:
    delivery_id = received(alice, service)
    told = receipt(delivery_id, "ACCEPTED")
    post(alice, told, service)
    with tenant_scope(alice.tenant_id):
        row = Message.objects.get(reference=told["messageId"])
        delivery = Delivery.objects.get(id=delivery_id)
    assert (row.kind, row.answers_id, row.profile) == ("RECEIPT", delivery.message_id, "host-1")


@each_service
def test_without_one_in_time_there_is_one_alarm_and_no_resend(alice: Person, service: str) -> None:
    delivery_id = received(alice, service)
    pass_time(alice, delivery_id, 599)
    assert alarms(alice, delivery_id) == 0
    assert Due.objects.filter(delivery_id=delivery_id).exists()
    pass_time(alice, delivery_id, 601)
    assert alarms(alice, delivery_id) == 1
    assert not Due.objects.filter(delivery_id=delivery_id).exists()
    again = in_tenant(alice.tenant_id, lambda: take_in_hand(delivery_id, 2))
    assert isinstance(again, NotClaimed)
    assert state_of(alice, delivery_id) == DeliveryState.DELIVERED


@each_service
def test_one_that_comes_after_the_alarm_still_ends_it(alice: Person, service: str) -> None:
    delivery_id = received(alice, service)
    pass_time(alice, delivery_id, 601)
    assert post(alice, receipt(delivery_id, "REJECTED"), service).status == 200
    assert state_of(alice, delivery_id) == DeliveryState.REFUSED


@each_service
def test_a_receipt_at_the_other_service_is_as_good(alice: Person, service: str) -> None:
    """What it answers is told by its member, not by its address."""
    delivery_id = received(alice, service)
    other = next(name for name in SERVICES if name != service)
    assert post(alice, receipt(delivery_id, "ACCEPTED"), other).status == 200
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
