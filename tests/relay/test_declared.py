"""What the operator has accepted is in force, what it has not throws doubt on that, and what was
declared later counts in whatever order it was accepted.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from messaging.domain import clock
from messaging.domain.declared import Declared, during
from messaging.domain.redeclarations import (
    LevelParameter,
    RateParameter,
    ScalarParameter,
    ScalarRedeclaration,
)
from messaging.domain.submissions import (
    BOD,
    BidOfferRecord,
    LevelRecord,
    RateRecord,
    ScalarRecord,
    SeriesParameter,
)
from messaging.models import Declared as DeclaredRow
from messaging.models import Delivery, Due
from messaging.relay import in_force
from messaging.relay.in_force import find_on_its_way
from messaging.relay.register import find_operator
from messaging.states import DeliveryState
from tenants.clock import now
from tenants.models import Environment
from tenants.scope import in_tenant, tenant_scope
from tests.minutes import minute
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.declaring import (
    POINT,
    UNIT,
    declare,
    declare_all,
    dynamics,
    level,
    notification,
    say,
    settle,
    submit,
)

MEL = LevelParameter.MEL
OTHER = "ALICP1-2"


@pytest.fixture(autouse=True)
def nothing_is_declared(alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
        DeclaredRow.objects.update(content=[], position=0, doubt="", doubt_position=0)
    Due.objects.all().delete()


def read(person: Person, unit: str = UNIT, *parameters: str) -> Declared:
    names = parameters or in_force.JUDGED
    return in_tenant(person.tenant_id, lambda: in_force.read(unit, names))


def levels(person: Person, parameter: str, unit: str = UNIT) -> list[tuple[int, int, int]]:
    """Minutes from now and MW of each spell, at its start."""
    spells = read(person, unit, parameter).levels.get(parameter, ())
    origin = minute()
    return [
        (
            (one.time_from - origin) // timedelta(minutes=1),
            (one.time_to - origin) // timedelta(minutes=1),
            one.what.level_from,
        )
        for one in spells
    ]


def test_a_redeclaration_is_in_force_when_the_operator_has_accepted_it(
    alice: Person, link: OpenLink
) -> None:
    delivery_id = say(link, level(MEL, 80, end=60))
    assert levels(alice, "MEL") == []
    settle(alice, delivery_id)
    assert levels(alice, "MEL") == [(0, 60, 80)]
    declare(alice, link, level(MEL, 50, begin=20, end=30))
    assert levels(alice, "MEL") == [(0, 20, 80), (20, 30, 50), (30, 60, 80)]


def test_every_judged_parameter_comes_back_as_it_was_said(alice: Person, link: OpenLink) -> None:
    declare_all(alice, link)
    found = read(alice)
    assert found.levels.keys() == {"PN", "MEL", "MIL"}
    assert found.rates.keys() == set(RateParameter)
    assert found.values.keys() == {"NDZ", "MZT", "MNZT"}
    for message in dynamics():
        if isinstance(message, ScalarRedeclaration):
            held = found.values[message.parameter]
            assert during(held, now(), now()) == (message.value,)
    assert found.doubts == ()


def test_what_was_said_later_counts_though_it_was_accepted_first(
    alice: Person, link: OpenLink
) -> None:
    first, second = say(link, level(MEL, 80)), say(link, level(MEL, 50, end=60))
    settle(alice, second)
    settle(alice, first)
    assert levels(alice, "MEL") == [(0, 60, 50), (60, 600, 80)]


def test_a_refusal_throws_doubt_until_it_is_declared_anew(alice: Person, link: OpenLink) -> None:
    declare(alice, link, level(MEL, 80))
    settle(alice, say(link, level(MEL, 0)), refused="R003 too low")
    (doubt,) = read(alice).doubts
    assert doubt.startswith("the MEL of ")
    assert doubt.endswith(" was refused: R003 too low")
    assert levels(alice, "MEL") == [(0, 600, 80)]
    declare(alice, link, level(MEL, 70))
    assert read(alice).doubts == ()


def test_an_acceptance_of_what_was_said_before_a_refused_one_takes_no_doubt_away(
    alice: Person, link: OpenLink
) -> None:
    first, second = say(link, level(MEL, 80)), say(link, level(MEL, 0))
    settle(alice, second, refused="R003")
    settle(alice, first)
    assert len(read(alice).doubts) == 1


def test_a_refusal_of_what_was_said_before_an_accepted_one_throws_none(
    alice: Person, link: OpenLink
) -> None:
    first, second = say(link, level(MEL, 0)), say(link, level(MEL, 80))
    settle(alice, second)
    settle(alice, first, refused="R003")
    assert read(alice).doubts == ()


def on_its_way(person: Person, unit: str = UNIT) -> str:
    def work() -> str:
        operator = find_operator(Environment.SIMULATOR)
        assert operator is not None
        return find_on_its_way(operator.id, unit, now())

    return in_tenant(person.tenant_id, work)


def test_what_the_operator_has_not_decided_on_is_told(alice: Person, link: OpenLink) -> None:
    delivery_id = say(link, level(MEL, 80))
    assert on_its_way(alice).startswith("the MEL of ")
    assert on_its_way(alice, OTHER) == ""
    for state in (DeliveryState.HELD, DeliveryState.CLAIMED, DeliveryState.DELIVERED):
        with tenant_scope(alice.tenant_id):
            Delivery.objects.filter(id=delivery_id).update(state=state)
        assert on_its_way(alice) != ""
    settle(alice, delivery_id)
    assert on_its_way(alice) == ""
    say(link, ScalarRedeclaration(POINT, UNIT, ScalarParameter.MDV, 4))
    assert on_its_way(alice) == ""


def test_a_submission_declares_each_record_for_its_own_unit_and_time(alice: Person) -> None:
    day = clock.next_operational_day_start(minute())
    half = clock.half_hour_of(minute()) + clock.HALF_HOUR * 4
    submit(
        alice,
        notification(30),
        notification(40, unit=OTHER, end=60),
        LevelRecord(SeriesParameter.QPN, UNIT, minute(), 5, minute(30), 5),
        BidOfferRecord(UNIT, half, half + clock.HALF_HOUR, 1, 0, 50, Decimal("60.5"), Decimal(40)),
        RateRecord(RateParameter.RURE, UNIT, day, Decimal("1.5"), 20, Decimal(3)),
        ScalarRecord(ScalarParameter.NDZ, UNIT, day, 30),
    )
    assert levels(alice, "PN") == [(-700, 600, 30)]
    assert levels(alice, "PN", OTHER) == [(-700, 60, 40)]
    found = read(alice, UNIT, "QPN", BOD, "RURE", "NDZ")
    (pair,) = found.pairs
    assert (pair.what.number, pair.what.offer_price) == (1, Decimal("60.5"))
    (rates,) = found.rates["RURE"]
    assert (rates.effective, [step.from_mw for step in rates.what]) == (day, [None, 20])
    assert during(found.values["NDZ"], now(), now()) == ()
    assert during(found.values["NDZ"], day, day) == (30,)


def test_units_of_another_environment_or_of_nobody_are_left_out(alice: Person) -> None:
    submit(alice, notification(30), environment=Environment.PRODUCTION)
    submit(alice, notification(30, unit="NOSUCH-1"))
    assert levels(alice, "PN") == []
    with tenant_scope(alice.tenant_id):
        assert not DeclaredRow.objects.filter(bm_unit="NOSUCH-1").exists()


def test_what_two_transactions_declare_at_once_is_both_there(alice: Person) -> None:
    """Each finds no row of the other's to lock."""
    gate = threading.Barrier(8)

    def work(index: int) -> None:
        try:
            gate.wait(10)
            begin = index * 10
            submit(alice, notification(index, unit=OTHER, begin=begin, end=begin + 10))
        finally:
            connection.close()

    with tenant_scope(alice.tenant_id):
        DeclaredRow.objects.filter(bm_unit=OTHER).update(bm_unit="GONE-1")
    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [found[2] for found in levels(alice, "PN", OTHER)] == list(range(8))


def test_a_fault_in_keeping_it_settles_the_delivery_all_the_same(
    alice: Person, link: OpenLink
) -> None:
    declare(alice, link, level(MEL, 80))
    with tenant_scope(alice.tenant_id):
        DeclaredRow.objects.filter(bm_unit=UNIT, parameter="MEL").update(content=["no spell"])
    delivery_id = say(link, level(MEL, 70))
    settle(alice, delivery_id)
    with tenant_scope(alice.tenant_id):
        assert Delivery.objects.get(id=delivery_id).state == DeliveryState.ACKNOWLEDGED
        row = DeclaredRow.objects.get(bm_unit=UNIT, parameter="MEL")
        assert row.doubt.endswith("was accepted and could not be kept: ValueError")


def covers(person: Person, parameter: str, begin: int, end: int) -> bool:
    """As the database itself sees it."""
    statement = (
        "SELECT covered @> tstzrange(%s, %s) FROM messaging_declared"
        " WHERE bm_unit = %s AND parameter = %s"
    )
    with tenant_scope(person.tenant_id), connection.cursor() as cursor:
        cursor.execute(statement, [minute(begin), minute(end), UNIT, parameter])
        return bool(cursor.fetchone()[0])


def test_the_times_that_are_covered_can_be_asked_of_the_database(
    alice: Person, link: OpenLink
) -> None:
    declare(alice, link, level(MEL, 80, end=60), level(MEL, 80, begin=60, end=90))
    assert covers(alice, "MEL", 30, 90)
    assert not covers(alice, "MEL", 30, 91)
    declare(alice, link, ScalarRedeclaration(POINT, UNIT, ScalarParameter.NDZ, 5))
    assert covers(alice, "NDZ", 1, 10_000)
    assert not covers(alice, "NDZ", -10, 10)
