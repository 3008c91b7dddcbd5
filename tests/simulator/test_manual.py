"""docs/simulator.md says what there is."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import messaging.simulator
from messaging.simulator.app import Simulator
from messaging.simulator.drills.bundled import bundled
from messaging.simulator.drills.scenario_file import parse_scenario
from messaging.simulator.manual import fault_table
from tests.simulator.cast import make_cast, write_config
from tests.simulator.rig import rig

MANUAL = Path(messaging.simulator.__file__).resolve().parents[2] / "docs" / "simulator.md"
TEXT = MANUAL.read_text(encoding="utf-8")


def test_the_table_of_faults_is_the_catalogues() -> None:
    found = re.search(r"<!-- python -m [\w.]+ -->\n\n(.*)\n<!-- end -->", TEXT, re.DOTALL)
    assert found is not None
    assert found[1] == fault_table()


def test_the_scenarios_and_bodies_it_shows_can_be_used(tmp_path: Path) -> None:
    [example] = re.findall(r"\n(    name = .*?)\n\n\|", TEXT, re.DOTALL)
    scenario = parse_scenario("\n".join(line[4:] for line in example.splitlines()))
    assert len(scenario.happenings) == 21
    assert all(f"`{name}`" in TEXT for name in bundled())
    bodies = re.findall(r"curl --json '(.*?)' \"?\$URL(/\w+)", TEXT)
    assert [path for _, path in bodies] == ["/dispatch", "/faults", "/outage", "/scenarios"]

    async def try_them() -> None:
        async with rig(tmp_path) as on:
            for body, path in bodies:
                await on.control("POST", f"{path}?wait=0", json.loads(body))

    asyncio.run(try_them())


def test_it_names_every_call_of_the_control_port(tmp_path: Path) -> None:
    app = Simulator(write_config(make_cast(), tmp_path, 1)).control_app()
    calls = {
        (route.method, re.sub(r"\{.*", "<", route.resource.canonical))
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert len(calls) > 20
    told = set(re.findall(r"`(GET|POST|DELETE) ([/\w]+<?)", TEXT))
    assert calls - told == {("GET", "/")}, "the page, which is told of in words"
