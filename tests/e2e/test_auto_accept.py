"""An acceptance within all that is declared is answered at the operator although nobody at the
control point says a word; what the control point says later changes nothing. Real links, workers
and the simulated operator.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from messaging.domain.acknowledgements import ResultVerdict
from messaging.domain.instructions import BidOfferAcceptance, InstructionAnswer, Verdict
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
from messaging.rehearsal.control_point import ControlPoint
from tests.e2e.rig import Rig, clean_environment, mel, run
from tests.servers import ROOT

pytestmark = pytest.mark.xdist_group("stack")

TENANT, POINT = "alder", "ALDR2"

NOTIFY = """
import os, sys, django
os.environ |= {'DJANGO_SETTINGS_MODULE': 'hostsvc.settings', 'HOSTSVC_DATABASE_ROLE': 'app'}
django.setup()
from datetime import timedelta
from messaging.domain.submissions import LevelRecord, SeriesParameter, Submission
from messaging.relay import declared
from tenants import directory
from tenants.clock import now
from tenants.scope import tenant_scope
unit = sys.argv[1]
minute = now().replace(second=0, microsecond=0)
level = (minute - timedelta(hours=2), 0, minute + timedelta(hours=4), 0)
record = LevelRecord(SeriesParameter.PN, unit, *level)
with tenant_scope(directory.find_tenant(directory.Known.BM_UNIT, unit.encode())):
    declared.apply_submission(Submission('ALDER', 1, (record,)), 'simulator', 1, now())
"""


def everything(unit: str) -> Iterator[Redeclaration]:
    high = mel(POINT, unit, 100)
    yield high
    yield LevelRedeclaration(POINT, unit, LevelParameter.MIL, mel(POINT, unit, -100).levels)
    for rate in RateParameter:
        yield RateRedeclaration(POINT, unit, rate, (RateStep(Decimal(5), None),))
    for scalar in (ScalarParameter.NDZ, ScalarParameter.MZT, ScalarParameter.MNZT):
        yield ScalarRedeclaration(POINT, unit, scalar, 0)


def ask(stack: Rig, method: str, path: str, body: Any = None) -> Any:
    """The API, with the tenant's key."""
    request = urllib.request.Request(
        stack.service["api"]["url"] + path,
        json.dumps(body).encode() if body is not None else None,
        {"X-API-Key": stack.tenant(TENANT)["apiKey"], "Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture
def unit(stack: Rig) -> Iterator[str]:
    """One that no other test speaks of, notified at zero and set to be accepted for."""
    name = stack.units(TENANT)[-1]
    environment = {**clean_environment(), **stack.environment}
    command = [sys.executable, "-c", NOTIFY, name]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=60)
    (row_id,) = [
        row["id"]
        for row in ask(stack, "GET", "/bm-units?limit=200")["results"]
        if row["name"] == name
    ]
    ask(stack, "PATCH", f"/bm-units/{row_id}", {"auto_accept": True})
    time.sleep(1.5)  # A change of the register is noticed within a second.
    yield name
    ask(stack, "PATCH", f"/bm-units/{row_id}", {"auto_accept": False})


async def declare(point: ControlPoint, unit: str) -> None:
    numbers = [await point.redeclare(message) for message in everything(unit)]
    for number in numbers:
        assert (await point.result(number, final=True)).verdict == ResultVerdict.OK


def decided(stack: Rig, unit: str) -> list[tuple[str, str]]:
    """Event and reason of what was decided for the unit."""
    rows = stack.query(
        "SELECT event, convert_from(record, 'UTF8')::json #>> '{detail,reason}' FROM audit_entry"
        " WHERE event IN ('auto-accepted', 'left to a person')"
        " AND convert_from(record, 'UTF8')::json #>> '{detail,bm_unit}' = %s ORDER BY seq",
        unit,
    )
    return [(event, reason) for event, reason in rows]


def test_it_is_answered_at_once_and_the_control_point_has_no_say_after_that(
    stack: Rig, unit: str
) -> None:
    async def work() -> tuple[Any, BidOfferAcceptance, str, str]:
        async with stack.control_point(TENANT, answer=lambda _: None) as point:
            await point.wait_ready()
            await declare(point, unit)
            told = await asyncio.to_thread(stack.dispatch, unit, POINT, wait=20)
            number = told["acceptanceNumber"]
            arrival = await point.wait_for(
                lambda a: isinstance(a.message, BidOfferAcceptance) and a.message.number == number
            )
            assert isinstance(arrival.message, BidOfferAcceptance)
            answers = [
                InstructionAnswer(POINT, unit, number, verdict)
                for verdict in (Verdict.REJECTED, Verdict.ACCEPTED)
            ]
            codes = [
                (await point.answered(await point.respond(arrival.number, one))).code
                for one in answers
            ]
            return told, arrival.message, *codes

    told, message, rejected, accepted = run(work)
    assert told["response"]["verdict"] == "ACCEPTED"
    assert told["response"]["kind"] == "BOA"
    assert message.bm_unit == unit
    assert (rejected, accepted) == ("R008", "OK")
    event, reason = decided(stack, unit)[-1]
    assert event == "auto-accepted", reason
    assert "0 to 50 MW" in reason
    responses = [
        row["payload"]
        for row in stack.control("GET", "/messages?since=0")["messages"]
        if (row.get("payload") or {}).get("type") == "response" and row["payload"]["bmUnit"] == unit
    ]
    assert len(responses) == 1
