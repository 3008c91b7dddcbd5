"""The operator goes out and comes back: what was redeclared meanwhile waits, what was missed is
asked for first, and then all goes in order, none of it twice.
"""

from __future__ import annotations

from uuid import UUID

from messaging.models import Attempt, Delivery
from messaging.states import DeliveryState, LampState
from tenants.scope import tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.outages.conftest import (
    lamp,
    look,
    results_of,
    start_now,
    state_of,
    taken,
    work,
)
from tests.relay.sealing.both_ends import BothEnds
from tests.relay.test_from_control_point import mel

ONE, OTHER = "ALICP1-1", "ALICP1-2"


def say(link: OpenLink, unit: str = ONE) -> UUID:
    (made,) = link.say(mel(unit)).deliveries
    return made.id


def attempts(person: Person) -> int:
    with tenant_scope(person.tenant_id):
        return Attempt.objects.count()


def test_what_is_said_in_an_outage_goes_in_order_and_once_when_it_ends(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    before = len(taken(ends))
    ends.control("POST", "/outage", {"on": True})
    said = [say(link, unit) for unit in (ONE, OTHER, ONE, ONE, OTHER)]
    start_now(alice)
    work(alice)
    assert {state_of(alice, one) for one in said} == {DeliveryState.HELD}
    assert [results_of(alice, one) for one in said] == [["HELD"]] * 5
    assert look(alice).state == LampState.OUT
    tried = attempts(alice)
    work(alice)
    assert attempts(alice) == tried, "nothing is tried while it is out"
    ends.control("POST", "/outage", {"on": False})
    assert look(alice).state == LampState.UP
    assert not lamp(alice).is_holding
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(wait_until=None)
    look(alice, asks=False)
    work(alice)
    assert {state_of(alice, one) for one in said} == {DeliveryState.ACKNOWLEDGED}
    assert [results_of(alice, one) for one in said] == [["HELD", "OK"]] * 5
    sent = taken(ends)[before:]
    assert sorted(sent) == sorted(map(str, said))
    of_one = [one for one in sent if one in {str(said[0]), str(said[2]), str(said[3])}]
    assert of_one == [str(said[0]), str(said[2]), str(said[3])]
