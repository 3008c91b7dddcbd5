"""When a connection's lamp goes out and comes back, what is told of it, and what it holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from messaging.models import Connection, ConnectionDue, Delivery, OutageNotice
from messaging.relay import connections, lamps, ownership, telephone
from messaging.relay.questions import Asked
from messaging.states import DeliveryState, LampState, NoticeState
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import in_tenant, tenant_scope
from tests.owners import living
from tests.people import NOWHERE, Person
from tests.relay.conftest import OpenLink
from tests.relay.outages.conftest import events, lamp, look, start_now, state_of, work
from tests.relay.outages.test_outage import say
from tests.relay.sealing.both_ends import BothEnds
from tests.servers import TestServers


def alarms(person: Person) -> list[str]:
    return [entry["detail"]["alarm"] for entry in events(person, "alarmed")]


def changes(person: Person) -> list[tuple[str, str]]:
    told = events(person, "connection changed")
    return [(entry["detail"]["from"], entry["detail"]["to"]) for entry in told]


def test_each_change_is_an_entry_and_no_beat_is(ends: BothEnds, alice: Person) -> None:
    before = len(changes(alice))
    for _ in range(3):
        assert look(alice).state == LampState.UP
    assert len(changes(alice)) == before
    ends.control("POST", "/outage", {"on": True})
    for _ in range(3):
        assert look(alice).state == LampState.OUT
    ends.control("POST", "/outage", {"on": False})
    look(alice)
    assert changes(alice)[before:] == [("UP", "OUT"), ("OUT", "UP")]
    assert alarms(alice)[-2].startswith("the system operator is out")
    assert alarms(alice)[-1].startswith("the system operator was out for ")


def test_silence_is_an_outage_at_the_third_time(ends: BothEnds, alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        Endpoint.objects.filter(protocol="neso-wa").update(address=NOWHERE)
    try:
        assert [look(alice).state for _ in range(3)] == ["UP", "UP", "OUT"]
        row = lamp(alice)
        assert row.is_holding
        assert "takes no connection" in row.detail
        assert row.good_at is not None
        assert row.normalize_from == row.good_at - lamps.MARGIN
    finally:
        ends.set_endpoint()
    row = look(alice)
    assert (row.state, row.is_holding, row.normalize_from) == ("UP", False, None)


def test_silence_to_health_alone_is_no_outage_while_messages_are_answered(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    with tenant_scope(alice.tenant_id):
        Endpoint.objects.filter(protocol="neso-wa").update(address=NOWHERE)
    look(alice)
    ends.set_endpoint()
    delivery_id = say(link)
    start_now(alice)
    work(alice)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
    with tenant_scope(alice.tenant_id):
        Endpoint.objects.filter(protocol="neso-wa").update(address=NOWHERE)
    try:
        assert [look(alice).state for _ in range(3)] == ["UP", "UP", "UP"]
    finally:
        ends.set_endpoint()


def test_what_answers_but_knows_no_health_is_unknown_and_holds_nothing(
    ends: BothEnds, alice: Person
) -> None:
    ends.control("POST", "/faults", {"faults": [{"fault": "http_500", "path": "Health"}]})
    assert [look(alice).state for _ in range(3)] == ["UP", "UP", "UNKNOWN"]
    assert not lamp(alice).is_holding


@pytest.mark.parametrize("fault", ["http_503", "r999"])
def test_one_message_that_is_told_out_puts_the_lamp_out_until_health_says_otherwise(
    ends: BothEnds, alice: Person, link: OpenLink, fault: str
) -> None:
    faults = [{"fault": fault, "path": "Redeclaration", "times": 1}]
    ends.control("POST", "/faults", {"faults": faults})
    first, second = say(link), say(link, "ALICP1-2")
    start_now(alice)
    work(alice)
    assert lamp(alice).state == LampState.OUT
    assert {state_of(alice, one) for one in (first, second)} >= {DeliveryState.HELD}
    look(alice)
    assert not lamp(alice).is_holding
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(wait_until=None)
    look(alice, asks=False)
    work(alice)
    assert {state_of(alice, one) for one in (first, second)} == {DeliveryState.ACKNOWLEDGED}


def test_a_look_that_died_is_made_good_by_the_next(
    ends: BothEnds, alice: Person, servers: TestServers, database: str
) -> None:
    ConnectionDue.objects.filter(tenant_id=alice.tenant_id).update(due_at=now())
    with living(servers, database) as other:
        (picked,) = connections.pick(10, other)
        assert connections.pick(10, 1) == [], "one that lives has it to itself"
    (again,) = connections.pick(10, 1)
    assert (again.endpoint_id, again.owner) == (picked.endpoint_id, 1)


def test_a_look_that_was_frozen_until_another_had_its_turn_notes_no_answer(
    ends: BothEnds, alice: Person, servers: TestServers, database: str
) -> None:
    """What Health said then says nothing of now."""
    ConnectionDue.objects.filter(tenant_id=alice.tenant_id).update(due_at=now())
    with living(servers, database) as frozen:
        (picked,) = connections.pick(10, frozen)
        late = replace(picked, until=now() - timedelta(seconds=1))
        before = lamp(alice)
        in_tenant(alice.tenant_id, lambda: lamps._end(late, Asked(None, "no answer")))
        assert lamp(alice).failures == before.failures + 1, "slow is not frozen"
        in_tenant(alice.tenant_id, lambda: connections.plan(picked, now()))
        in_tenant(alice.tenant_id, lambda: lamps._end(late, Asked(None, "no answer")))
        assert lamp(alice).failures == before.failures + 1


def test_a_change_during_a_look_is_not_planned_away(ends: BothEnds, alice: Person) -> None:
    ConnectionDue.objects.filter(tenant_id=alice.tenant_id).update(due_at=now())
    (picked,) = connections.pick(10, ownership.owner())
    with tenant_scope(alice.tenant_id):
        Endpoint.objects.filter(protocol="neso-wa").update(name="changed meanwhile")
        connections.plan(picked, now() + timedelta(hours=1))
    assert ConnectionDue.objects.get(endpoint_id=picked.endpoint_id).due_at <= now()


def test_an_endpoint_that_is_removed_takes_its_lamp_with_it(alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        row = Endpoint.objects.create(
            tenant_id=alice.tenant_id,
            name="another",
            protocol="neso-wa",
            transport="https",
            environment="test",
            address=NOWHERE,
        )
    assert ConnectionDue.objects.filter(endpoint_id=row.id).exists()
    lamps.look()
    with tenant_scope(alice.tenant_id):
        assert Connection.objects.filter(endpoint_id=row.id).exists()
        row.delete()
    ConnectionDue.objects.filter(tenant_id=alice.tenant_id).update(due_at=now())
    lamps.look()
    assert not ConnectionDue.objects.filter(endpoint_id=row.id).exists()


def test_one_connections_trouble_keeps_no_other_from_being_looked_after(
    ends: BothEnds, alice: Person, bob: Person
) -> None:
    """A control point of bob's with a profile that is none can be told of nothing."""
    with tenant_scope(bob.tenant_id):
        points = Endpoint.objects.filter(protocol="edl")
        points.update(settings={"profile": "host-0"})
        what = {"environment": "simulator", "services": ["Redeclaration"], "starts_at": now()}
        row = telephone.post(OutageNotice(**what, until_further_notice=True), "a person", now())
    ConnectionDue.objects.filter(tenant_id=bob.tenant_id).update(due_at="2020-01-01T00:00Z")
    try:
        assert look(alice).state == LampState.UP
        with tenant_scope(bob.tenant_id):
            row.refresh_from_db()
        assert row.state == NoticeState.PLANNED, "it is tried again"
    finally:
        with tenant_scope(bob.tenant_id):
            points.update(settings={})
            telephone.cancel(row, "a person", now())
