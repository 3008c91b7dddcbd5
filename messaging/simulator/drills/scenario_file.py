"""Reads a scenario (TOML) into happenings, or says line by line what is wrong with it."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from messaging.simulator.catalogue import FaultUnknown
from messaging.simulator.drills.actions import (
    Action,
    ClearFaults,
    DispatchOne,
    Happening,
    PlayDay,
    Rotate,
    Scenario,
    SetClock,
    SetFault,
    SwitchOutage,
)
from messaging.simulator.drills.lines import BadScenario, LineFault, Lines
from messaging.simulator.drills.rotation import WHAT
from messaging.simulator.faults import read_fault

MOST_SPEED = 1e6
LONGEST = 31 * 86400.0
_MOST_HAPPENINGS = 20_000
_MOST_CHARACTERS = 1024 * 1024
_TOP = frozenset({"name", "about", "speed", "step"})
_WHEN = frozenset({"at", "after", "note"})
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+", re.ASCII)
_PIECE = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_AT_LINE = re.compile(r"at line (\d+)")


def read_duration(value: object) -> float | None:
    """Seconds, of a number of them or of a text like `1h30m`; None where it is neither."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and _DURATION.fullmatch(value):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(value))
    else:
        return None
    return seconds if 0 <= seconds <= LONGEST else None


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
    happenings = list(_read_steps(steps, lines))
    happenings.sort(key=lambda one: one.at)
    ends = max((one.at + _lasts(one.action) for one in happenings), default=0.0)
    if len(happenings) > _MOST_HAPPENINGS:
        lines.note(f"more than {_MOST_HAPPENINGS} happenings")
    known = float(speed) if is_speed(speed) else 1.0
    return Scenario(str(name), str(about), known, tuple(happenings), ends)


def is_speed(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < value <= MOST_SPEED  # type: ignore[operator]


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
        kinds = [kind for kind in _KINDS if kind in raw]
        if len(kinds) != 1:
            lines.note(f"a step has exactly one of {', '.join(_KINDS)}", index=index)
            continue
        keys, read = _KINDS[kinds[0]]
        for key in raw.keys() - keys - _WHEN - {kinds[0]}:
            lines.note(f"{kinds[0]}: unknown key {key[:40]!a}", key, index)
        words = str(raw.get("note") or kinds[0])[:200]
        for later, action in read(step):
            yield Happening(last + later, lines.step(index), action, words)


class Step:
    """One step's values, each read as what it must be; what is wrong is noted."""

    def __init__(self, raw: dict[str, Any], index: int, lines: Lines) -> None:
        self.raw = raw
        self._index = index
        self._lines = lines

    def note(self, text: str, key: str) -> None:
        self._lines.note(text, key, self._index)

    def when(self, last: float) -> float:
        """`at` counts from the start, `after` from the step above; with neither, at the same time
        as that."""
        if "at" in self.raw and "after" in self.raw:
            self.note("a step has at or after, not both", "after")
        after = self.duration("after") or 0.0
        at = self.duration("at")
        if at is None:
            return last + after
        if at < last:
            self.note("at is before the step above", "at")
        return at

    def duration(self, key: str) -> float | None:
        value = self.raw.get(key)
        if value is None:
            return None
        seconds = read_duration(value)
        if seconds is None:
            self.note(
                f"{key} is neither seconds nor a text like 90s, 10m, 1h30m (a month at most)", key
            )
        return seconds

    def whole(self, key: str, default: int | None, highest: int) -> int | None:
        value = self.raw.get(key, default)
        if value is not None and (type(value) is not int or not 1 <= value <= highest):
            self.note(f"{key} is not a whole number from 1 to {highest}", key)
            return default
        return value

    def text(self, key: str) -> str | None:
        value = self.raw.get(key)
        if value is not None and not isinstance(value, str):
            self.note(f"{key} is not a text", key)
            return None
        return value


Timed = Iterator[tuple[float, Action]]


def _read_fault(step: Step) -> Timed:
    params = step.raw.get("params", {})
    if not isinstance(params, dict):
        step.note("params is not a table", "params")
        return
    named = {
        key: step.raw[key] for key in ("fault", "path", "participantId", "times") if key in step.raw
    }
    item = {**params, **named}
    lasts = step.duration("for")
    try:
        read_fault(item)
    except FaultUnknown as error:
        step.note(str(error), "params" if "parameter" in str(error) else "fault")
        return
    yield 0.0, SetFault(item, lasts)


def _read_dispatch(step: Step) -> Timed:
    asked = step.raw["dispatch"]
    if asked != "plausible" and not isinstance(asked, dict):
        step.note('dispatch is neither "plausible" nor a table', "dispatch")
        return
    if isinstance(asked, dict) and not _is_json(asked):
        step.note("dispatch has a value that JSON has not (write times as texts)", "dispatch")
        return
    count = step.whole("count", 1, _MOST_HAPPENINGS) or 1
    every = step.duration("every") or 0.0
    whose = step.text("participantId")
    for turn in range(count):
        yield turn * every, DispatchOne(asked if isinstance(asked, dict) else None, whose)


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(_is_json(one) for one in value.values())
    if isinstance(value, list):
        return all(_is_json(one) for one in value)
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _read_outage(step: Step) -> Timed:
    on = step.raw["outage"]
    if not isinstance(on, bool):
        step.note("outage is neither true nor false", "outage")
        return
    yield 0.0, SwitchOutage(on, step.duration("for"), step.duration("announced") or 0.0)


def _read_rotate(step: Step) -> Timed:
    what = step.raw["rotate"]
    if what not in (*WHAT, "back"):
        step.note(f"rotate is none of {', '.join((*WHAT, 'back'))}", "rotate")
        return
    announced = step.duration("announced")
    yield 0.0, Rotate(None if what == "back" else what, announced)


def _read_clock(step: Step) -> Timed:
    offset = step.raw["clock"]
    if (
        not isinstance(offset, int | float)
        or isinstance(offset, bool)
        or not abs(offset) <= LONGEST
    ):
        step.note(f"clock is not a number of seconds within {LONGEST:.0f}", "clock")
        return
    yield 0.0, SetClock(float(offset))
    lasts = step.duration("for")
    if lasts is not None:
        yield lasts, SetClock(0.0)


def _read_day(step: Step) -> Timed:
    day, speed = step.raw["day"], step.raw.get("speed")
    if day != "fullest" and type(day) is not date:
        step.note('day is neither a date (2026-11-22) nor "fullest"', "day")
        return
    if speed is not None and not is_speed(speed):
        step.note(f"speed is not a number above 0 and up to {MOST_SPEED:g}", "speed")
        return
    limit = step.whole("limit", None, 10**6)
    yield 0.0, PlayDay(None if day == "fullest" else day, speed, limit)


def _read_clear(step: Step) -> Timed:
    if step.raw["clear"] is not True:
        step.note("clear is not true", "clear")
        return
    yield 0.0, ClearFaults()


_KINDS: dict[str, tuple[frozenset[str], Callable[[Step], Timed]]] = {
    "fault": (frozenset({"params", "path", "participantId", "times", "for"}), _read_fault),
    "dispatch": (frozenset({"count", "every", "participantId"}), _read_dispatch),
    "outage": (frozenset({"for", "announced"}), _read_outage),
    "rotate": (frozenset({"announced"}), _read_rotate),
    "clock": (frozenset({"for"}), _read_clock),
    "day": (frozenset({"speed", "limit"}), _read_day),
    "clear": (frozenset(), _read_clear),
}
