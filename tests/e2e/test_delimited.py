"""The main job for a control point that speaks the delimited-1 profile: several BM units in one
message, each with the operator's word on it, and instructions the other way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from messaging.domain.acknowledgements import Result, ResultVerdict
from messaging.domain.instructions import BidOfferAcceptance
from messaging.domain.redeclarations import ScalarParameter, ScalarRedeclaration
from messaging.domain.units import RefusalCode
from messaging.rehearsal.control_point import ControlPoint
from tests.e2e.bad_input import NOTICED_AFTER
from tests.e2e.rig import Rig, mel, run
from tests.e2e.test_main_job import at_the_operator

pytestmark = pytest.mark.xdist_group("stack")

TENANT, POINT, UNIT, OTHER = "alder", "ALDR2", "ALDR-F01", "ALDR-F02"
PROFILE = "delimited-1"

_OPEN = """
SELECT count(*) FROM messaging_delivery d JOIN messaging_message m ON m.id = d.message_id
JOIN tenants_endpoint e ON e.name = %s AND e.id IN (d.endpoint_id, m.endpoint_id)
WHERE d.state IN ('PENDING', 'CLAIMED', 'HELD', 'DELIVERED')
"""
_SCOPE = """
SELECT set_config('app.tenant_id', tenant_id::text, true) FROM tenants_endpoint WHERE name = %s
"""
_SPEAKS = "UPDATE tenants_endpoint SET settings = settings || %s::jsonb WHERE name = %s"


def settle(stack: Rig, profile: str) -> None:
    """Nothing is left that was written in the profile spoken so far."""

    async def work() -> None:
        async with stack.control_point(TENANT, profile=profile) as point:
            await point.wait_ready()
            await asyncio.to_thread(stack.until, lambda: stack.query(_OPEN, POINT)[0][0] == 0)

    run(work)


def speak(stack: Rig, profile: str, point: str = POINT) -> None:
    with psycopg.connect(stack.environment["DATABASE_STAFF_URL"]) as session:
        session.execute(_SCOPE, (point,))
        changed = session.execute(_SPEAKS, (f'{{"profile": "{profile}"}}', point))
        assert changed.rowcount == 1
    time.sleep(NOTICED_AFTER)


@pytest.fixture(scope="module")
def delimited(stack: Rig) -> Iterator[Rig]:
    """The stack, with the control point's endpoint set to the second profile."""
    settle(stack, "host-1")
    speak(stack, PROFILE)
    yield stack
    settle(stack, PROFILE)
    speak(stack, "host-1")


def ndz(unit: str, value: int) -> ScalarRedeclaration:
    return ScalarRedeclaration(POINT, unit, ScalarParameter.NDZ, value)


async def results(point: ControlPoint, number: int, count: int) -> dict[str, Result]:
    found = [await point.result(number, final=True) for _ in range(count)]
    return {result.bm_unit: result for result in found}


def test_two_bm_units_in_one_message_reach_the_operator_as_two(delimited: Rig) -> None:
    async def work() -> dict[str, Result]:
        async with delimited.control_point(TENANT, profile=PROFILE) as point:
            await point.wait_ready()
            number = await point.redeclare(mel(POINT, UNIT, 1234), mel(POINT, OTHER, 2345))
            assert (await point.answered(number)).code == RefusalCode.OK
            return await results(point, number, 2)

    told = run(work)
    assert {unit: result.verdict for unit, result in told.items()} == {
        UNIT: ResultVerdict.OK,
        OTHER: ResultVerdict.OK,
    }
    got = at_the_operator(delimited, type="redeclaration", parameter="MEL")
    levels = {(p["bmUnit"], p["levels"][0]["levelFrom"]) for p in got}
    assert {(UNIT, 1234), (OTHER, 2345)} <= levels


def test_what_the_operator_refuses_of_one_is_said_of_that_one_alone(delimited: Rig) -> None:
    fault = {"fault": "refuse", "path": "Redeclaration", "bmUnit": OTHER, "text": "too high"}
    delimited.control("POST", "/faults", {"faults": [fault]})

    async def work() -> dict[str, Result]:
        async with delimited.control_point(TENANT, profile=PROFILE) as point:
            await point.wait_ready()
            number = await point.redeclare(ndz(UNIT, 3), ndz(OTHER, 4))
            return await results(point, number, 2)

    told = run(work)
    assert told[UNIT].verdict is ResultVerdict.OK
    assert (told[OTHER].verdict, told[OTHER].code) == (ResultVerdict.REFUSE, "R030")


def test_a_message_with_a_unit_of_somebody_elses_is_refused_whole(delimited: Rig) -> None:
    async def work() -> tuple[str, str]:
        async with delimited.control_point(TENANT, profile=PROFILE) as point:
            await point.wait_ready()
            answer = await point.answered(await point.redeclare(ndz(UNIT, 77), ndz("BRCH-F01", 5)))
            return answer.code, answer.text

    assert run(work) == (RefusalCode.UNKNOWN_UNIT, "BRCH-F01 unknown BM unit")
    got = at_the_operator(delimited, type="redeclaration", parameter="NDZ")
    assert 77 not in {payload["value"] for payload in got}


def test_an_acceptance_comes_in_the_profiles_words_and_is_answered_in_them(delimited: Rig) -> None:
    async def work() -> Any:
        async with delimited.control_point(TENANT, profile=PROFILE) as point:
            await point.wait_ready()
            told = await asyncio.to_thread(delimited.dispatch, UNIT, POINT, wait=20)
            number = told["acceptanceNumber"]
            arrival = await point.wait_for(
                lambda a: isinstance(a.message, BidOfferAcceptance) and a.message.number == number
            )
            return told, arrival

    told, arrival = run(work)
    assert arrival.type == "DISPATCH"
    assert f"|{told['acceptanceNumber']}|{UNIT}|1|".encode() in arrival.content
    assert told["response"]["verdict"] == "ACCEPTED"


def test_a_control_point_that_speaks_the_other_profile_is_not_understood(delimited: Rig) -> None:
    async def work() -> None:
        async with delimited.control_point(TENANT) as point:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(point.wait_ready(), 2)

    run(work)


def test_a_profile_that_is_not_installed_closes_its_own_links_alone(delimited: Rig) -> None:
    speak(delimited, "no-such")

    async def work() -> None:
        async with delimited.control_point(TENANT, profile=PROFILE) as point:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(point.wait_ready(), 2)
        async with delimited.control_point("birch") as neighbour:
            await neighbour.wait_ready()

    try:
        run(work)
    finally:
        speak(delimited, PROFILE)
