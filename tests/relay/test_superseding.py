"""A redeclaration that was kept back gives way to a newer one that says all it would have said;
what may have left, and what flows, never does.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.profile import Segment
from messaging.domain.redeclarations import (
    LevelParameter,
    LevelRedeclaration,
    RateParameter,
    RateRedeclaration,
    RateStep,
    Redeclaration,
    ScalarParameter,
    ScalarRedeclaration,
)
from messaging.domain.superseding import replaces
from messaging.models import Connection, Delivery, Due, Message
from messaging.protocols.neso.wa.exchange import Outcome
from messaging.relay import deliver
from messaging.relay.claim import Claimed, NotClaimed
from messaging.relay.deliver import Report
from messaging.states import DeliveryState, Lane
from tenants.audit import bodies
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import in_tenant, tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.test_claim import claim
from tests.relay.test_from_control_point import POINT, UNIT, mel

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OTHER = "ALICP1-2"


def levels(*spans: tuple[int, int], parameter: str = "MEL", unit: str = UNIT) -> Redeclaration:
    """Of 100 MW, at these minutes from AT."""
    told = tuple(
        Segment(AT + timedelta(minutes=start), 100, AT + timedelta(minutes=end), 100)
        for start, end in spans
    )
    return LevelRedeclaration(POINT, unit, LevelParameter(parameter), told)


def ndz(value: int) -> Redeclaration:
    return ScalarRedeclaration(POINT, UNIT, ScalarParameter.NDZ, value)


def rure(rate: int) -> Redeclaration:
    return RateRedeclaration(POINT, UNIT, RateParameter.RURE, (RateStep(Decimal(rate), None),))


@pytest.mark.parametrize(
    ("older", "newer", "covered", "same"),
    [
        (levels((0, 30)), levels((0, 30)), True, True),
        (levels((0, 30)), levels((0, 60)), True, True),
        (levels((0, 30)), levels((0, 10), (10, 40)), True, True),
        # What is over needs no saying again.
        (levels((-5, 30)), levels((0, 30)), True, True),
        (levels((-60, -30)), levels((0, 30)), True, True),
        # What would be lost.
        (levels((0, 30)), levels((0, 20)), False, True),
        (levels((0, 30)), levels((5, 30)), False, True),
        (levels((0, 30)), levels((0, 10), (20, 30)), False, True),
        (levels((0, 10), (60, 90)), levels((0, 30)), False, True),
        (levels((0, 10), (60, 90)), levels((0, 10), (60, 90)), True, True),
        # Another parameter, another unit.
        (levels((0, 30)), levels((0, 30), parameter="MIL"), False, False),
        (levels((0, 30)), levels((0, 30), unit=OTHER), False, False),
        (levels((0, 30)), ndz(5), False, False),
        # Values and rates are replaced whole.
        (ndz(5), ndz(7), True, True),
        (rure(5), rure(7), True, True),
        (ndz(5), rure(7), False, False),
    ],
)
def test_a_newer_one_replaces_what_says_nothing_more(
    older: Redeclaration, newer: Redeclaration, covered: bool, same: bool
) -> None:
    assert replaces(newer, older, AT, wholly=False) == covered
    assert replaces(newer, older, AT, wholly=True) == same


minutes = st.sets(st.integers(-60, 240), min_size=2, max_size=8).map(sorted)


@given(minutes, minutes)
def test_no_minute_to_come_that_only_the_older_names_is_ever_lost(
    one: list[int], other: list[int]
) -> None:
    def named(ends: list[int]) -> list[tuple[int, int]]:
        return list(zip(ends[::2], ends[1::2], strict=False))

    def to_come(spans: list[tuple[int, int]]) -> set[int]:
        return {minute for start, end in spans for minute in range(max(start, 0), end)}

    older, newer = named(one), named(other)
    expected = to_come(older) <= to_come(newer)
    assert replaces(levels(*newer), levels(*older), AT, wholly=False) == expected


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
    Due.objects.all().delete()


def say(link: OpenLink, said: Redeclaration | None = None) -> UUID:
    (made,) = link.say(said or mel()).deliveries
    return made.id


def keep_back(person: Person, *delivery_ids: UUID) -> None:
    """As after two minutes behind something."""
    with tenant_scope(person.tenant_id):
        for one in delivery_ids:
            row = Delivery.objects.get(id=one)
            Delivery.objects.filter(id=one).update(created_at=row.created_at - timedelta(minutes=2))


def state(person: Person, delivery_id: UUID) -> str:
    with tenant_scope(person.tenant_id):
        return str(Delivery.objects.get(id=delivery_id).state)


def told(person: Person, delivery_id: UUID) -> list[bytes]:
    """The results of what it delivers."""
    with tenant_scope(person.tenant_id):
        message_id = Delivery.objects.get(id=delivery_id).message_id
        rows = Message.objects.filter(answers_id=message_id, kind="RESULT").order_by("id")
        return [bodies.read(bytes(row.body_digest), row.received_at) for row in rows]


def test_one_that_was_kept_back_gives_way_and_says_to_which(alice: Person, link: OpenLink) -> None:
    older, newer = say(link), say(link, mel(level=50))
    reference = link.sent[-1].reference
    keep_back(alice, older, newer)
    gone = claim(alice, older)
    assert isinstance(gone, NotClaimed)
    assert [made.id for made in gone.deliveries if made.lane is Lane.OPERATOR] == [newer]
    assert state(alice, older) == DeliveryState.SUPERSEDED
    (result,) = told(alice, older)
    assert b"REFUSER031" in result
    assert f"superseded by MEL {reference}: not sent".encode() in result
    with tenant_scope(alice.tenant_id):
        entry = Entry.objects.get(delivery_id=older, event="superseded")
        detail = json.loads(bytes(entry.record))["detail"]
        message_id = Delivery.objects.get(id=newer).message_id
    assert (detail["by"], detail["by_delivery"]) == (str(message_id), str(newer))
    assert not Due.objects.filter(delivery_id=older).exists()
    assert isinstance(claim(alice, newer), Claimed)


def test_what_flows_is_sent_as_it_comes(alice: Person, link: OpenLink) -> None:
    older, _ = say(link), say(link)
    assert isinstance(claim(alice, older), Claimed)


@pytest.mark.parametrize(
    "newer",
    [
        replace(mel(), parameter=LevelParameter.MIL, levels=mel(level=0).levels),
        mel(OTHER),
        mel(start_in=60),
        ndz(5),
    ],
    ids=["another parameter", "another unit", "other times", "a scalar"],
)
def test_one_that_says_something_else_is_sent_too(
    alice: Person, link: OpenLink, newer: Redeclaration
) -> None:
    older, other = say(link), say(link, newer)
    keep_back(alice, older, other)
    assert isinstance(claim(alice, older), Claimed)


@pytest.mark.parametrize(("setting", "gives_way"), [("same", True), ("never", False)])
def test_the_endpoint_says_whether_it_gives_way(
    alice: Person, link: OpenLink, setting: str, gives_way: bool
) -> None:
    older, newer = say(link), say(link, mel(start_in=60) if gives_way else mel())
    keep_back(alice, older, newer)
    with tenant_scope(alice.tenant_id):
        operator = Endpoint.objects.filter(protocol="neso-wa")
        operator.update(settings={"supersede": setting})
    try:
        claim(alice, older)
    finally:
        with tenant_scope(alice.tenant_id):
            operator.update(settings={})
    wanted = DeliveryState.SUPERSEDED if gives_way else DeliveryState.CLAIMED
    assert state(alice, older) == wanted


@pytest.mark.parametrize(
    ("report", "gives_way"),
    [
        ({"outcome": Outcome.HELD, "status": 503}, True),
        ({"outcome": None, "left": False}, True),
        ({"outcome": None, "left": True}, False),
    ],
    ids=["refused for now", "nothing left", "nobody knows"],
)
def test_one_that_was_tried_gives_way_only_where_the_operator_surely_has_not_taken_it(
    alice: Person, link: OpenLink, report: dict[str, object], gives_way: bool
) -> None:
    older = say(link)
    claimed = claim(alice, older)
    assert isinstance(claimed, Claimed)
    told = {"sent_at": now(), "answered_at": None, "status": None, "detail": "a test", **report}
    in_tenant(alice.tenant_id, lambda: deliver._settle(claimed, Report(**told)))  # type: ignore[arg-type]
    newer = say(link)
    keep_back(alice, older, newer)
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(wait_until=None)
    open_all(alice)
    claim(alice, older)
    wanted = DeliveryState.SUPERSEDED if gives_way else DeliveryState.CLAIMED
    assert state(alice, older) == wanted


def open_all(person: Person) -> None:
    """What the answer shut is open again."""
    with tenant_scope(person.tenant_id):
        Connection.objects.all().delete()


def test_one_whose_sender_died_over_it_goes_again_as_it_was(alice: Person, link: OpenLink) -> None:
    older = say(link)
    first = claim(alice, older, 1)
    assert isinstance(first, Claimed)
    newer = say(link)
    keep_back(alice, older, newer)
    Due.objects.filter(delivery_id=older).update(owner=None)
    again = claim(alice, older, 2)
    assert isinstance(again, Claimed)
    assert again.sealed.body == first.sealed.body


def test_of_many_only_the_last_goes(alice: Person, link: OpenLink) -> None:
    said = [say(link, mel(level=level)) for level in range(10, 60, 10)]
    keep_back(alice, *said)
    for one in said:
        claim(alice, one)
    states = [state(alice, one) for one in said]
    assert states == [DeliveryState.SUPERSEDED] * 4 + [DeliveryState.CLAIMED]
    assert [len(told(alice, one)) for one in said] == [1, 1, 1, 1, 0]
