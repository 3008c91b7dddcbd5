"""The steps of a scenario file, each read as the action that it asks for; what is wrong with one is
noted by its line."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from messaging.simulator.catalogue import FaultUnknown
from messaging.simulator.drills.actions import (
    Action,
    ClearFaults,
    DispatchOne,
    PlayDay,
    Rotate,
    SetClock,
    SetFault,
    SwitchOutage,
)
from messaging.simulator.drills.lines import Lines
from messaging.simulator.drills.rotation import WHAT
from messaging.simulator.faults import read_fault

MOST_SPEED = 1e6
MOST_HAPPENINGS = 20_000
LONGEST = 31 * 86400.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+", re.ASCII)
_PIECE = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)


def read_duration(value: object) -> float | None:
    """Seconds, of a number of them or of a text like `1h30m`; None where it is neither."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and _DURATION.fullmatch(value):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(value))
    else:
        return None
    return seconds if 0 <= seconds <= LONGEST else None


def is_speed(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < value <= MOST_SPEED  # type: ignore[operator]


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
    count = step.whole("count", 1, MOST_HAPPENINGS) or 1
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


KINDS: dict[str, tuple[frozenset[str], Callable[[Step], Timed]]] = {
    "fault": (frozenset({"params", "path", "participantId", "times", "for"}), _read_fault),
    "dispatch": (frozenset({"count", "every", "participantId"}), _read_dispatch),
    "outage": (frozenset({"for", "announced"}), _read_outage),
    "rotate": (frozenset({"announced"}), _read_rotate),
    "clock": (frozenset({"for"}), _read_clock),
    "day": (frozenset({"speed", "limit"}), _read_day),
    "clear": (frozenset(), _read_clear),
}
