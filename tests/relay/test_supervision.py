"""A link that is lost is alarmed once and its return once, whoever looks and however many; a
gateway that is silent lapses, and its links with it.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, connections

from messaging.domain.acknowledgements import FreeText
from messaging.gateway.heart import Heart
from messaging.models import GatewayProcess, Link, LinkWatch
from messaging.relay import links, presence, supervision
from messaging.relay.hold import LinkReplaced
from messaging.relay.links import Opened
from messaging.relay.register import as_control_point
from tenants import endpoints
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import in_tenant, tenant_scope
from tenants.stalling import end_stalled_transactions
from tests.owners import living, pids, until_gone
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.servers import TestServers

_numbers = itertools.count(1_000)
LONG_AGO = timedelta(seconds=30)
WITHIN = 10.0


@pytest.fixture(autouse=True)
def nothing_is_watched(alice: Person) -> Iterator[None]:
    yield
    with tenant_scope(alice.tenant_id):
        Link.objects.update(alarmed_at=None, gateway=None, down_at=now())
    LinkWatch.objects.update(owner=None, due_at=None)
    GatewayProcess.objects.update(lapsed_at=now())


def connect(person: Person, gateway: int, **settings: Any) -> Opened:
    with tenant_scope(person.tenant_id):
        row = Endpoint.objects.get(name=person.control_points[1])
        endpoints.change(row, settings=settings)
    return links.open_link(person.tenant_id, as_control_point(row), gateway, "test", 0)


def gateway() -> int:
    number = next(_numbers)
    assert presence.hold(number)
    presence.announce(number)
    return number


def ended(servers: TestServers, database: str) -> int:
    """The number of one whose process has ended."""
    with living(servers, database, next(_numbers)) as number:
        presence.announce(number)
    return number


def alarms(person: Person, since: datetime) -> list[dict[str, Any]]:
    with tenant_scope(person.tenant_id):
        rows = Entry.objects.filter(event="alarmed", recorded_at__gte=since).order_by("seq")
        return [json.loads(bytes(row.record))["detail"] for row in rows]


def row_of(opened: Opened) -> Link:
    hold = opened.hold
    return in_tenant(hold.tenant_id, lambda: Link.objects.get(endpoint_id=hold.endpoint_id))


def silence(number: int) -> None:
    """As if it had said nothing for long."""
    GatewayProcess.objects.filter(number=number).update(seen_at=now() - LONG_AGO)


def look_again() -> None:
    """A look, and another after the time that a suspect has."""
    supervision.attend()
    GatewayProcess.objects.exclude(suspected_at=None).update(suspected_at=now() - LONG_AGO)
    supervision.attend()


def overdue() -> None:
    LinkWatch.objects.exclude(due_at=None).update(due_at=now() - LONG_AGO)


def test_a_link_that_is_soon_back_is_not_alarmed(alice: Person) -> None:
    began, number = now(), gateway()
    links.close_link(connect(alice, number).hold, "a test")
    supervision.attend()
    connect(alice, number)
    overdue()
    supervision.attend()
    assert alarms(alice, began) == []


@pytest.mark.parametrize(("settings", "seconds"), [({}, 5), ({"alarm_seconds": 60}, 60)])
def test_how_long_it_may_be_away_is_its_endpoints_setting(
    alice: Person, settings: dict[str, Any], seconds: int
) -> None:
    opened = connect(alice, gateway(), **settings)
    links.close_link(opened.hold, "a test")
    down_at, due_at = (
        row_of(opened).down_at,
        LinkWatch.objects.get(endpoint_id=opened.hold.endpoint_id).due_at,
    )
    assert down_at is not None
    assert due_at is not None
    assert due_at - down_at == timedelta(seconds=seconds)


def test_a_loss_is_alarmed_once_by_many_who_look_at_once_and_so_is_the_return(
    alice: Person,
) -> None:
    began, number = now(), gateway()
    opened = connect(alice, number)
    links.close_link(opened.hold, "a test")
    overdue()

    def look(_: int) -> None:
        try:
            supervision.attend()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(look, range(8)))
    name = alice.control_points[1]
    (lost,) = alarms(alice, began)
    assert (lost["alarm"], lost["control_point"]) == ("link lost", name)
    with tenant_scope(alice.tenant_id):
        Link.objects.filter(endpoint_id=opened.hold.endpoint_id).update(
            down_at=now() - timedelta(seconds=75)
        )
    connect(alice, number)
    connect(alice, number)
    supervision.attend()
    _, back = alarms(alice, began)
    assert (back["alarm"], back["control_point"]) == ("link restored", name)
    assert 75 <= back["down_seconds"] < 90


def test_each_loss_is_alarmed_anew(alice: Person) -> None:
    began, number = now(), gateway()
    for _ in range(2):
        links.close_link(connect(alice, number).hold, "a test")
        overdue()
        supervision.attend()
    told = [alarm["alarm"] for alarm in alarms(alice, began)]
    assert told == ["link lost", "link restored", "link lost"]


def test_a_silent_gateway_lapses_and_its_link_is_down_and_fenced_off(alice: Person) -> None:
    number = gateway()
    opened = connect(alice, number)
    silence(number)
    look_again()
    row = row_of(opened)
    assert (row.gateway, row.epoch) == (None, opened.hold.epoch + 1)
    assert not presence.beat(number), "it must notice"
    link = OpenLink(opened.hold, opened.last_taken, opened.last_given)
    with pytest.raises(LinkReplaced):
        link.say(FreeText(opened.hold.control_point.name, "thawed"))
    with pytest.raises(LinkReplaced):
        link.give()


def test_the_loss_of_a_dead_gateways_link_is_alarmed(alice: Person) -> None:
    began, number = now(), gateway()
    connect(alice, number, alarm_seconds=0)
    silence(number)
    look_again()
    supervision.attend()
    assert [alarm["alarm"] for alarm in alarms(alice, began)] == ["link lost"]


def test_one_that_ends_in_good_order_leaves_nothing_behind(alice: Person) -> None:
    number = gateway()
    opened = connect(alice, number)
    presence.withdraw(number)
    supervision.attend()
    assert row_of(opened).gateway is None


def test_a_link_that_another_gateway_holds_now_stays(alice: Person) -> None:
    dead, live = gateway(), gateway()
    connect(alice, dead)
    opened = connect(alice, live)
    silence(dead)
    look_again()
    row = row_of(opened)
    assert (row.gateway, row.epoch) == (live, opened.hold.epoch)


def test_after_a_time_in_which_the_database_answered_nobody_a_beat_is_in_time(
    alice: Person,
) -> None:
    number = gateway()
    opened = connect(alice, number)
    silence(number)
    supervision.attend()
    assert presence.beat(number)
    look_again()
    assert row_of(opened).gateway == number


def test_a_gateway_that_beats_is_never_suspected(alice: Person) -> None:
    number = gateway()
    assert presence.beat(number)
    look_again()
    assert presence.is_alive(number)


def test_one_whose_process_has_ended_lapses_before_its_silence_is_long(
    alice: Person, servers: TestServers, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For its lock is gone; another, as silent as that, has its lock."""
    monkeypatch.setattr(presence, "SILENT_AFTER", 2 * LONG_AGO)
    killed, other = ended(servers, database), gateway()
    opened = connect(alice, killed)
    silence(killed)
    silence(other)
    look_again()
    assert row_of(opened).gateway is None
    assert presence.is_alive(other)


def test_one_that_lost_its_lock_and_beats_does_not_lapse(
    alice: Person, servers: TestServers, database: str
) -> None:
    """As after a restart of the database, until it has the lock again."""
    number = ended(servers, database)
    look_again()
    assert presence.is_alive(number)
    assert presence.beat(number)
    assert GatewayProcess.objects.get(number=number).suspected_at is None


def test_a_gateway_has_its_lock_while_it_lives_and_again_after_its_session_was_ended(
    alice: Person,
) -> None:
    heart = Heart(lambda: None)
    heart.start()
    try:
        (before,) = eventually_held(heart.number)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [before])
        after = eventually_held(heart.number, other_than=before)
        assert after
        assert presence.is_alive(heart.number)
    finally:
        heart.stop()
    until_gone(heart.number)
    assert not presence.is_alive(heart.number)


def eventually_held(number: int, other_than: int = 0) -> list[int]:
    deadline = time.monotonic() + WITHIN
    while not (found := [pid for pid in pids(number) if pid != other_than]):
        assert time.monotonic() < deadline, "it has no lock"
        time.sleep(0.02)
    return found


def test_a_gateway_lapses_in_time_with_a_look_every_quarter_of_a_second() -> None:
    """The worst case: it ends right after a beat, and each look comes just before it could tell.
    One that is frozen or cut off has its lock, and one that was killed does not.
    """
    looks = presence.LOOKED_EVERY.total_seconds()
    schedule = settings.CELERY_BEAT_SCHEDULE["watch links"]["schedule"]
    assert schedule == looks
    suspected_for = -(-presence.SUSPECTED_FOR // presence.LOOKED_EVERY) * looks
    frozen = presence.SILENT_AFTER.total_seconds() + looks + suspected_for
    assert frozen < presence.LAPSES_WITHIN.total_seconds()
    killed = max(looks + suspected_for, presence.GONE_AFTER.total_seconds() + looks)
    assert killed <= 2


def test_a_process_that_stands_still_with_the_links_row_keeps_nobody_from_it(
    alice: Person,
) -> None:
    """It stands still for as long as the other takes to open the link."""
    number = gateway()
    connect(alice, number)
    has_it, is_open = threading.Event(), threading.Event()
    before = dict(connections.settings["default"]["OPTIONS"])
    end_stalled_transactions(0.5)

    def stand_still() -> None:
        try:
            with tenant_scope(alice.tenant_id):
                list(Link.objects.select_for_update())
                has_it.set()
                assert is_open.wait(30)
        finally:
            connections.close_all()

    try:
        with ThreadPoolExecutor(1) as threads:
            frozen = threads.submit(stand_still)
            assert has_it.wait(30)
            connect(alice, number)
            is_open.set()
            with pytest.raises(DatabaseError):
                frozen.result()
    finally:
        connections.settings["default"]["OPTIONS"] = before
