"""What people hold waits in order and goes in order; what they don't, goes as ever. The host's own
maintenance holds everything and loses nothing.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from messaging.domain.instructions import InstructionAnswer, Verdict
from messaging.models import Connection, Delivery, Message, OutageNotice, StandingHold
from messaging.relay import gates, holds, maintenance, telephone
from messaging.relay.deliver import deliver, take_in_hand
from messaging.relay.holds import NoSuchThing, NotHeld
from messaging.relay.load import load
from messaging.relay.maintenance import AlreadySo, Switched
from messaging.states import DeliveryState
from tenants.changes import WATCH
from tenants.clock import now
from tenants.ids import new_id
from tenants.models import Endpoint, Tenant
from tenants.scope import in_tenant, tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.outages.conftest import (
    events,
    look,
    results_of,
    start_now,
    state_of,
    taken,
    work,
)
from tests.relay.outages.test_outage import ONE, OTHER, say
from tests.relay.sealing.both_ends import BothEnds
from tests.relay.sealing.speaking import dispatch
from tests.roles import as_role
from tests.servers import TestServers


def place(person: Person, **what: Any) -> StandingHold:
    with tenant_scope(person.tenant_id):
        return holds.place("it floods", "a person", now(), **what)


def release(person: Person, row: StandingHold) -> None:
    with tenant_scope(person.tenant_id):
        holds.release(row, "it does no more", "a person", now())


def endpoint(person: Person, **lookup: str) -> Any:
    with tenant_scope(person.tenant_id):
        return Endpoint.objects.get(**lookup).id


@pytest.mark.parametrize("what", ["everything", "the operator's", "the control point's", "unit"])
def test_what_is_held_waits_and_goes_in_order_once_released(
    ends: BothEnds, alice: Person, link: OpenLink, what: str
) -> None:
    before = len(taken(ends))
    held: dict[str, dict[str, Any]] = {
        "everything": {},
        "the operator's": {"endpoint_id": endpoint(alice, protocol="neso-wa")},
        "the control point's": {"endpoint_id": endpoint(alice, name=alice.control_points[0])},
        "unit": {"bm_unit": ONE},
    }
    row = place(alice, **held[what])
    said, other = [say(link) for _ in range(3)], say(link, OTHER)
    start_now(alice)
    work(alice)
    assert [state_of(alice, one) for one in said] == [DeliveryState.HELD] * 3
    assert [results_of(alice, one) for one in said] == [["HELD"]] * 3
    is_free = what == "unit"
    assert (state_of(alice, other) == DeliveryState.ACKNOWLEDGED) is is_free
    release(alice, row)
    work(alice)
    sent = [one for one in taken(ends)[before:] if one != str(other)]
    assert sent == list(map(str, said))
    assert state_of(alice, other) == DeliveryState.ACKNOWLEDGED
    assert [results_of(alice, one) for one in said] == [["HELD", "OK"]] * 3


def test_held_twice_it_goes_when_both_are_released(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    first, second = place(alice), place(alice, bm_unit=ONE)
    delivery_id = say(link)
    start_now(alice)
    work(alice)
    release(alice, first)
    work(alice)
    assert state_of(alice, delivery_id) == DeliveryState.HELD
    release(alice, second)
    work(alice)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED


def test_a_hold_moves_no_deadline(ends: BothEnds, alice: Person, link: OpenLink) -> None:
    place(alice)
    delivery_id = say(link)
    start_now(alice)
    work(alice)
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=delivery_id).update(deadline=now())
    in_tenant(alice.tenant_id, lambda: take_in_hand(delivery_id, 1))
    assert state_of(alice, delivery_id) == DeliveryState.EXPIRED
    assert results_of(alice, delivery_id) == ["HELD", "REFUSE"]


def test_an_answer_of_a_held_unit_waits_too(ends: BothEnds, alice: Person, link: OpenLink) -> None:
    row = place(alice, bm_unit=ONE)
    told = dispatch(ends)
    (given,) = [one for one in link.give().outgoing if b"BOAI" in one.content]
    answer = InstructionAnswer(
        alice.control_points[0], ONE, told["acceptanceNumber"], Verdict.ACCEPTED
    )
    (made,) = link.say(answer, reply_to=f"{given.number:08d}").deliveries
    start_now(alice)
    work(alice)
    assert state_of(alice, made.id) == DeliveryState.HELD
    release(alice, row)
    work(alice)
    assert state_of(alice, made.id) == DeliveryState.ACKNOWLEDGED


def test_who_held_and_released_what_and_why_is_in_the_chain(ends: BothEnds, alice: Person) -> None:
    row = place(alice, bm_unit=ONE)
    release(alice, row)
    told = [entry["detail"] for entry in events(alice, "hold placed", "hold released")][-2:]
    assert [one["reason"] for one in told] == ["it floods", "it does no more"]
    assert all(one["bm_unit"] == ONE and one["by"] == "a person" for one in told)
    with pytest.raises(NotHeld):
        release(alice, row)


def test_nothing_of_anothers_can_be_held(ends: BothEnds, alice: Person, bob: Person) -> None:
    hers = endpoint(alice, protocol="neso-wa")
    for what in ({"endpoint_id": hers}, {"endpoint_id": new_id()}, {"bm_unit": ONE}):
        with pytest.raises(NoSuchThing):
            place(bob, **what)


def test_a_release_at_the_moment_of_a_hold_is_not_overlooked(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    """A claim that has seen the gate shut holds back whoever opens it until it is written down."""
    delivery_id, row = say(link), place(alice)
    start_now(alice)
    WATCH.stop()
    released = threading.Event()

    def let_go() -> None:
        release(alice, row)
        released.set()
        connection.close()

    thread = threading.Thread(target=let_go)
    with tenant_scope(alice.tenant_id):
        take_in_hand(delivery_id, 1)
        thread.start()
        assert not released.wait(0.3)
    thread.join()
    work(alice)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED


def test_an_open_way_costs_no_statement(ends: BothEnds, alice: Person, link: OpenLink) -> None:
    delivery_id = say(link)
    with tenant_scope(alice.tenant_id):
        row = load(delivery_id)
        assert row is not None
        with CaptureQueriesContext(connection) as asked:
            assert gates.gate_before(row) is None
        assert not len(asked)


@pytest.mark.parametrize("gate", ["hold", "telephone", "out", "suspended", "maintenance"])
def test_what_is_claimed_after_a_gate_was_shut_does_not_pass_it(
    ends: BothEnds,
    alice: Person,
    link: OpenLink,
    servers: TestServers,
    database: str,
    gate: str,
) -> None:
    """Whatever this process knew a moment before: it has just sent another, and is told nothing."""
    first, delivery_id = say(link), say(link, OTHER)
    deliver(alice.tenant_id, first)
    assert state_of(alice, first) == DeliveryState.ACKNOWLEDGED
    switched = Switched("ada", "new disks", now())
    with tenant_scope(alice.tenant_id):
        match gate:
            case "hold":
                holds.place("it floods", "a person", now())
            case "telephone":
                notice = {"environment": "simulator", "services": ["Redeclaration"]}
                times = {"starts_at": now(), "until_further_notice": True}
                row = telephone.post(OutageNotice(**notice, **times), "a person", now())
                OutageNotice.objects.filter(id=row.id).update(state="ON")
            case "out":
                Connection.objects.update(is_holding=True)
    with as_role("staff", servers, database), tenant_scope(alice.tenant_id):
        if gate == "suspended":
            Tenant.objects.filter(id=alice.tenant_id).update(state="SUSPENDED")
    with as_role("staff", servers, database):
        if gate == "maintenance":
            maintenance.begin(switched)
    try:
        deliver(alice.tenant_id, delivery_id)
        assert state_of(alice, delivery_id) == DeliveryState.HELD
    finally:
        with as_role("staff", servers, database), tenant_scope(alice.tenant_id):
            Tenant.objects.filter(id=alice.tenant_id).update(state="ACTIVE")


def test_a_suspended_tenants_messages_wait_for_its_return(
    ends: BothEnds, alice: Person, link: OpenLink, servers: TestServers, database: str
) -> None:
    delivery_id = say(link)
    start_now(alice)

    def put(state: str) -> None:
        with as_role("staff", servers, database), tenant_scope(alice.tenant_id):
            Tenant.objects.filter(id=alice.tenant_id).update(state=state)

    put("SUSPENDED")
    try:
        work(alice)
        assert state_of(alice, delivery_id) == DeliveryState.HELD
    finally:
        put("ACTIVE")
    look(alice)
    work(alice)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED


def test_a_held_endpoint_goes_on_as_soon_as_it_is_active_again(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    delivery_id = say(link)
    start_now(alice)
    with tenant_scope(alice.tenant_id):
        Endpoint.objects.filter(protocol="neso-wa").update(state="HELD")
    work(alice)
    assert state_of(alice, delivery_id) == DeliveryState.HELD
    with tenant_scope(alice.tenant_id):
        Endpoint.objects.filter(protocol="neso-wa").update(state="ACTIVE")
    look(alice)
    work(alice)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED


def test_under_maintenance_nothing_goes_the_operator_is_told_and_nothing_is_lost(
    ends: BothEnds, alice: Person, link: OpenLink, servers: TestServers, database: str
) -> None:
    switched = Switched("ada", "new disks", now())
    with as_role("staff", servers, database):
        maintenance.begin(switched)
        with pytest.raises(AlreadySo):
            maintenance.begin(switched)
    WATCH.stop()
    delivery_id = say(link)
    start_now(alice)
    work(alice)
    assert state_of(alice, delivery_id) == DeliveryState.HELD
    asked = len(ends.control("GET", "/messages?since=0")["messages"])
    look(alice)
    assert len(ends.control("GET", "/messages?since=0")["messages"]) == asked, "not even Health"
    told = dispatch(ends)["answer"]
    assert told["status"] == 503
    payload = told["payload"]
    assert (payload["status"], payload["errors"][0]["code"]) == ("REJECTED", "R999")
    with tenant_scope(alice.tenant_id):
        assert not Message.objects.filter(reference=payload["inReplyTo"]).exists()
    health = ends.control("POST", "/health", {"participantId": alice.participant_id})
    assert health["answer"]["payload"]["status"] == "OUTAGE"
    with as_role("staff", servers, database):
        maintenance.end(switched)
        with pytest.raises(AlreadySo):
            maintenance.end(switched)
    look(alice)
    work(alice)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
    again = dispatch(ends)["answer"]
    assert again["payload"]["status"] == "RECEIVED"
