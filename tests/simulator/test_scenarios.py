"""Scenarios as they are played: each thing at its time, and everything taken back at the end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from messaging.simulator.drills.bundled import bundled
from messaging.simulator.drills.day_file import load_day
from messaging.simulator.drills.scenario_file import parse_scenario
from tests.simulator.peer import mel
from tests.simulator.rig import Rig, rig
from tests.simulator.test_day import ROWS, write

PATH = "NESO_Redeclaration"


async def _ended(on: Rig) -> dict[str, Any]:
    for _ in range(1500):
        playing: dict[str, Any] = (await on.control("GET", "/scenarios"))["playing"]
        if not playing["running"]:
            return playing
        await asyncio.sleep(0.01)
    raise AssertionError(playing)


def _texts(playing: dict[str, Any]) -> list[str]:
    return [line["text"] for line in playing["told"]]


LONG = """
name = "Long"
[[step]]
fault = "http_500"
path = "NESO_Redeclaration"
[[step]]
clock = 100
[[step]]
rotate = "signing"
[[step]]
outage = true
[[step]]
day = "fullest"
speed = 1
[[step]]
at = "1h"
note = "too late"
clear = true
"""


def test_what_a_scenario_changed_is_taken_back_when_it_is_stopped(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path, day=load_day(write(tmp_path, *ROWS))) as on:
            await on.fault("latency", ms=1)
            before = await on.control("GET", "/certificates")
            await on.control("POST", "/scenarios", {"text": LONG})
            for _ in range(1000):
                state = await on.control("GET", "/state")
                if state["scenario"]["done"] == 5:
                    break
                await asyncio.sleep(0.01)
            assert state["clockSeconds"] == 100
            assert state["outage"]["on"]
            assert state["day"]["running"]
            assert state["certificates"]["rotated"] == ["signing"]
            assert [one["fault"] for one in state["faults"]] == ["latency", "http_500"]
            problem = await on.control("POST", "/scenarios", {"text": LONG}, 409)
            assert "already" in problem["detail"]
            told = (await on.control("DELETE", "/scenarios"))["playing"]
            assert not told["running"]
            assert "stopped" in _texts(told)
            state = await on.control("GET", "/state")
            assert state["clockSeconds"] == 0
            assert not state["outage"]["on"]
            assert not state["day"]["running"]
            assert [one["fault"] for one in state["faults"]] == ["latency"]
            assert await on.control("GET", "/certificates") == before

    asyncio.run(scenario())


SHORT = """
name = "Short"
speed = 1000

[[step]]
fault = "r999"
path = "NESO_Redeclaration"
for = "200s"

[[step]]
at = "300s"
dispatch = "plausible"
count = 3
every = "10s"

[[step]]
dispatch = { kind = "EMERGENCY", controlPoint = "CPALFA", bmUnit = "BMU-1", text = "now" }

[[step]]
note = "nobody there"
dispatch = { kind = "EMERGENCY", controlPoint = "CPNONE", bmUnit = "BMU-1", text = "now" }
"""


def test_a_scenario_plays_at_its_speed_tells_what_it_did_and_goes_on_after_what_failed(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.control("POST", "/scenarios", {"text": SHORT})
            payload = mel()
            assert (await on.send(PATH, on.seal().close(payload))).status == 503
            await on.host.wait_for(4)
            assert (await on.say(PATH, payload))["status"] == "ACCEPTED"
            playing = await _ended(on)
            assert (playing["done"], playing["total"]) == (6, 6)
            assert _texts(playing)[-1] == "ended"
            assert any("nobody there: not done" in text for text in _texts(playing))
            kinds = sorted(one.payload["kind"] for one in on.host.got)
            assert kinds == ["BOA", "BOA", "BOA", "EMERGENCY"]
            plausible = [one.payload for one in on.host.got if one.payload["kind"] == "BOA"]
            assert {one["controlPoint"] for one in plausible} == {"CPALFA"}, "the driven one"

    asyncio.run(scenario())


@pytest.mark.parametrize("name", bundled())
def test_a_bundled_scenario_plays_to_its_end(name: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            lasts = parse_scenario(bundled()[name].read_text()).ends
            await on.control("POST", "/scenarios", {"name": name, "speed": lasts / 0.7})
            playing = await _ended(on)
            assert playing["done"] == playing["total"]
            assert not [text for text in _texts(playing) if "not done" in text]
            state = await on.control("GET", "/state")
            assert (state["faults"], state["clockSeconds"]) == ([], 0)
            assert not state["outage"]["on"]
            assert state["certificates"]["rotated"] == []

    asyncio.run(scenario())


def test_one_that_is_given_at_the_start_is_played_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path, scenario=parse_scenario(SHORT)) as on:
            assert (await _ended(on))["name"] == "Short"

    asyncio.run(scenario())


def test_a_bad_scenario_is_a_problem_with_its_lines_and_is_not_played(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            bad = 'name = "N"\n[[step]]\nfault = "gremlins"\n'
            for path in ("/scenarios", "/scenarios/check"):
                problem = await on.control("POST", path, {"text": bad}, 400)
                assert problem["faults"] == [{"line": 3, "text": "unknown fault 'gremlins'"}]
            good = await on.control("POST", "/scenarios/check", {"text": SHORT})
            assert good == {"name": "Short", "happenings": 6}
            for body in ({}, {"name": "none"}, {"name": "../outage"}, {"name": 1, "text": SHORT}):
                await on.control("POST", "/scenarios", body, 400)
            speed: dict[str, Any] = {"text": SHORT, "speed": 0}
            await on.control("POST", "/scenarios", speed, 400)
            listed = await on.control("GET", "/scenarios")
            assert listed["playing"] is None
            assert [one["name"] for one in listed["bundled"]] == ["outage", "rotation", "rough_day"]

    asyncio.run(scenario())
