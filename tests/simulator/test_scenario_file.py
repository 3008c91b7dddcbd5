"""Scenario files: what they say, and what is wrong with them, line by line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.simulator.catalogue import CATALOGUE
from messaging.simulator.drills.actions import (
    DispatchOne,
    PlayDay,
    Rotate,
    SetClock,
    SetFault,
    SwitchOutage,
)
from messaging.simulator.drills.bundled import bundled
from messaging.simulator.drills.lines import BadScenario, LineFault
from messaging.simulator.drills.scenario_file import parse_scenario
from messaging.simulator.drills.steps import read_duration

WHOLE = """
name = "Everything"
about = "One step of each kind."
speed = 60

[[step]]
at = "1m"
fault = "latency"
path = "NESO_Health"
participantId = "ALICE"
times = 3
for = "1h30m"
params = { ms = 5 }

[[step]]
after = 30
dispatch = { kind = "EMERGENCY", controlPoint = "CPALFA", text = "now" }
count = 2
every = "10s"

[[step]]
outage = true
announced = "2h"
for = "14h"

[[step]]
at = "20h"
rotate = "both"
announced = "1h"

[[step]]
clock = -90
for = "1h"

[[step]]
day = 2026-03-01
speed = 10
limit = 5

[[step]]
at = "22h"
clear = true
"""


def test_a_scenario_is_what_happens_in_its_order() -> None:
    scenario = parse_scenario(WHOLE)
    assert (scenario.name, scenario.speed) == ("Everything", 60.0)
    assert [(one.at, type(one.action).__name__) for one in scenario.happenings] == [
        (60.0, "SetFault"),
        (90.0, "DispatchOne"),
        (90.0, "SwitchOutage"),
        (100.0, "DispatchOne"),
        (72_000.0, "Rotate"),
        (72_000.0, "SetClock"),
        (72_000.0, "PlayDay"),
        (75_600.0, "SetClock"),
        (79_200.0, "ClearFaults"),
    ]
    assert scenario.ends == 79_200.0
    actions = [one.action for one in scenario.happenings]
    item = {"fault": "latency", "path": "NESO_Health", "participantId": "ALICE"}
    assert actions[0] == SetFault({**item, "times": 3, "ms": 5}, 5400.0)
    assert isinstance(actions[1], DispatchOne)
    assert actions[2] == SwitchOutage(True, 14 * 3600.0, 7200.0)
    assert actions[4] == Rotate("both", 3600.0)
    assert (actions[5], actions[7]) == (SetClock(-90.0), SetClock(0.0))
    assert isinstance(actions[6], PlayDay)


def test_each_happening_names_the_line_it_stands_on() -> None:
    lines = WHOLE.splitlines()
    for one in parse_scenario(WHOLE).happenings:
        assert lines[one.line - 1] == "[[step]]"


STEP = 'name = "N"\n\n[[step]]\n'
BAD: list[tuple[str, list[tuple[int, str]]]] = [
    ('name = "N"\n[[step]\n', [(2, "not TOML")]),
    ('name = "N"\n', [(1, "no [[step]]")]),
    ('name = "N"\nstep = 1\n', [(2, "no [[step]]")]),
    ("\nname = 5\n[[step]]\nclear = true\n", [(2, "name is missing or not a text")]),
    ("[[step]]\nclear = true\n", [(1, "name is missing")]),
    ('name = "N"\nspeed = 0\n[[step]]\nclear = true\n', [(2, "speed is not a number")]),
    ('name = "N"\nspeeed = 2\n[[step]]\nclear = true\n', [(2, "unknown key 'speeed'")]),
    (STEP + 'at = "soon"\nclear = true\n', [(4, "at is neither seconds")]),
    (STEP + "at = -1\nclear = true\n", [(4, "at is neither seconds")]),
    (STEP + "at = 1\nafter = 1\nclear = true\n", [(5, "at or after")]),
    (STEP + "at = 5\nclear = true\n[[step]]\nat = 4\nclear = true\n", [(7, "before the step")]),
    (STEP + "at = 5\n", [(3, "exactly one of fault, dispatch")]),
    (STEP + "clear = true\noutage = true\n", [(3, "exactly one of")]),
    (STEP + "clear = 1\n", [(4, "clear is not true")]),
    (STEP + 'fault = "gremlins"\n', [(4, "unknown fault 'gremlins'")]),
    (STEP + 'fault = "latency"\nparams = { mss = 1 }\n', [(5, "unknown parameter 'mss'")]),
    (STEP + 'fault = "latency"\nparams = 1\n', [(5, "params is not a table")]),
    (STEP + 'fault = "latency"\nms = 1\n', [(5, "fault: unknown key 'ms'")]),
    (STEP + 'fault = "reordered"\npath = "NESO_Health"\n', [(4, "reordered: path")]),
    (STEP + 'dispatch = "one"\n', [(4, "dispatch is neither")]),
    (STEP + "dispatch = { at = 2026-01-01 }\n", [(4, "JSON has not")]),
    (STEP + "dispatch = { level = inf }\n", [(4, "JSON has not")]),
    (STEP + 'dispatch = "plausible"\ncount = 0\n', [(5, "count is not a whole number")]),
    (STEP + 'outage = "on"\n', [(4, "outage is neither")]),
    (STEP + 'rotate = "keys"\n', [(4, "rotate is none of")]),
    (STEP + 'clock = "late"\n', [(4, "clock is not a number")]),
    (STEP + "clock = nan\n", [(4, "clock is not a number")]),
    (STEP + 'day = "today"\n', [(4, "day is neither a date")]),
    (STEP + 'day = "fullest"\nspeed = -1\n', [(5, "speed is not a number")]),
    (
        STEP + 'fault = "gremlins"\n\n[[step]]\nat = "soon"\noutage = 1\n',
        [(4, "gremlins"), (7, "at is neither"), (8, "outage is neither")],
    ),
]


@pytest.mark.parametrize(("text", "expected"), BAD)
def test_what_is_wrong_is_told_by_its_line(text: str, expected: list[tuple[int, str]]) -> None:
    with pytest.raises(BadScenario) as caught:
        parse_scenario(text)
    found = caught.value.faults
    assert [one.line for one in found] == [line for line, _ in expected]
    for one, (_, words) in zip(found, expected, strict=True):
        assert words in one.text


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (5, 5.0),
        (0.25, 0.25),
        ("90s", 90.0),
        ("1h30m", 5400.0),
        ("250ms", 0.25),
        ("1.5h", 5400.0),
        ("2d", 172_800.0),
        ("", None),
        ("1", None),
        ("h", None),
        ("1h 30m", None),
        (True, None),
        (None, None),
        (-1, None),
        (float("nan"), None),
        ("9999d", None),
    ],
)
def test_a_duration_is_seconds_or_a_text_with_units(value: Any, seconds: float | None) -> None:
    assert read_duration(value) == seconds


def test_a_scenario_is_bounded() -> None:
    many = STEP + 'dispatch = "plausible"\ncount = 15000\n'
    with pytest.raises(BadScenario, match="more than 20000 happenings"):
        parse_scenario(many + '[[step]]\ndispatch = "plausible"\ncount = 15000\n')
    with pytest.raises(BadScenario, match="characters"):
        parse_scenario("#" * 2_000_000)


@given(st.text(alphabet='name=[]step"\n at15mh{}fault.clock', max_size=200))
def test_whatever_is_written_is_a_scenario_or_told_to_be_none(text: str) -> None:
    told: tuple[LineFault, ...] = ()
    try:
        assert parse_scenario(text).happenings
    except BadScenario as error:
        told = error.faults or (LineFault(0, "no fault told"),)
    rows = max(1, len(text.splitlines()))
    assert all(1 <= one.line <= rows for one in told)


def test_the_bundled_scenarios_are_good_and_say_what_they_are() -> None:
    found = {name: parse_scenario(path.read_text()) for name, path in bundled().items()}
    assert found.keys() == {"outage", "rotation", "rough_day"}
    for scenario in found.values():
        assert scenario.about
    outages = [one.action for one in found["outage"].happenings]
    assert SwitchOutage(True, 14 * 3600.0, 7200.0) in outages
    assert found["outage"].ends / found["outage"].speed < 30
    set_on = {
        str(one.action.item["fault"])
        for one in found["rough_day"].happenings
        if isinstance(one.action, SetFault)
    }
    assert len(set_on) >= 12
    assert set_on <= CATALOGUE.keys()
