"""An outage in small, over real links and workers: announced and not, with redeclarations coming
in all the while; and a hold by a person.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from datetime import timedelta
from typing import Any

from messaging.domain.acknowledgements import ResultVerdict
from messaging.rehearsal.control_point import ControlPoint
from tenants.clock import now
from tests.e2e.rig import Rig, mel, run, stamp
from tests.e2e.test_main_job import at_the_operator

POINT, UNIT, OTHER = "ALDR2", "ALDR-F01", "ALDR-F02"


def api(stack: Rig, method: str, path: str, body: Any = None) -> Any:
    """As a person of alder's."""
    headers = {
        "Authorization": f"Bearer {stack.tenant('alder')['apiKey']}",
        "Content-Type": "application/json",
    }
    data = json.dumps(body).encode() if body is not None else None
    url = f"{stack.service['api']['url']}{path}"
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def lamp(stack: Rig) -> Any:
    (row,) = api(stack, "GET", "/connections")["results"]
    return row


def taken(stack: Rig, levels: list[int]) -> list[int]:
    told = stack.control("GET", "/messages?since=0")["messages"]
    good = {row["exchange"] for row in told if row["direction"] == "out" and row["status"] == 200}
    found = [
        row["payload"]["levels"][0]["levelFrom"]
        for row in told
        if row["direction"] == "in"
        and row["exchange"] in good
        and (row["payload"] or {}).get("type") == "redeclaration"
        and "levels" in row["payload"]
    ]
    return [level for level in found if level in levels]


async def declared(
    point: ControlPoint, unit: str, levels: list[int], start_in: int = 0
) -> list[int]:
    """Each a minute later than the one before, so that none says what another would; and the first
    in minutes from now, so that none does while the test lasts.
    """
    return [
        await point.redeclare(mel(POINT, unit, level, minutes))
        for minutes, level in enumerate(levels, start_in + 5)
    ]


async def held(point: ControlPoint, numbers: list[int]) -> None:
    for number in numbers:
        assert (await point.result(number)).verdict == ResultVerdict.HELD


async def done(point: ControlPoint, numbers: list[int]) -> None:
    """One HELD and one final word for each."""
    for number in numbers:
        assert (await point.result(number, final=True)).verdict == ResultVerdict.OK
        results = [a for a in point.received if a.type == "RESULT" and a.in_reply_to == number]
        assert [getattr(a.message, "verdict", "") for a in results] == ["HELD", "OK"]


def test_a_long_outage_at_speed_loses_nothing_and_repeats_nothing(stack: Rig) -> None:
    levels = list(range(1001, 1025))

    async def work() -> None:
        async with stack.control_point("alder") as point:
            await point.wait_ready()
            stack.control("POST", "/outage", {"on": True})
            try:
                numbers = await declared(point, UNIT, levels[:12])
                await held(point, numbers)
                assert (await asyncio.to_thread(lamp, stack))["state"] == "OUT"
                stack.kill("-A hostsvc worker")
                numbers += await declared(point, UNIT, levels[12:], start_in=12)
                await held(point, numbers[12:])
            finally:
                stack.control("POST", "/outage", {"on": False})
            await done(point, numbers)

    run(work)
    assert taken(stack, levels) == levels
    row = lamp(stack)
    assert (row["state"], row["holds"], row["missed_since"]) == ("UP", False, None)
    assert row["normalized_at"] is not None


def test_of_what_says_the_same_times_only_the_last_goes_and_the_others_are_told(
    stack: Rig,
) -> None:
    levels = [1301, 1302, 1303]
    row = api(stack, "POST", "/holds", {"bm_unit": OTHER, "reason": "the meter is broken"})

    async def work() -> None:
        await asyncio.sleep(1.2)  # every process has noticed
        async with stack.control_point("alder") as point:
            await point.wait_ready()
            numbers = [await point.redeclare(mel(POINT, OTHER, level)) for level in levels]
            await held(point, numbers)
            release = f"/holds/{row['id']}/release"
            await asyncio.to_thread(api, stack, "POST", release, {"reason": "it is mended"})
            await done(point, numbers[-1:])
            for number in numbers[:-1]:
                final = await point.result(number, final=True)
                assert (final.verdict, final.code) == (ResultVerdict.REFUSE, "R031")
                assert "superseded by MEL" in final.text

    run(work)
    assert taken(stack, levels) == levels[-1:]


def cancelled(stack: Rig) -> None:
    """No notice is on afterwards; what is on ends once what was missed is known."""

    def are_on() -> list[Any]:
        found: list[Any] = api(stack, "GET", "/outage-notices?state=ON")["results"]
        return found

    for notice in are_on():
        api(stack, "POST", f"/outage-notices/{notice['id']}/cancel")
    stack.until(lambda: not are_on())


def test_an_announced_outage_holds_from_start_to_end(stack: Rig) -> None:
    levels = [1101, 1102, 1103]
    posted = api(
        stack,
        "POST",
        "/outage-notices",
        {
            "environment": "simulator",
            "text": "NESO_Redeclaration\\nis out until further notice",
            "starts_at": stamp(now() - timedelta(seconds=1)),
        },
    )
    assert posted["state"] == "PLANNED"

    async def work() -> None:
        async with stack.control_point("alder") as point:
            await point.wait_for(lambda a: "TELEPHONE MODE until" in getattr(a.message, "text", ""))
            await asyncio.sleep(1.2)  # every process has noticed
            numbers = await declared(point, OTHER, levels)
            await held(point, numbers)
            assert taken(stack, levels) == []
            await asyncio.to_thread(cancelled, stack)
            await point.wait_for(lambda a: "TELEPHONE MODE ends" in getattr(a.message, "text", ""))
            await done(point, numbers)

    try:
        run(work)
    finally:
        cancelled(stack)
    assert taken(stack, levels) == levels


def test_a_person_holds_a_unit_and_releases_it(stack: Rig) -> None:
    row = api(stack, "POST", "/holds", {"bm_unit": UNIT, "reason": "the meter is broken"})

    async def work() -> None:
        await asyncio.sleep(1.2)  # every process has noticed
        async with stack.control_point("alder") as point:
            await point.wait_ready()
            kept, free = await declared(point, UNIT, [1201]), await declared(point, OTHER, [1202])
            await held(point, kept)
            assert (await point.result(free[0], final=True)).verdict == ResultVerdict.OK
            release = f"/holds/{row['id']}/release"
            await asyncio.to_thread(api, stack, "POST", release, {"reason": "it is mended"})
            await done(point, kept)

    run(work)
    assert taken(stack, [1201, 1202]) == [1202, 1201]
    assert at_the_operator(stack, type="normalization"), "asked when the host started"
