"""After a break the host asks what it missed: what never came is taken, what it has is not taken
again, and its own messages of unknown fate are settled.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from messaging.models import Connection, ConnectionDue, Delivery, Instruction, Message
from messaging.overview.wrong import find_wrong
from messaging.relay import connections, lamps, normalization
from messaging.relay.connections import Place
from messaging.relay.deliver import deliver
from messaging.relay.lamps import MARGIN
from messaging.relay.normalization import MOST_TRIES, SELDOM, NotInVain
from messaging.relay.questions import Asked
from messaging.states import DeliveryState
from tenants import ownership
from tenants.audit import bodies
from tenants.changes import WATCH
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import in_tenant, tenant_scope
from tests.owners import living
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.outages.conftest import (
    events,
    lamp,
    look,
    results_of,
    start_now,
    state_of,
    taken,
    work,
)
from tests.relay.outages.test_outage import say
from tests.relay.sealing.both_ends import BothEnds, write_config
from tests.relay.sealing.speaking import dispatch
from tests.roles import as_role
from tests.servers import TestServers

NOBODY = 9
"""A port where nothing listens."""


def miss_one(ends: BothEnds) -> dict[str, Any]:
    """The operator sends it, and does not reach the host."""
    write_config(ends.folder, ends.person, ends.keys, NOBODY, "jws-json")
    try:
        return dispatch(ends)
    finally:
        ends.use("jws-json")


def find(person: Person, told: dict[str, Any]) -> Instruction | None:
    with tenant_scope(person.tenant_id):
        rows = Instruction.objects.select_related("message")
        found: Instruction | None = rows.filter(number=told["acceptanceNumber"]).first()
    return found


def broken(person: Person) -> Connection:
    """The host was away: it looks again."""
    connections.every_one_is_broken()
    return look(person)


def deliveries_of(person: Person, row: Instruction) -> int:
    with tenant_scope(person.tenant_id):
        return Delivery.objects.filter(message_id=row.message_id).count()


def test_an_instruction_that_never_came_is_taken_once_with_its_evidence(
    ends: BothEnds, alice: Person
) -> None:
    told = miss_one(ends)
    assert find(alice, told) is None
    broken(alice)
    row = find(alice, told)
    assert row is not None
    assert row.message.reference == told["messageId"]
    assert deliveries_of(alice, row) == 1
    entry = next(e for e in events(alice, "normalized") if e["message_id"] == str(row.message_id))
    with tenant_scope(alice.tenant_id):
        sealed = bodies.read(bytes.fromhex(entry["digest"]), now())
    assert b'"signature"' in sealed or b"payload" in sealed
    broken(alice)
    with tenant_scope(alice.tenant_id):
        assert Instruction.objects.filter(number=row.number).count() == 1
        assert Message.objects.filter(reference=told["messageId"]).count() == 1
    assert deliveries_of(alice, row) == 1


def test_what_came_by_itself_is_not_taken_again_nor_told_of(ends: BothEnds, alice: Person) -> None:
    told = dispatch(ends)
    assert told["answer"]["status"] == 200
    before = len(events(alice, "received"))
    broken(alice)
    row = find(alice, told)
    assert row is not None
    assert deliveries_of(alice, row) == 1
    assert len(events(alice, "received")) == before


def test_one_that_was_missed_and_comes_by_itself_after_all_is_a_repeat(
    ends: BothEnds, alice: Person
) -> None:
    told = miss_one(ends)
    broken(alice)
    rows = ends.control("GET", "/messages?since=0")["messages"]
    sent = next(
        r["payload"] for r in rows if (r["payload"] or {}).get("messageId") == told["messageId"]
    )
    payload = {k: sent[k] for k in sent.keys() - {"messageId", "sentAt", "type", "profile"}}
    again = ends.control("POST", "/dispatch?wait=0&persist=0", payload)
    assert again["answer"]["payload"]["status"] == "RECEIVED"
    row = find(alice, told)
    assert row is not None
    assert deliveries_of(alice, row) == 1


def test_one_that_a_higher_number_has_overtaken_is_kept_and_alarmed(
    ends: BothEnds, alice: Person
) -> None:
    late = miss_one(ends)
    assert dispatch(ends)["answer"]["status"] == 200
    broken(alice)
    row = find(alice, late)
    assert row is not None
    assert deliveries_of(alice, row) == 0, "it covers the same time as what was sent after it"
    said = [entry["detail"]["alarm"] for entry in events(alice, "alarmed")]
    assert "came late and overlaps what was sent after it: not sent" in said


def test_it_is_asked_for_from_before_the_last_word_that_all_was_well(
    ends: BothEnds, alice: Person
) -> None:
    good_at = lamp(alice).good_at
    assert good_at is not None
    broken(alice)
    asked = [e["detail"] for e in events(alice, "sending") if "since" in e["detail"]]
    points = len(alice.control_points)
    assert {one["control_point"] for one in asked[-points:]} == set(alice.control_points)
    assert all(one["since"] < good_at.isoformat() for one in asked[-points:])


def test_a_redeclaration_whose_answer_was_lost_is_settled_and_goes_no_second_time(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    faults = [{"fault": "reset", "path": "Redeclaration", "times": 1}]
    ends.control("POST", "/faults", {"faults": faults})
    delivery_id = say(link)
    deliver_once(alice, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.PENDING
    broken(alice)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
    assert results_of(alice, delivery_id) == ["OK"]
    start_now(alice)
    work(alice)
    assert taken(ends).count(str(delivery_id)) == 1


def test_a_redeclaration_that_the_operator_does_not_know_goes_again(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    faults = [{"fault": "http_500", "path": "Redeclaration", "times": 1}]
    ends.control("POST", "/faults", {"faults": faults})
    delivery_id = say(link)
    deliver_once(alice, delivery_id)
    broken(alice)
    assert state_of(alice, delivery_id) == DeliveryState.PENDING
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=delivery_id).update(wait_until=None)
    start_now(alice)
    work(alice)
    assert taken(ends).count(str(delivery_id)) == 1
    assert results_of(alice, delivery_id) == ["OK"]


def deliver_once(person: Person, delivery_id: UUID) -> None:
    deliver(person.tenant_id, delivery_id)


def outage(ends: BothEnds, person: Person, *faults: dict[str, object]) -> None:
    """Out, and back with something the matter with Normalization."""
    ends.control("POST", "/outage", {"on": True})
    look(person)
    ends.control("POST", "/outage", {"on": False})
    ends.control("POST", "/faults", {"faults": [{"path": "Normalization", **f} for f in faults]})


@pytest.mark.parametrize("fault", [{"fault": "http_500"}, {"fault": "wrong_key"}])
def test_traffic_waits_until_what_was_missed_is_known(
    ends: BothEnds, alice: Person, link: OpenLink, fault: dict[str, object]
) -> None:
    outage(ends, alice, {**fault, "times": 1})
    delivery_id = say(link)
    start_now(alice)
    assert look(alice).is_holding
    work(alice)
    assert state_of(alice, delivery_id) == DeliveryState.HELD
    assert not look(alice).is_holding
    work(alice)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED


def test_an_operator_that_refuses_to_say_is_alarmed_and_traffic_goes_after_all(
    ends: BothEnds, alice: Person
) -> None:
    outage(ends, alice, {"fault": "refuse"})
    assert not look(alice).is_holding
    last = events(alice, "alarmed")[-1]["detail"]["alarm"]
    assert last.startswith("the system operator does not say what was missed")


def in_vain(ends: BothEnds, person: Person) -> Connection:
    """Out, and back without a word on what was missed."""
    outage(ends, person, {"fault": "http_500"})
    held = [look(person).is_holding for _ in range(MOST_TRIES)]
    assert held == [True] * (MOST_TRIES - 1) + [False]
    return lamp(person)


def test_an_operator_that_is_asked_in_vain_is_alarmed_once_shown_and_asked_on(
    ends: BothEnds, alice: Person, servers: TestServers, database: str
) -> None:
    before, last = len(events(alice, "alarmed")), lamp(alice).normalized_at
    begun, row = now(), in_vain(ends, alice)
    assert row.normalize_from is not None, "it is not over"
    assert row.normalized_at == last
    assert row.unasked_since is not None
    assert "500" in row.unasked_why
    assert row.normalizing_until is not None
    assert row.normalizing_until > begun + SELDOM
    told = miss_one(ends)
    for _ in range(3):
        assert not look(alice).is_holding
    alarms = [entry["detail"]["alarm"] for entry in events(alice, "alarmed")[before:]]
    assert sum("does not say what was missed" in alarm for alarm in alarms) == 1
    with as_role("staff", servers, database):
        (shown,) = find_wrong(tenant_id=alice.tenant_id).standing
    assert shown.what.startswith("the operator does not say what was missed")
    ends.control("DELETE", "/faults")
    row = look(alice)
    assert (row.normalize_from, row.unasked_since, row.unasked_why) == (None, None, "")
    assert row.normalized_at != last
    assert find(alice, told) is not None, "nothing was given up"
    said = events(alice, "alarmed")[-1]["detail"]["alarm"]
    assert said.startswith("the system operator says what was missed after all")


def test_after_another_outage_it_is_asked_as_often_as_ever(ends: BothEnds, alice: Person) -> None:
    in_vain(ends, alice)
    ends.control("DELETE", "/faults")
    row = in_vain(ends, alice)
    assert row.unasked_since is not None


def test_a_person_who_knows_what_was_missed_ends_the_asking_with_a_reason(
    ends: BothEnds, alice: Person
) -> None:
    row = lamp(alice)
    with tenant_scope(alice.tenant_id), pytest.raises(NotInVain):
        normalization.end_asking(row.endpoint_id, "told by telephone", "a person", now())
    in_vain(ends, alice)
    with tenant_scope(alice.tenant_id):
        normalization.end_asking(row.endpoint_id, "told by telephone", "a person", now())
    last, row = row.normalized_at, lamp(alice)
    assert (row.normalize_from, row.unasked_since, row.is_holding) == (None, None, False)
    assert row.normalized_at == last, "it has not answered"
    detail = events(alice, "asking ended")[-1]["detail"]
    assert (detail["by"], detail["reason"]) == ("a person", "told by telephone")


def test_a_control_point_that_the_operator_will_not_tell_of_keeps_no_other_from_it(
    ends: BothEnds, alice: Person
) -> None:
    told = miss_one(ends)
    with tenant_scope(alice.tenant_id):
        stranger = Endpoint.objects.create(
            tenant_id=alice.tenant_id,
            name="AAA",
            protocol="edl",
            transport="tcp",
            environment="simulator",
        )
    try:
        broken(alice)
    finally:
        with tenant_scope(alice.tenant_id):
            stranger.delete()
    assert find(alice, told) is not None
    alarms = [entry["detail"]["alarm"] for entry in events(alice, "alarmed")]
    assert any("what was missed: AAA: R002" in alarm for alarm in alarms)


def test_what_the_host_itself_fails_over_is_alarmed_and_asked_until_it_is_put_right(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    """The control point's profile is installed no more: what was missed can't be written for it."""
    ends.control("POST", "/outage", {"on": True})
    look(alice)
    ends.control("POST", "/outage", {"on": False})
    told, delivery_id = miss_one(ends), say(link)
    with tenant_scope(alice.tenant_id):
        point = Endpoint.objects.filter(name=alice.control_points[0])
        point.update(settings={"profile": "gone"})
    before = len(events(alice, "alarmed"))
    try:
        held = [look(alice).is_holding for _ in range(MOST_TRIES + 2)]
    finally:
        with tenant_scope(alice.tenant_id):
            point.update(settings={})
        WATCH.stop()
    assert held == [True] * (MOST_TRIES - 1) + [False] * 3
    alarms = [entry["detail"]["alarm"] for entry in events(alice, "alarmed")[before:]]
    assert sum("does not say what was missed" in alarm for alarm in alarms) == 1
    assert find(alice, told) is None
    look(alice)
    assert find(alice, told) is not None, "nothing is given up"
    start_now(alice)
    work(alice)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED


def test_an_operator_that_is_out_again_is_asked_later(ends: BothEnds, alice: Person) -> None:
    outage(ends, alice, {"fault": "r999", "times": 1})
    row = look(alice)
    assert (row.state, row.is_holding) == ("OUT", True)
    row = look(alice)
    assert (row.state, row.is_holding, row.normalize_from) == ("UP", False, None)


def wanted(person: Person) -> Place:
    """What was missed is to be asked."""
    with tenant_scope(person.tenant_id):
        Connection.objects.update(normalize_from=now() - MARGIN)
        return Place(person.tenant_id, Connection.objects.get().endpoint_id)


def claimed_by(person: Person, owner: int) -> None:
    with tenant_scope(person.tenant_id):
        until = now() + normalization.LEASE
        Connection.objects.update(owner=owner, normalizing_until=until)


def looks_and_asks(person: Person) -> bool:
    """Whether a look would have what was missed asked for."""
    ConnectionDue.objects.filter(tenant_id=person.tenant_id).update(due_at=now())
    (picked,) = connections.pick(10, ownership.owner())
    return in_tenant(person.tenant_id, lambda: lamps._begin(picked)).normalizes


def test_what_a_dead_process_was_asking_is_asked_by_the_next_that_looks(
    ends: BothEnds, alice: Person, servers: TestServers, database: str
) -> None:
    missed, place = miss_one(ends), wanted(alice)
    with living(servers, database) as other:
        claimed_by(alice, other)
        assert not looks_and_asks(alice)
        normalization.normalize(place.tenant_id, place.endpoint_id)
        assert find(alice, missed) is None, "it is the other's"
    assert looks_and_asks(alice)
    normalization.normalize(place.tenant_id, place.endpoint_id)
    assert find(alice, missed) is not None
    row = lamp(alice)
    assert (row.owner, row.normalize_from) == (None, None)


def test_while_somebody_asks_what_was_missed_it_is_looked_each_second(
    ends: BothEnds, alice: Person, servers: TestServers, database: str
) -> None:
    place = wanted(alice)
    with living(servers, database) as other:
        in_tenant(alice.tenant_id, lambda: normalization._claim(place.endpoint_id, other))
        for _ in range(2):
            due_at = ConnectionDue.objects.get(endpoint_id=place.endpoint_id).due_at
            assert due_at <= now() + timedelta(seconds=1)
            ConnectionDue.objects.filter(tenant_id=alice.tenant_id).update(due_at=now())
            lamps.look()


def test_one_that_was_frozen_until_another_asked_ends_nothing(
    ends: BothEnds, alice: Person, servers: TestServers, database: str
) -> None:
    place = wanted(alice)
    with living(servers, database) as other, living(servers, database, 5) as frozen:
        claimed = in_tenant(
            alice.tenant_id, lambda: normalization._claim(place.endpoint_id, frozen)
        )
        assert claimed is not None
        claimed_by(alice, other)
        before = len(events(alice, "normalized", "alarmed"))

        def end() -> None:
            normalization._finish(claimed, normalization._Tally())
            normalization._failed(claimed, normalization._NotAnswered(Asked(None, "no answer")))
            normalization._in_vain(claimed, "a fault")

        in_tenant(alice.tenant_id, end)
        with pytest.raises(normalization._Overtaken):
            in_tenant(
                alice.tenant_id, lambda: normalization._question(claimed, alice.control_points[0])
            )
        row = lamp(alice)
        assert (row.owner, row.normalize_tries) == (other, 0)
        assert row.normalize_from is not None
        assert len(events(alice, "normalized", "alarmed")) == before


def test_asking_twice_at_once_takes_everything_once(ends: BothEnds, alice: Person) -> None:
    missed, place = miss_one(ends), wanted(alice)

    def ask(owner: int) -> None:
        with tenant_scope(alice.tenant_id):
            Connection.objects.update(normalizing_until=None)
        normalization.ask_as(owner, place)
        connection.close()

    threads = [threading.Thread(target=ask, args=(owner,)) for owner in range(1, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    row = find(alice, missed)
    assert row is not None
    assert deliveries_of(alice, row) == 1
