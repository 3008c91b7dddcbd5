"""What a BM unit is meant to have and has not is alarmed once before each gate, and told once more
when it comes after all.
"""

from __future__ import annotations

import itertools
import json
import threading
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from messaging.domain import clock
from messaging.domain.submissions import BidOfferRecord, LevelRecord, SeriesParameter
from messaging.models import GateAlarm, GateWatch
from messaging.relay import gate_watch
from tenants import bm_units
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.models import BmUnit, Tenant
from tenants.scope import tenant_scope
from tests.people import Person
from tests.relay.declaring import UNIT, submit
from tests.roles import as_role
from tests.servers import TestServers

OTHER = "ALICP1-2"
STAFF = {"by": "the test"}

FIRST = clock.half_hour_of(now()) + timedelta(hours=12)
"""Start of the period that the tests are about: all that they look at is yet to come, however long
ago it was that this was read.
"""

_gone = itertools.count(1)

GATE = clock.gate_closure(FIRST)
ALARM = GATE - timedelta(minutes=15)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def nothing_is_expected(alice: Person, bob: Person) -> None:
    for person in (alice, bob):
        with tenant_scope(person.tenant_id):
            BmUnit.objects.update(expected=[], gate_alarm_minutes=None)
            for row in GateAlarm.objects.exclude(bm_unit__startswith="G"):
                GateAlarm.objects.filter(id=row.id).update(
                    bm_unit=f"G{next(_gone):08d}", arrived_at=now()
                )
            with connection.cursor() as cursor:
                cursor.execute("UPDATE messaging_declared SET covered = '{}', content = '[]'")
    GateWatch.objects.all().delete()


def expect(person: Person, unit: str, *parameters: str, minutes: int | None = None) -> None:
    with tenant_scope(person.tenant_id):
        row = BmUnit.objects.get(name=unit)
        bm_units.change(row, by=STAFF, expected=parameters, gate_alarm_minutes=minutes)


def notified(begin: datetime, end: datetime, unit: str = UNIT, mw: int = 10) -> LevelRecord:
    return LevelRecord(SeriesParameter.PN, unit, begin, mw, end, mw)


def told(person: Person, event: str) -> list[dict[str, Any]]:
    """Details of the entries about periods, oldest first."""
    with tenant_scope(person.tenant_id):
        rows = Entry.objects.filter(event=event).order_by("seq")
        found = [json.loads(bytes(row.record))["detail"] for row in rows]
    return [detail for detail in found if "period_start" in detail]


def look(person: Person, at: datetime) -> tuple[list[str], list[str]]:
    """What a look tells anew: alarms, and arrivals. Whoever looks, looks when it is due."""
    before = len(told(person, "alarmed")), len(told(person, "data arrived"))
    GateWatch.objects.filter(due_at__gt=now(), tenant_id=person.tenant_id, due_at__lte=at).update(
        due_at=now()
    )
    gate_watch.attend(at)
    alarms = [detail["alarm"] for detail in told(person, "alarmed")[before[0] :]]
    return alarms, [detail["text"] for detail in told(person, "data arrived")[before[1] :]]


def words(names: str) -> str:
    day, number = clock.period_of(FIRST)
    closes = f"whose gate closes at {GATE:%H:%M} UTC"
    return f"{names} for period {number} of {day} of {UNIT}, {closes}"


def test_what_is_missing_is_alarmed_once_when_the_gate_is_near(alice: Person) -> None:
    expect(alice, UNIT, "PN", "BOD")
    assert look(alice, ALARM - SECOND) == ([], [])
    assert look(alice, ALARM) == ([f"no {words('BOD, PN')}"], [])
    assert look(alice, ALARM + SECOND) == ([], [])
    assert look(alice, GATE - SECOND) == ([], [])


def test_what_covers_the_period_is_not_missing(alice: Person) -> None:
    expect(alice, UNIT, "PN", "BOD")
    cost = Decimal(50)
    end = FIRST + clock.HALF_HOUR
    submit(
        alice,
        notified(FIRST - clock.HALF_HOUR, FIRST + timedelta(minutes=10)),
        notified(FIRST + timedelta(minutes=10), end),
        BidOfferRecord(UNIT, FIRST, end, 1, 0, 10, cost, cost),
    )
    assert look(alice, ALARM) == ([], [])


@pytest.mark.parametrize(("begin", "end"), [(0, 29), (1, 30), (-30, 0), (30, 60)])
def test_a_period_that_is_covered_in_part_is_not_covered(
    alice: Person, begin: int, end: int
) -> None:
    expect(alice, UNIT, "PN")
    start, until = (FIRST + timedelta(minutes=minutes) for minutes in (begin, end))
    submit(alice, notified(start, until))
    assert look(alice, ALARM)[0] == [f"no {words('PN')}"]


def test_data_that_comes_after_the_alarm_is_told_once(alice: Person) -> None:
    expect(alice, UNIT, "PN", "MEL")
    look(alice, ALARM)
    submit(alice, notified(FIRST, FIRST + clock.HALF_HOUR))
    assert look(alice, ALARM + timedelta(minutes=1)) == ([], [])
    record = LevelRecord(SeriesParameter.MEL, UNIT, FIRST, 10, FIRST + clock.HALF_HOUR, 10)
    submit(alice, record)
    later = ALARM + timedelta(minutes=2)
    assert look(alice, later) == ([], [words("MEL, PN")])
    assert look(alice, later + timedelta(minutes=1)) == ([], [])
    with tenant_scope(alice.tenant_id):
        assert GateAlarm.objects.get(bm_unit=UNIT).arrived_at == later


def test_each_unit_is_looked_at_in_its_own_time_and_the_tenants_stands_for_the_rest(
    alice: Person, servers: TestServers, database: str
) -> None:
    expect(alice, UNIT, "PN", minutes=45)
    expect(alice, OTHER, "PN")

    def set_default(minutes: int | None) -> None:
        with as_role("staff", servers, database), tenant_scope(alice.tenant_id):
            Tenant.objects.filter(id=alice.tenant_id).update(gate_alarm_minutes=minutes)

    set_default(20)
    try:
        found = look(alice, GATE - timedelta(minutes=30))[0]
        assert [alarm.split(" of ")[-1].split(",")[0] for alarm in found] == [UNIT] * len(found)
        assert len(found) in (1, 2)  # The gates that close within 45 minutes.
        alarms = look(alice, GATE - timedelta(minutes=20))[0]
        assert any(OTHER in alarm for alarm in alarms)
    finally:
        set_default(None)


def test_a_unit_that_is_told_of_between_alarm_and_gate_is_looked_at_at_once(alice: Person) -> None:
    expect(alice, OTHER, "PN")
    look(alice, ALARM)
    expect(alice, UNIT, "PN")
    assert look(alice, ALARM + timedelta(minutes=3))[0] == [f"no {words('PN')}"]


def test_after_the_gate_nothing_is_alarmed(alice: Person) -> None:
    expect(alice, UNIT, "PN")
    found = look(alice, GATE)[0]
    assert not any(words("PN") in alarm for alarm in found)


def due_at(person: Person) -> datetime | None:
    row = GateWatch.objects.filter(tenant_id=person.tenant_id).first()
    return row.due_at if row else None


def test_the_next_look_is_when_the_next_alarm_may_be_needed(alice: Person) -> None:
    assert due_at(alice) is None
    expect(alice, UNIT, "PN")
    submit(alice, notified(FIRST - timedelta(hours=4), FIRST + timedelta(hours=4)))
    look(alice, ALARM - timedelta(minutes=3))
    assert due_at(alice) == ALARM
    look(alice, ALARM)
    assert due_at(alice) == ALARM + clock.HALF_HOUR
    expect(alice, UNIT)
    look(alice, ALARM + timedelta(minutes=1))
    assert due_at(alice) is None


def test_while_data_is_awaited_it_is_looked_for_often(alice: Person) -> None:
    expect(alice, UNIT, "PN")
    look(alice, ALARM)
    assert due_at(alice) == ALARM + gate_watch.ARRIVALS_EVERY


def test_a_change_made_during_a_look_is_seen_by_the_next(alice: Person) -> None:
    """What says when to look next gives way to what was said meanwhile."""
    expect(alice, UNIT, "PN")
    picked = due_at(alice)
    assert picked is not None
    expect(alice, OTHER, "PN")
    changed = due_at(alice)
    assert changed is not None
    assert changed > picked
    with tenant_scope(alice.tenant_id):
        gate_watch._plan(picked, ALARM)
    assert due_at(alice) == changed


def test_many_looks_at_once_make_one_alarm_of_each(alice: Person) -> None:
    expect(alice, UNIT, "PN")
    expect(alice, OTHER, "PN")
    before = len(told(alice, "alarmed"))
    barrier = threading.Barrier(6)

    def work() -> None:
        try:
            barrier.wait(10)
            gate_watch.attend(ALARM)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    alarms = [detail["alarm"] for detail in told(alice, "alarmed")[before:]]
    assert len(alarms) == len(set(alarms)) == 2


def test_tenants_have_alarms_of_their_own(alice: Person, bob: Person) -> None:
    expect(alice, UNIT, "PN")
    expect(bob, "BOBCP1-1", "PN")
    mine, his = len(told(alice, "alarmed")), len(told(bob, "alarmed"))
    gate_watch.attend(ALARM)
    assert [d["bm_unit"] for d in told(alice, "alarmed")[mine:]] == [UNIT]
    assert [d["bm_unit"] for d in told(bob, "alarmed")[his:]] == ["BOBCP1-1"]


def add_units(person: Person, count: int) -> None:
    with tenant_scope(person.tenant_id):
        point = BmUnit.objects.get(name=UNIT).control_point_id
        BmUnit.objects.bulk_create(
            BmUnit(
                tenant_id=person.tenant_id,
                name=f"MANY{index:05d}",
                control_point_id=point,
                expected=["BOD", "MEL", "MIL", "PN"],
            )
            for index in range(count)
        )


def questions(at: datetime) -> int:
    with CaptureQueriesContext(connection) as asked:
        gate_watch.attend(at)
    return len(asked)


def test_the_questions_do_not_grow_with_the_units(alice: Person) -> None:
    """But for a transaction for each few hundred alarms."""
    expect(alice, UNIT, "BOD", "MEL", "MIL", "PN")
    few = questions(ALARM)
    add_units(alice, 400)
    try:
        assert questions(ALARM + SECOND) <= few + 2
        with tenant_scope(alice.tenant_id):
            assert GateAlarm.objects.filter(bm_unit__startswith="MANY").count() == 400
    finally:
        with tenant_scope(alice.tenant_id):
            BmUnit.objects.filter(name__startswith="MANY").delete()
