"""Reads a scenario (TOML) into happenings, or says line by line what is wrong with it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from itertools import islice
from typing import Any

from messaging.simulator.drills.actions import (
    Action,
    Happening,
    Rotate,
    Scenario,
    SetFault,
    SwitchOutage,
)
from messaging.simulator.drills.lines import BadScenario, LineFault, Lines
from messaging.simulator.drills.steps import (
    KINDS,
    MOST_HAPPENINGS,
    MOST_SPEED,
    Step,
    is_speed,
)

_MOST_CHARACTERS = 1024 * 1024
_TOP = frozenset({"name", "about", "speed", "step"})
_WHEN = frozenset({"at", "after", "note"})
_AT_LINE = re.compile(r"at line (\d+)")


def parse_scenario(text: str) -> Scenario:
    """Raises BadScenario with everything that is wrong, not with the first fault only."""
    if len(text) > _MOST_CHARACTERS:
        raise BadScenario([LineFault(1, f"over {_MOST_CHARACTERS} characters")])
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadScenario([_told(str(error), text)]) from None
    lines = Lines(text)
    scenario = _read(raw, lines)
    if lines.faults:
        raise BadScenario(lines.faults)
    return scenario


def _told(error: str, text: str) -> LineFault:
    named = _AT_LINE.search(error)
    last = max(1, len(text.splitlines()))
    return LineFault(int(named[1]) if named else last, f"not TOML: {error}")


def _read(raw: dict[str, Any], lines: Lines) -> Scenario:
    for key in raw.keys() - _TOP:
        lines.note(f"unknown key {key[:40]!a}", key)
    name, about, speed = raw.get("name"), raw.get("about", ""), raw.get("speed", 1)
    if not isinstance(name, str) or not name:
        lines.note("name is missing or not a text", "name")
    if not isinstance(about, str):
        lines.note("about is not a text", "about")
    if not is_speed(speed):
        lines.note(f"speed is not a number above 0 and up to {MOST_SPEED:g}", "speed")
    steps = raw.get("step")
    if not isinstance(steps, list) or not steps or not all(isinstance(one, dict) for one in steps):
        lines.note("there is no [[step]]", "step")
        steps = []
    happenings = list(islice(_read_steps(steps, lines), MOST_HAPPENINGS + 1))
    happenings.sort(key=lambda one: one.at)
    ends = max((one.at + _lasts(one.action) for one in happenings), default=0.0)
    if len(happenings) > MOST_HAPPENINGS:
        lines.note(f"more than {MOST_HAPPENINGS} happenings")
    known = float(speed) if is_speed(speed) else 1.0
    return Scenario(str(name), str(about), known, tuple(happenings), ends)


def _lasts(action: Action) -> float:
    match action:
        case SetFault(lasts=lasts):
            return lasts or 0.0
        case SwitchOutage(lasts=lasts, announced=announced):
            return announced + (lasts or 0.0)
        case Rotate(announced=announced):
            return announced or 0.0
        case _:
            return 0.0


def _read_steps(steps: list[dict[str, Any]], lines: Lines) -> Iterator[Happening]:
    last = 0.0
    for index, raw in enumerate(steps):
        step = Step(raw, index, lines)
        last = step.when(last)
        kinds = [kind for kind in KINDS if kind in raw]
        if len(kinds) != 1:
            lines.note(f"a step has exactly one of {', '.join(KINDS)}", index=index)
            continue
        keys, read = KINDS[kinds[0]]
        for key in raw.keys() - keys - _WHEN - {kinds[0]}:
            lines.note(f"{kinds[0]}: unknown key {key[:40]!a}", key, index)
        words = str(raw.get("note") or kinds[0])[:200]
        for later, action in read(step):
            yield Happening(last + later, lines.step(index), action, words)
