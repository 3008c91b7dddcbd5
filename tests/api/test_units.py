"""A BM unit's settings are changed by who may operate and told in the chain, and what is in force
of it is shown as it was accepted.
"""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from messaging.domain import clock
from messaging.domain.redeclarations import RateParameter, ScalarParameter
from messaging.domain.submissions import (
    BidOfferRecord,
    LevelRecord,
    RateRecord,
    Record,
    ScalarRecord,
    SeriesParameter,
    Submission,
)
from messaging.models import GateWatch
from messaging.relay import declared
from tenants import api_keys, members
from tenants.audit.models import Entry
from tenants.audit.verify import verify
from tenants.clock import now
from tenants.models import BmUnit, Environment
from tenants.permissions import Role
from tenants.scope import tenant_scope
from tests.api.clients import client
from tests.api.conftest import Ask
from tests.minutes import minute
from tests.people import Person

UNIT = "ALICP1-1"


@pytest.fixture
def unit(alice: Person) -> UUID:
    with tenant_scope(alice.tenant_id):
        BmUnit.objects.update(auto_accept=False, expected=[], gate_alarm_minutes=None)
        return BmUnit.objects.get(name=UNIT).id


def place(unit: UUID, below: str = "") -> str:
    return f"/api/v1/bm-units/{unit}{below}"


def last_told(person: Person) -> dict[str, Any]:
    with tenant_scope(person.tenant_id):
        record = Entry.objects.order_by("-seq")[0].record
    told: dict[str, Any] = json.loads(bytes(record))
    return {"event": told["event"], **told["detail"]}


def test_a_unit_says_what_the_host_does_for_it_and_all_of_it_is_off(
    alice: Person, unit: UUID, asking: Ask
) -> None:
    told = asking(alice).get(place(unit)).json()
    assert (told["name"], told["control_point"]) == (UNIT, "ALICP1")
    assert (told["auto_accept"], told["expected"], told["gate_alarm_minutes"]) == (False, [], None)


def test_a_change_is_made_and_told_with_who_made_it(alice: Person, unit: UUID, asking: Ask) -> None:
    wanted = {"auto_accept": True, "expected": ["PN", "BOD", "PN"], "gate_alarm_minutes": 20}
    answer = asking(alice).patch(place(unit), wanted, format="json")
    assert answer.status_code == 200
    assert answer.json() == {**answer.json(), **wanted, "expected": ["BOD", "PN"]}
    told = last_told(alice)
    assert (told["event"], told["what"]) == ("register changed", f"BM unit {UNIT}")
    assert told["fields"] == "auto_accept, expected, gate_alarm_minutes"
    assert (told["auto_accept"], told["expected"], told["gate_alarm_minutes"]) == (
        *(True, "BOD PN", 20),
    )
    assert told["by"] == "alice the owner"
    assert verify(alice.tenant_id).broken is None
    assert GateWatch.objects.filter(tenant_id=alice.tenant_id).exists()


def test_a_change_to_what_is_already_so_is_not_told(alice: Person, unit: UUID, asking: Ask) -> None:
    asking(alice).patch(place(unit), {"auto_accept": True}, format="json")
    with tenant_scope(alice.tenant_id):
        before = Entry.objects.count()
    asking(alice).patch(place(unit), {"auto_accept": True}, format="json")
    with tenant_scope(alice.tenant_id):
        assert Entry.objects.count() == before


@pytest.mark.parametrize(
    "wanted",
    [
        {"expected": ["PM"]},
        {"expected": "PN"},
        {"gate_alarm_minutes": 0},
        {"gate_alarm_minutes": 241},
        {"auto_accept": "perhaps"},
        {"autoaccept": True},
        {"generation_capacity_mw": "5"},
        [],
    ],
)
def test_what_is_wrong_is_refused_and_changes_nothing(
    alice: Person, unit: UUID, asking: Ask, wanted: Any
) -> None:
    assert asking(alice).patch(place(unit), wanted, format="json").status_code == 400
    with tenant_scope(alice.tenant_id):
        row = BmUnit.objects.get(id=unit)
        assert (row.auto_accept, row.expected, row.gate_alarm_minutes) == (False, [], None)


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.OPERATOR, 200), (Role.OBSERVER, 403), (Role.SECURITY_OFFICER, 403)],
)
def test_it_takes_the_permission_to_operate(
    alice: Person, unit: UUID, role: Role, status: int
) -> None:
    with tenant_scope(alice.tenant_id):
        member = members.add(role.value, f"{role.value.lower()}@desk.example", role)
        key = api_keys.mint("desk", member=member).text
    asker = client({"X-API-Key": key})
    assert asker.patch(place(unit), {"auto_accept": True}, format="json").status_code == status


def test_what_is_in_force_is_shown(alice: Person, unit: UUID, asking: Ask) -> None:
    half = clock.half_hour_of(minute()) + clock.HALF_HOUR * 2
    day = clock.next_operational_day_start(minute())
    end, later = half + clock.HALF_HOUR, half + timedelta(minutes=10)
    costs = Decimal("60.50"), Decimal(40)
    records: tuple[Record, ...] = (
        LevelRecord(SeriesParameter.PN, UNIT, half, 0, end, 10),
        BidOfferRecord(UNIT, half, end, 1, 0, 50, *costs),
        RateRecord(RateParameter.RURE, UNIT, day, Decimal("1.5"), 20, Decimal(3)),
        ScalarRecord(ScalarParameter.NDZ, UNIT, day, 30),
    )
    after = (LevelRecord(SeriesParameter.PN, UNIT, later, 7, end, 7),)
    with tenant_scope(alice.tenant_id):
        for position, told in enumerate((records, after), start=1):
            submission = Submission("ALITA", position, told)
            declared.apply_submission(submission, Environment.SIMULATOR, position, now())
    answer = asking(alice).get(place(unit, "/declared")).json()
    assert answer["bm_unit"] == UNIT
    found = {one["parameter"]: one for one in answer["parameters"]}
    assert found.keys() == {"PN", "BOD", "RURE", "NDZ"}
    lines = [(line["level_from"], line["level_to"]) for line in found["PN"]["levels"]]
    assert lines == [("0.000", "3.333"), ("7.000", "7.000")]
    (pair,) = found["BOD"]["pairs"]
    assert (pair["pair_number"], pair["offer_price"], pair["level_to"]) == (1, "60.50", 50)
    (dated,) = found["RURE"]["rates"]
    assert dated["rates"] == [{"rate": "1.5", "from_mw": None}, {"rate": "3.0", "from_mw": 20}]
    assert [one["value"] for one in found["NDZ"]["values"]] == [30]
