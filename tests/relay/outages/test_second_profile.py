"""The simulated operator in the enveloped-1 profile: Health, an outage and what was missed, in
other names and with another flow; nothing is lost, and nothing taken twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from messaging.relay.deliver import deliver
from messaging.states import DeliveryState
from tenants.changes import WATCH
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.outages.conftest import (
    events,
    look,
    results_of,
    start_now,
    state_of,
    work,
)
from tests.relay.outages.test_normalization import NOBODY, broken, deliveries_of, find
from tests.relay.outages.test_outage import ONE, OTHER, say
from tests.relay.sealing.both_ends import BothEnds
from tests.relay.sealing.speaking import dispatch

PROFILE = "enveloped-1"
Json = dict[str, Any]


@pytest.fixture(params=["jws-json", "content-hash"])
def seal(request: pytest.FixtureRequest) -> str:
    """One that bears the messageId itself, and one that covers method and URL."""
    return str(request.param)


@pytest.fixture
def peer(ends: BothEnds, alice: Person, seal: str) -> Iterator[BothEnds]:
    ends.use(seal, profile=PROFILE)
    WATCH.stop()
    yield ends
    ends.use("jws-json")


def heard(ends: BothEnds, message: str) -> list[Json]:
    """What the operator was told under one of the profile's names, as it came."""
    rows = ends.control("GET", "/messages?since=0")["messages"]
    came = [row["payload"] or {} for row in rows if (row["direction"], row["role"]) == ASKED]
    return [one for one in came if one.get("header", {}).get("message") == message]


ASKED = ("in", "request")


def test_health_is_asked_and_answered_by_either_side(peer: BothEnds, alice: Person) -> None:
    before = len(heard(peer, "health_request"))
    assert look(alice).state == "UP"
    assert len(heard(peer, "health_request")) == before + 1
    told = peer.control("POST", "/health", {"participantId": alice.participant_id})["answer"]
    assert (told["status"], told["verified"], told["detail"]) == (200, True, None)
    assert told["payload"]["body"] == {"state": "up"}
    peer.control("POST", "/outage", {"on": True})
    row = look(alice)
    assert (row.state, row.is_holding) == ("OUT", True)


def test_what_was_missed_in_an_outage_is_fetched_and_reconciled(
    peer: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    look(alice)
    known = dispatch(peer)
    assert known["answer"]["payload"]["body"]["outcome"] == "received"
    peer.fault("reset", times=1)
    lost = say(link)
    deliver(alice.tenant_id, lost)
    assert state_of(alice, lost) == DeliveryState.PENDING
    peer.use(seal, profile=PROFILE, port=NOBODY)
    missed = dispatch(peer)
    peer.use(seal, profile=PROFILE)
    peer.control("POST", "/outage", {"on": True})
    look(alice)
    held = [say(link, OTHER), say(link, ONE)]
    start_now(alice)
    work(alice)
    assert {state_of(alice, one) for one in held} == {DeliveryState.HELD}
    assert find(alice, missed) is None
    peer.control("POST", "/outage", {"on": False})
    assert not look(alice).is_holding
    work(alice)
    for told in (missed, known):
        row = find(alice, told)
        assert row is not None
        assert deliveries_of(alice, row) == 1
    assert [state_of(alice, one) for one in (lost, *held)] == [DeliveryState.ACKNOWLEDGED] * 3
    assert [results_of(alice, one) for one in held] == [["HELD", "OK"]] * 2
    ids = [one["header"]["id"] for one in heard(peer, "declaration")]
    assert [ids.count(str(one)) for one in (lost, *held)] == [1, 1, 1]
    fetched = heard(peer, "resync_request")
    assert {one["body"]["target"]["control_point"] for one in fetched} == set(alice.control_points)
    names = [entry["detail"].get("reference") for entry in events(alice, "normalized")]
    assert names.count(missed["messageId"]) == 1


def test_asking_again_takes_nothing_again(peer: BothEnds, alice: Person, seal: str) -> None:
    peer.use(seal, profile=PROFILE, port=NOBODY)
    missed = dispatch(peer)
    peer.use(seal, profile=PROFILE)
    for _ in range(2):
        broken(alice)
        row = find(alice, missed)
        assert row is not None
        assert deliveries_of(alice, row) == 1


def test_a_redeclaration_is_refused_with_a_pointer_of_the_profile(
    peer: BothEnds, alice: Person, link: OpenLink
) -> None:
    look(alice)
    peer.fault("refuse", times=1, code="R003", text="no", errorPath="/levels/0/levelFrom")
    refused = say(link)
    deliver(alice.tenant_id, refused)
    assert state_of(alice, refused) == DeliveryState.REFUSED
    rows = peer.control("GET", "/messages?since=0")["messages"]
    (fault,) = next(
        row["payload"]["body"]["faults"] for row in reversed(rows) if row["fault"] == "refuse"
    )
    assert fault == {"pointer": "/body/profile/0/from/mw", "reason": "R003", "detail": "no"}
    assert results_of(alice, refused) == ["REFUSE"]
