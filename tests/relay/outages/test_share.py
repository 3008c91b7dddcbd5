"""A slow operator holds its share of a process's threads and no more; what finds no room waits as a
row, and is handed out when there is room.
"""

from __future__ import annotations

import json
import threading
import time
from ast import literal_eval
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
import redis
from django.db import connection
from django.test import override_settings

from messaging.models import Breaker, Delivery, Due
from messaging.relay import breaker_rows, breakers, draining, parking, publishing
from messaging.relay.breaking import Circuit
from messaging.relay.deliver import deliver
from messaging.states import UNDELIVERED, BreakerState, DeliveryState
from tenants.clock import now
from tenants.scope import tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link
from tests.relay.outages.conftest import state_of
from tests.relay.outages.test_breaker import ONE, OTHER, say
from tests.relay.sealing.both_ends import BothEnds
from tests.servers import TestServers

LIST = publishing.list_of("urgent", 3)
WAITED = publishing.list_of("urgent", 6)
WITHIN = 20.0


@pytest.fixture
def broker(servers: TestServers) -> Iterator[redis.Redis]:
    with override_settings(REDIS_URL=servers.redis):
        publishing.broker.cache_clear()
        found = publishing.broker()
        found.delete(LIST, WAITED)
        yield found
        found.delete(LIST, WAITED)
    publishing.broker.cache_clear()


@pytest.fixture
def few_threads() -> Iterator[None]:
    """Of which one endpoint may have one."""
    parking.share_threads(4)
    yield
    parking.share_threads(16)


@pytest.fixture(autouse=True)
def no_breaker(alice: Person, all_is_well: None) -> None:
    with tenant_scope(alice.tenant_id):
        Breaker.objects.all().delete()


def begun(ends: BothEnds, person: Person, delivery_id: UUID) -> threading.Thread:
    """Its exchange, under way with an operator that takes its time."""

    def work() -> None:
        try:
            deliver(person.tenant_id, delivery_id)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + WITHIN
    while state_of(person, delivery_id) != DeliveryState.CLAIMED:
        assert time.monotonic() < deadline, "it was not claimed"
        time.sleep(0.02)
    return thread


def test_what_finds_no_room_waits_as_a_row_and_goes_when_there_is(
    ends: BothEnds, alice: Person, link: OpenLink, broker: redis.Redis, few_threads: None
) -> None:
    first, second = say(link, ONE), say(link, OTHER)
    ends.fault("latency", ms=2_000)
    thread = begun(ends, alice, first)
    broker.delete(LIST)
    deliver(alice.tenant_id, second)
    assert state_of(alice, second) == DeliveryState.PENDING
    waits = Due.objects.get(delivery_id=second)
    assert waits.owner is None
    assert waits.due_at > now() + timedelta(seconds=20), "no sweep hands it out in vain"
    assert not broker.llen(WAITED)
    thread.join(WITHIN)
    (told,) = broker.lrange(WAITED, 0, -1)
    assert str(second) in json.loads(told)["headers"]["argsrepr"]
    ends.control("DELETE", "/faults")
    deliver(alice.tenant_id, second)
    assert state_of(alice, second) == DeliveryState.ACKNOWLEDGED


def woken(broker: redis.Redis, name: str) -> list[str]:
    """The deliveries of the tasks in a list, the first one first."""
    tasks = reversed(broker.lrange(name, 0, -1))
    return [literal_eval(json.loads(one)["headers"]["argsrepr"])[1] for one in tasks]


def test_of_each_unit_the_first_alone_waits_for_room_and_wakes_the_next_when_it_ends(
    ends: BothEnds, alice: Person, link: OpenLink, broker: redis.Redis, few_threads: None
) -> None:
    """However many come for a slow endpoint: what must wait behind another is looked at once."""
    under_way, first, *behind = say(link, ONE), *(say(link, OTHER) for _ in range(3))
    ends.fault("latency", ms=2_000)
    thread = begun(ends, alice, under_way)
    broker.delete(LIST)
    for one in (first, *behind):
        deliver(alice.tenant_id, one)
    for one in behind:
        assert Due.objects.get(delivery_id=one).due_at > now() + timedelta(minutes=9)
    thread.join(WITHIN)
    assert woken(broker, WAITED) == [str(first)]
    ends.control("DELETE", "/faults")
    broker.delete(LIST, WAITED)
    deliver(alice.tenant_id, first)
    assert str(behind[0]) in woken(broker, LIST)
    assert Due.objects.get(delivery_id=behind[0]).due_at <= now()
    assert Due.objects.get(delivery_id=behind[1]).due_at > now() + timedelta(minutes=9)
    for one in behind:
        deliver(alice.tenant_id, one)
        assert state_of(alice, one) == DeliveryState.ACKNOWLEDGED


def test_what_waits_for_room_is_not_run_through_in_vain_when_the_breaker_opens(
    ends: BothEnds, alice: Person, link: OpenLink, broker: redis.Redis, few_threads: None
) -> None:
    other_link = open_link(alice, alice.control_points[1])
    under_way, first = say(link, ONE), say(link, OTHER)
    second = say(other_link, alice.bm_units[alice.control_points[1]][0])
    ends.fault("latency", ms=2_000)
    thread = begun(ends, alice, under_way)
    for one in (first, second):
        deliver(alice.tenant_id, one)
    with tenant_scope(alice.tenant_id):
        operator = Delivery.objects.get(id=first).endpoint_id
        assert operator is not None
        breaker = breaker_rows.locked(operator)
        in_a_minute = now() + timedelta(minutes=1)
        breaker_rows.write(breaker, Circuit(BreakerState.OPEN, 5, 1, in_a_minute))
    thread.join(WITHIN)
    assert woken(broker, WAITED) == [str(first)]
    deliver(alice.tenant_id, first)
    assert woken(broker, WAITED) == [str(first)], "the second would be kept back as well"
    ends.control("DELETE", "/faults")
    with tenant_scope(alice.tenant_id):
        made = breakers.close(operator, now(), "a person has looked", "alice")
    assert {one.id for one in made} == {first, second}
    assert Due.objects.filter(delivery_id__in=[first, second], due_at__lte=now()).count() == 2
    for one in (first, second):
        deliver(alice.tenant_id, one)
        assert state_of(alice, one) not in UNDELIVERED


def test_a_process_that_is_about_to_end_takes_nothing_in_hand(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    one = say(link, ONE)
    draining.begin()
    try:
        deliver(alice.tenant_id, one)
        assert state_of(alice, one) == DeliveryState.PENDING
        assert Due.objects.get(delivery_id=one).owner is None
    finally:
        draining._asked.clear()
    deliver(alice.tenant_id, one)
    assert state_of(alice, one) == DeliveryState.ACKNOWLEDGED
