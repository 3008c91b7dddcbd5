"""An endpoint that does not answer is left alone, but for one delivery at a time; what waits for it
waits as a row, and goes when it answers again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import override_settings

from messaging.models import Attempt, Breaker, BreakerDue, Delivery, Due
from messaging.probing.run import run
from messaging.relay import breakers, due, publishing, wake
from messaging.relay.deliver import deliver
from messaging.relay.due import Room
from messaging.states import BreakerState, DeliveryState, Urgency
from tenants.clock import now
from tenants.scope import in_tenant, tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link
from tests.relay.outages.conftest import events, look, state_of
from tests.relay.sealing.both_ends import BothEnds
from tests.relay.test_from_control_point import mel

MOST = 3
ONE, OTHER = "ALICP1-1", "ALICP1-2"
_minutes = itertools.count(1)


@pytest.fixture(autouse=True)
def no_breaker(alice: Person, all_is_well: None) -> Iterator[None]:
    with tenant_scope(alice.tenant_id):
        Breaker.objects.all().delete()
    BreakerDue.objects.all().delete()
    with override_settings(BREAKER_FAILURES=MOST):
        yield


@pytest.fixture
def links(alice: Person) -> list[OpenLink]:
    return [open_link(alice, point) for point in alice.control_points]


def say(link: OpenLink, unit: str) -> UUID:
    (made,) = link.say(mel(unit, start_in=next(_minutes))).deliveries
    return made.id


def units(person: Person) -> list[tuple[int, str]]:
    return [
        (index, unit)
        for index, point in enumerate(person.control_points)
        for unit in person.bm_units[point]
    ]


def breaker(person: Person) -> Breaker:
    with tenant_scope(person.tenant_id):
        found: Breaker = Breaker.objects.get()
    return found


def attempts(person: Person) -> int:
    with tenant_scope(person.tenant_id):
        return Attempt.objects.count()


def try_again(person: Person, delivery_id: UUID) -> None:
    """As when the delivery's own pause is over."""
    with tenant_scope(person.tenant_id):
        Delivery.objects.filter(id=delivery_id).update(wait_until=None)
    deliver(person.tenant_id, delivery_id)


def open_it(ends: BothEnds, person: Person, delivery_id: UUID) -> None:
    ends.fault("http_500")
    for _ in range(MOST):
        try_again(person, delivery_id)
    assert breaker(person).state == BreakerState.OPEN


def pause_is_over(person: Person) -> None:
    with tenant_scope(person.tenant_id):
        Breaker.objects.update(open_until=now() - timedelta(seconds=1))
    BreakerDue.objects.update(due_at=now())


def due_now() -> set[UUID]:
    return set(Due.objects.filter(due_at__lte=now()).values_list("delivery_id", flat=True))


def test_it_opens_after_so_many_failures_and_keeps_back_all_but_one(
    ends: BothEnds, alice: Person, links: list[OpenLink]
) -> None:
    first, *others = [say(links[index], unit) for index, unit in units(alice)]
    open_it(ends, alice, first)
    tried = attempts(alice)
    for one in (first, *others):
        try_again(alice, one)
    assert attempts(alice) == tried, "nothing is tried while it is open"
    assert not due_now() & {first, *others}, "what waits costs no hand"
    pause_is_over(alice)
    breakers.look()
    (chosen,) = due_now() & {first, *others}
    assert chosen == others[0], "not the one that was tried last; of the others the oldest"
    for one in (first, *others):
        try_again(alice, one)
    assert attempts(alice) == tried + 1
    assert breaker(alice).state == BreakerState.OPEN
    assert breaker(alice).pauses == 2


def test_when_one_is_answered_it_closes_and_the_others_go(
    ends: BothEnds, alice: Person, links: list[OpenLink]
) -> None:
    said = [say(links[index], unit) for index, unit in units(alice)]
    open_it(ends, alice, said[0])
    for one in said[1:]:
        try_again(alice, one)
    ends.control("DELETE", "/faults")
    pause_is_over(alice)
    breakers.look()
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(wait_until=None)
    deliver(alice.tenant_id, said[1])
    assert state_of(alice, said[1]) == DeliveryState.ACKNOWLEDGED
    assert breaker(alice).state == BreakerState.CLOSED
    assert not BreakerDue.objects.exists()
    left = {said[0], said[2], said[3]}
    assert due_now() >= left, "whoever closes it makes them due"
    for one in left:
        deliver(alice.tenant_id, one)
        assert state_of(alice, one) in (DeliveryState.ACKNOWLEDGED, DeliveryState.REFUSED)


def test_its_opening_and_closing_are_entries_and_alarms_once(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    before = len(events(alice, "breaker changed")), len(events(alice, "alarmed"))
    one = say(link, ONE)
    open_it(ends, alice, one)
    for _ in range(2):
        pause_is_over(alice)
        try_again(alice, one)
    ends.control("DELETE", "/faults")
    pause_is_over(alice)
    try_again(alice, one)
    told = events(alice, "breaker changed")[before[0] :]
    assert [(t["detail"]["from"], t["detail"]["to"]) for t in told] == [
        ("CLOSED", "OPEN"),
        ("HALF_OPEN", "CLOSED"),
    ]
    alarms = [e["detail"]["alarm"] for e in events(alice, "alarmed")[before[1] :]]
    assert len(alarms) == 2
    assert "3 tries failed in a row: HTTP 500" in alarms[0]
    assert "is good again" in alarms[1]


def test_a_way_that_comes_and_goes_is_alarmed_once_a_minute(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    before = len(events(alice, "alarmed"))
    for _ in range(3):
        one = say(link, ONE)
        open_it(ends, alice, one)
        ends.control("DELETE", "/faults")
        pause_is_over(alice)
        try_again(alice, one)
        assert breaker(alice).state == BreakerState.CLOSED
    assert len(events(alice, "alarmed")) - before == 2


@pytest.mark.parametrize("fault", ["http_503", "r999", "wrong_key"])
def test_an_answer_is_no_failure_whatever_it_says(
    ends: BothEnds, alice: Person, link: OpenLink, fault: str
) -> None:
    one = say(link, ONE)
    ends.fault(fault)
    for _ in range(MOST):
        try_again(alice, one)
    with tenant_scope(alice.tenant_id):
        assert not Breaker.objects.exclude(state=BreakerState.CLOSED).exists()


def test_an_answer_in_between_begins_the_count_anew(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    one = say(link, ONE)
    ends.fault("http_500")
    for _ in range(MOST - 1):
        try_again(alice, one)
    assert breaker(alice).failures == MOST - 1
    ends.control("DELETE", "/faults")
    try_again(alice, one)
    assert breaker(alice).failures == 0
    assert breaker(alice).state == BreakerState.CLOSED


def test_only_one_worker_tries_at_a_time(
    ends: BothEnds, alice: Person, links: list[OpenLink]
) -> None:
    said = [say(links[index], unit) for index, unit in units(alice)]
    open_it(ends, alice, said[0])
    pause_is_over(alice)
    with tenant_scope(alice.tenant_id):
        Breaker.objects.update(state=BreakerState.HALF_OPEN, probe_id=said[1])
    Due.objects.filter(delivery_id=said[1]).update(owner=77)
    tried = attempts(alice)
    for one in said[2:]:
        try_again(alice, one)
    breakers.look()
    assert breaker(alice).state == BreakerState.HALF_OPEN
    assert attempts(alice) == tried


def test_when_who_tried_is_gone_another_is_tried(
    ends: BothEnds, alice: Person, links: list[OpenLink]
) -> None:
    """Its process died, or it came to another end."""
    said = [say(links[index], unit) for index, unit in units(alice)]
    open_it(ends, alice, said[0])
    with tenant_scope(alice.tenant_id):
        Breaker.objects.update(state=BreakerState.HALF_OPEN, probe_id=said[1])
        Delivery.objects.filter(id=said[1]).update(state=DeliveryState.ABANDONED)
    due_rows = Due.objects.filter(delivery_id=said[1])
    due_rows.delete()
    BreakerDue.objects.update(due_at=now())
    ends.control("DELETE", "/faults")
    breakers.look()
    assert breaker(alice).state == BreakerState.OPEN
    deliver(alice.tenant_id, said[2])
    assert breaker(alice).state == BreakerState.CLOSED


def test_what_waits_for_a_breaker_expires_all_the_same(
    ends: BothEnds, alice: Person, links: list[OpenLink]
) -> None:
    first, second = say(links[0], ONE), say(links[0], OTHER)
    open_it(ends, alice, first)
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=second).update(deadline=now() + timedelta(seconds=20))
    try_again(alice, second)
    waits = Due.objects.get(delivery_id=second)
    with tenant_scope(alice.tenant_id):
        assert waits.due_at == Delivery.objects.get(id=second).deadline
        Delivery.objects.filter(id=second).update(deadline=now())
    deliver(alice.tenant_id, second)
    assert state_of(alice, second) == DeliveryState.EXPIRED


def test_health_has_one_tried_at_once_and_closes_what_nothing_waits_for(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    one = say(link, ONE)
    open_it(ends, alice, one)
    ends.control("DELETE", "/faults")
    with tenant_scope(alice.tenant_id):
        Breaker.objects.update(open_until=now() + timedelta(minutes=1))
    look(alice)
    hurried = breaker(alice)
    assert hurried.open_until is not None
    assert hurried.open_until <= now()
    assert hurried.state == BreakerState.OPEN, "that is for the message itself to show"
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=one).update(state=DeliveryState.ABANDONED)
    Due.objects.filter(delivery_id=one).delete()
    look(alice)
    assert breaker(alice).state == BreakerState.CLOSED


def test_a_person_closes_it_by_a_connection_test_that_is_good(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    one = say(link, ONE)
    open_it(ends, alice, one)
    endpoint_id = breaker(alice).endpoint_id
    assert run(alice.tenant_id, endpoint_id, "a person").colour != "green"
    assert breaker(alice).state == BreakerState.OPEN
    ends.control("DELETE", "/faults")
    report = run(alice.tenant_id, endpoint_id, "a person")
    expected = BreakerState.CLOSED if report.colour == "green" else BreakerState.OPEN
    assert breaker(alice).state == expected
    in_tenant(alice.tenant_id, lambda: breakers.close(endpoint_id, now(), "by hand", "ada"))
    assert breaker(alice).state == BreakerState.CLOSED
    assert events(alice, "breaker changed")[-1]["detail"]["by"] in {"a person", "ada"}


def test_a_closed_breaker_costs_the_way_out_no_statement(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    one = say(link, ONE)
    statements: list[str] = []

    def listen(execute: Any, sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(listen):
        deliver(alice.tenant_id, one)
    assert state_of(alice, one) == DeliveryState.ACKNOWLEDGED
    asked = [text for text in statements if "messaging_breaker" in text]
    assert asked
    assert all("FROM messaging_delivery d" in text for text in asked), "read with the delivery"


def test_a_sweep_hands_out_no_more_than_there_is_room_for(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    said = [say(link, unit) for unit in (ONE, OTHER)]
    Due.objects.filter(delivery_id__in=said).update(due_at=now())
    assert due.pick(Room(0), Room(0)) == []
    assert [one.delivery_id for one in due.pick(Room(1), Room(0))] == [said[0]]


def test_a_sweep_hands_out_nothing_that_the_workers_have_yet_to_come_to(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    """It would be in their queue twice, and then twice again."""
    said = [say(link, unit) for unit in (ONE, OTHER)]
    for seconds, one in zip((3, 30), said, strict=True):
        Due.objects.filter(delivery_id=one).update(due_at=now() - timedelta(seconds=seconds))
    busy = Room(100, timedelta(0), timedelta(seconds=10))
    assert [one.delivery_id for one in due.pick(busy, Room(0))] == [said[1]]
    Due.objects.filter(delivery_id=said[0]).update(urgency=Urgency.INSTRUCTION)
    assert [one.delivery_id for one in due.pick(busy, Room(0))] == [said[0]]
    assert due.pick(busy, Room(0)) == []


def test_a_broker_that_is_away_has_room_for_nothing() -> None:
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        publishing.broker.cache_clear()
        try:
            assert wake.room_in("urgent") == Room(0)
        finally:
            publishing.broker.cache_clear()
