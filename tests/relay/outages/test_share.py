"""A slow operator holds its share of a process's threads and no more; what finds no room waits as a
row, and is handed out when there is room.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
import redis
from django.db import connection
from django.test import override_settings

from messaging.models import Due
from messaging.relay import draining, parking, publishing
from messaging.relay.deliver import deliver
from messaging.states import DeliveryState
from tenants.clock import now
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.outages.conftest import state_of
from tests.relay.outages.test_breaker import ONE, OTHER, say
from tests.relay.sealing.both_ends import BothEnds
from tests.servers import TestServers

LIST = publishing.list_of("urgent", 3)
WITHIN = 20.0


@pytest.fixture
def broker(servers: TestServers) -> Iterator[redis.Redis]:
    with override_settings(REDIS_URL=servers.redis):
        publishing.broker.cache_clear()
        found = publishing.broker()
        found.delete(LIST)
        yield found
        found.delete(LIST)
    publishing.broker.cache_clear()


@pytest.fixture
def few_threads() -> Iterator[None]:
    """Of which one endpoint may have one."""
    parking.share_threads(4)
    yield
    parking.share_threads(16)


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
    assert not broker.llen(LIST)
    thread.join(WITHIN)
    (told,) = broker.lrange(LIST, 0, -1)
    assert str(second) in json.loads(told)["headers"]["argsrepr"]
    ends.control("DELETE", "/faults")
    deliver(alice.tenant_id, second)
    assert state_of(alice, second) == DeliveryState.ACKNOWLEDGED


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
