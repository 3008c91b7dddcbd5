"""Telephone mode: what is announced begins and ends by itself, is told, holds what it names and
nothing else, and whoever posted it can end, extend or cancel it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from messaging.domain.instructions import InstructionAnswer, Verdict
from messaging.models import (
    Connection,
    ConnectionDue,
    Delivery,
    Message,
    OutageNotice,
    SystemNotice,
)
from messaging.relay import connections, lamps, normalization, telephone
from messaging.relay.normalization import MOST_TRIES
from messaging.relay.telephone import NoticeOver
from messaging.states import DeliveryState, NoticeState
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.outages.conftest import (
    events,
    look,
    results_of,
    start_now,
    state_of,
    taken,
    texts_to,
    work,
)
from tests.relay.outages.test_outage import say
from tests.relay.sealing.both_ends import BothEnds
from tests.relay.sealing.speaking import dispatch
from tests.roles import as_role
from tests.servers import TestServers

ALL = ["Health", "Normalization", "Instruction", "Redeclaration", "Submission"]
HOUR = timedelta(hours=1)


def notice(person: Person, **more: Any) -> OutageNotice:
    """One that has begun and has no end in sight."""
    what: dict[str, Any] = {
        "environment": "simulator",
        "services": ALL,
        "starts_at": now() - timedelta(seconds=1),
        "until_further_notice": True,
    }
    with tenant_scope(person.tenant_id):
        return telephone.post(OutageNotice(**{**what, **more}), "a person", now())


def change(person: Person, row: OutageNotice, **changes: Any) -> None:
    with tenant_scope(person.tenant_id):
        row.refresh_from_db()
        telephone.change(row, "a person", now(), **changes)


def standing(person: Person, row: OutageNotice) -> str:
    with tenant_scope(person.tenant_id):
        row.refresh_from_db()
    return row.state


def test_from_start_to_end_all_waits_and_then_goes_in_order(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    began, before = now(), len(taken(ends))
    row = notice(alice)
    look(alice)
    assert standing(alice, row) == NoticeState.ON
    said = [say(link) for _ in range(3)]
    start_now(alice)
    work(alice)
    assert [state_of(alice, one) for one in said] == [DeliveryState.HELD] * 3
    assert [results_of(alice, one) for one in said] == [["HELD"]] * 3
    assert taken(ends)[before:] == [], "nothing is so much as tried"
    change(alice, row, ends_at=now())
    look(alice)
    assert standing(alice, row) == NoticeState.OVER
    work(alice)
    assert taken(ends)[before:] == list(map(str, said))
    assert [results_of(alice, one) for one in said] == [["HELD", "OK"]] * 3
    texts = texts_to(alice, began)
    assert len(texts) == 2 * len(alice.control_points)
    assert b"TELEPHONE MODE until further notice" in texts[0]
    assert b"TELEPHONE MODE ends" in texts[-1]
    names = [entry["event"] for entry in events(alice, "telephone mode began", "normalized")]
    assert names[-1] == "normalized"


def test_links_are_told_in_the_order_in_which_everybody_locks_them(
    ends: BothEnds, alice: Person
) -> None:
    """By id, whatever their names: two who lock the same links never wait for each other."""
    with tenant_scope(alice.tenant_id):
        newest = Endpoint.objects.create(
            tenant_id=alice.tenant_id,
            name="AAA",
            protocol="edl",
            transport="tcp",
            environment="simulator",
        )
    begun = now()
    try:
        notice(alice)
        look(alice)
        with tenant_scope(alice.tenant_id):
            rows = Message.objects.filter(kind="TEXT", origin="HOST", received_at__gte=begun)
            told = list(rows.order_by("id").values_list("endpoint_id", flat=True))
    finally:
        with tenant_scope(alice.tenant_id):
            Delivery.objects.filter(endpoint=newest).update(state=DeliveryState.ABANDONED)
            newest.name = "ZZZ"
            newest.environment = "test"
            newest.save()
    assert newest.id in told
    assert told == sorted(told)


def test_what_was_missed_is_known_before_anything_goes(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    row = notice(alice)
    look(alice)
    delivery_id = say(link)
    start_now(alice)
    faults = [{"fault": "http_500", "path": "Normalization", "times": 1}]
    ends.control("POST", "/faults", {"faults": faults})
    change(alice, row, ends_at=now())
    look(alice)
    work(alice)
    assert standing(alice, row) == NoticeState.ENDING
    assert state_of(alice, delivery_id) == DeliveryState.HELD
    look(alice)
    work(alice)
    assert standing(alice, row) == NoticeState.OVER
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED


def in_vain(ends: BothEnds, person: Person, row: OutageNotice) -> None:
    """Its end comes, and the operator gives no answer to what was missed."""
    faults = [{"fault": "http_500", "path": "Normalization"}]
    ends.control("POST", "/faults", {"faults": faults})
    change(person, row, ends_at=now())
    for _ in range(MOST_TRIES - 1):
        look(person)
        assert standing(person, row) == NoticeState.ENDING
    look(person)


def test_what_nobody_says_the_end_of_is_not_over_until_it_is_said_or_a_person_ends_it(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    row = notice(alice)
    look(alice)
    delivery_id = say(link)
    start_now(alice)
    in_vain(ends, alice, row)
    assert standing(alice, row) == NoticeState.UNASKED
    work(alice)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED, "traffic goes without"
    with tenant_scope(alice.tenant_id), pytest.raises(NoticeOver):
        telephone.change(row, "a person", now(), ends_at=now() + HOUR)
    second = notice(alice)
    ends.control("DELETE", "/faults")
    look(alice)
    assert standing(alice, row) == NoticeState.OVER
    assert standing(alice, second) == NoticeState.ON
    in_vain(ends, alice, second)
    assert standing(alice, second) == NoticeState.UNASKED
    third = notice(alice)
    look(alice)
    in_vain(ends, alice, third)
    assert standing(alice, third) == NoticeState.UNASKED, "asked about as often as the one before"
    with tenant_scope(alice.tenant_id):
        endpoint_id = Connection.objects.get().endpoint_id
        normalization.end_asking(endpoint_id, "told by telephone", "a person", now())
    assert {standing(alice, one) for one in (second, third)} == {NoticeState.OVER}


def test_what_expires_meanwhile_is_told_and_never_sent(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    notice(alice)
    look(alice)
    first, second = say(link), say(link)
    start_now(alice)
    work(alice)
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=first).update(deadline=now())
        (row,) = OutageNotice.objects.filter(state="ON")
    change(alice, row, ends_at=now())
    look(alice)
    work(alice)
    assert state_of(alice, first) == DeliveryState.EXPIRED
    assert results_of(alice, first) == ["HELD", "REFUSE"]
    assert str(first) not in taken(ends)
    assert state_of(alice, second) == DeliveryState.ACKNOWLEDGED


def test_instructions_that_come_are_carried_and_so_are_their_answers(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    notice(alice)
    look(alice)
    told = dispatch(ends)
    assert told["answer"]["payload"]["status"] == "RECEIVED"
    (given,) = [one for one in link.give().outgoing if b"BOAI" in one.content]
    number = told["acceptanceNumber"]
    unit = alice.bm_units[alice.control_points[0]][0]
    answer = InstructionAnswer(alice.control_points[0], unit, number, Verdict.ACCEPTED)
    (made,) = link.say(answer, reply_to=f"{given.number:08d}").deliveries
    start_now(alice)
    work(alice)
    assert state_of(alice, made.id) == DeliveryState.ACKNOWLEDGED


@pytest.mark.parametrize(
    "more",
    [
        {"services": ["Submission"]},
        {"environment": "production"},
        {"starts_at": now() + HOUR},
        {"starts_at": None},
        {"services": []},
        {"ends_at": now() - timedelta(seconds=1), "until_further_notice": False},
    ],
    ids=["another service", "environment", "not yet", "no start", "no service", "over"],
)
def test_what_is_not_announced_for_now_goes_as_ever(
    ends: BothEnds, alice: Person, link: OpenLink, more: dict[str, Any]
) -> None:
    began = now()
    notice(alice, **more)
    look(alice)
    delivery_id = say(link)
    start_now(alice)
    work(alice)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
    if more != {"services": ["Submission"]}:
        assert texts_to(alice, began) == []


def test_one_that_lacks_something_is_alarmed_and_takes_effect_once_completed(
    ends: BothEnds, alice: Person
) -> None:
    row = notice(alice, services=[], until_further_notice=False)
    assert row.state == NoticeState.INCOMPLETE
    alarm = events(alice, "alarmed")[-1]["detail"]["alarm"]
    assert alarm == "an outage notice lacks services, end: complete it"
    change(alice, row, services=["Redeclaration"])
    assert standing(alice, row) == NoticeState.INCOMPLETE
    change(alice, row, ends_at=now() + HOUR)
    look(alice)
    assert standing(alice, row) == NoticeState.ON


def test_one_can_be_extended_shortened_and_cancelled_until_it_is_over(
    ends: BothEnds, alice: Person
) -> None:
    row = notice(alice, ends_at=now() + HOUR, until_further_notice=False)
    look(alice)
    change(alice, row, ends_at=now() + 2 * HOUR)
    look(alice)
    assert standing(alice, row) == NoticeState.ON
    with tenant_scope(alice.tenant_id):
        telephone.cancel(row, "a person", now())
    look(alice)
    assert standing(alice, row) == NoticeState.OVER
    with tenant_scope(alice.tenant_id), pytest.raises(NoticeOver):
        telephone.change(row, "a person", now(), ends_at=now() + HOUR)
    planned = notice(alice, starts_at=now() + HOUR)
    with tenant_scope(alice.tenant_id):
        telephone.cancel(planned, "a person", now())
    look(alice)
    assert standing(alice, planned) == NoticeState.CANCELLED


def test_the_connection_is_looked_after_at_each_boundary(ends: BothEnds, alice: Person) -> None:
    """Long before Health is asked for again."""
    soon = now() + timedelta(seconds=3)
    notice(alice, starts_at=soon, ends_at=soon + HOUR, until_further_notice=False)
    look(alice)
    assert ConnectionDue.objects.get(tenant_id=alice.tenant_id).due_at == soon


def house_notice(servers: TestServers, database: str, **changes: Any) -> SystemNotice:
    with as_role("staff", servers, database):
        return SystemNotice.objects.create(
            **{
                "environment": "simulator",
                "services": ALL,
                "starts_at": now(),
                "until_further_notice": True,
                "posted_by": "ada",
                **changes,
            }
        )


def copies(*people: Person) -> list[str]:
    found = []
    for person in people:
        with tenant_scope(person.tenant_id):
            rows = OutageNotice.objects.exclude(system_notice_id=None).order_by("-id")
            found.append(rows[0].state if rows else "")
    return found


def test_the_vendors_notice_is_everybodys_and_follows_its_changes(
    ends: BothEnds, alice: Person, bob: Person, servers: TestServers, database: str
) -> None:
    row = house_notice(servers, database)
    assert telephone.spread(now()) == 1
    assert telephone.spread(now()) == 0, "all have it"
    assert copies(alice, bob) == ["PLANNED", "PLANNED"]
    look(alice)
    assert copies(alice, bob) == ["ON", "ON"]
    with as_role("staff", servers, database):
        changes: dict[str, Any] = {"ends_at": now(), "until_further_notice": False}
        SystemNotice.objects.filter(id=row.id).update(**changes, spread_at=None)
    telephone.spread(now())
    look(alice)
    assert copies(alice) == ["OVER"]
    row = house_notice(servers, database, starts_at=now() + HOUR)
    telephone.spread(now())
    with as_role("staff", servers, database):
        SystemNotice.objects.filter(id=row.id).update(is_cancelled=True, spread_at=None)
    telephone.spread(now())
    assert copies(alice, bob) == ["CANCELLED", "CANCELLED"]


def test_one_that_lacks_something_is_given_to_nobody(
    ends: BothEnds, alice: Person, servers: TestServers, database: str
) -> None:
    before = len(events(alice, "outage notice posted"))
    house_notice(servers, database, services=[])
    telephone.spread(now())
    assert len(events(alice, "outage notice posted")) == before


def test_a_change_while_it_is_being_spread_is_spread_as_well(
    ends: BothEnds, alice: Person, servers: TestServers, database: str
) -> None:
    row = house_notice(servers, database)
    stale = SystemNotice.objects.get(id=row.id)
    with as_role("staff", servers, database):
        SystemNotice.objects.filter(id=row.id).update(ends_at=now() + HOUR)
    telephone._has_spread(stale)
    assert SystemNotice.objects.get(id=row.id).spread_at is None
    assert telephone.spread(now()) == 1


def test_a_connection_that_is_new_has_what_is_in_force(
    ends: BothEnds, alice: Person, servers: TestServers, database: str
) -> None:
    with as_role("staff", servers, database):
        SystemNotice.objects.update(spread_at=now())
    house_notice(servers, database, spread_at=now())
    assert telephone.spread(now()) == 0
    with tenant_scope(alice.tenant_id):
        Connection.objects.all().delete()
    connections.every_one_is_broken()
    ConnectionDue.objects.filter(tenant_id=alice.tenant_id).update(due_at=now())
    lamps.look()
    assert copies(alice) == ["ON"]
