"""Plays a scenario: does each thing at its time, tells how far it is, and takes back at the end
what it changed."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from messaging.simulator.catalogue import FaultUnknown
from messaging.simulator.config import ControlPoint
from messaging.simulator.dispatch import Dispatch, NobodyThere
from messaging.simulator.drills.actions import (
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
from messaging.simulator.drills.credentials import Unusable
from messaging.simulator.drills.day import DayPlayer, NoDay, Wanted
from messaging.simulator.drills.rotation import Rotation
from messaging.simulator.faults import FaultBoard
from messaging.simulator.instructions import make_plausible_boa
from messaging.simulator.live import LiveConfig
from messaging.simulator.outage import Outage
from messaging.simulator.stamps import Clock, now, write_stamp

log = logging.getLogger("simulator.scenario")
_MOST_LINES = 200


class Busy(Exception):
    """A scenario is being played already."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scenario acts on."""

    live: LiveConfig
    dispatch: Dispatch
    faults: FaultBoard
    outage: Outage
    clock: Clock
    rotation: Rotation
    day: DayPlayer


class ScenarioPlayer:
    """One scenario at a time."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._chance = random.Random()  # noqa: S311 - levels and times, no secret
        self._task: asyncio.Task[None] | None = None
        self._scenario: Scenario | None = None
        self._done = 0
        self._began = 0.0
        self._started_at: datetime | None = None
        self._ended_at: datetime | None = None
        self._told: deque[dict[str, object]] = deque(maxlen=_MOST_LINES)
        self._set: list[int] = []
        self._changed: set[str] = set()

    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self, scenario: Scenario, speed: float | None = None) -> None:
        """`speed` instead of the scenario's own. Raises Busy."""
        if self.is_running():
            raise Busy("a scenario is being played already")
        self._scenario = scenario if speed is None else replace(scenario, speed=speed)
        self._done, self._began = 0, time.monotonic()
        self._started_at, self._ended_at = now(), None
        self._told.clear()
        self._tell(0, f"started at {self._scenario.speed:g} times the pace")
        self._task = asyncio.create_task(self._play(self._scenario))

    async def stop(self) -> None:
        """Returns when all is taken back."""
        if self._task is not None and not self._task.done():
            self._tell(0, "stopped")
            self._task.cancel()
            await asyncio.wait([self._task])

    def show(self) -> dict[str, object] | None:
        scenario = self._scenario
        if scenario is None:
            return None
        is_running, passed = self.is_running(), (time.monotonic() - self._began) * scenario.speed
        return {
            "name": scenario.name,
            "about": scenario.about,
            "speed": scenario.speed,
            "running": is_running,
            "done": self._done,
            "total": len(scenario.happenings),
            "elapsed": round(min(passed, scenario.ends), 1) if is_running else scenario.ends,
            "lasts": scenario.ends,
            "startedAt": None if self._started_at is None else write_stamp(self._started_at),
            "endedAt": None if self._ended_at is None else write_stamp(self._ended_at),
            "told": list(self._told),
        }

    async def _play(self, scenario: Scenario) -> None:
        try:
            for one in scenario.happenings:
                await self._sleep_until(one.at, scenario.speed)
                self._do(one, scenario.speed)
                self._done += 1
            await self._sleep_until(scenario.ends, scenario.speed)
            await self._stage.day.wait()
            self._tell(0, "ended")
        finally:
            self._take_back()
            self._ended_at = now()

    async def _sleep_until(self, at: float, speed: float) -> None:
        await asyncio.sleep(max(0.0, self._began + at / speed - time.monotonic()))

    def _do(self, one: Happening, speed: float) -> None:
        """What can't be done is told, and the scenario goes on."""
        try:
            self._act(one, speed)
        except (FaultUnknown, NobodyThere, NoDay, Unusable, OSError) as error:
            self._tell(one.line, f"{one.words}: not done, {error}")
        else:
            self._tell(one.line, one.words)

    def _act(self, one: Happening, speed: float) -> None:
        stage, action = self._stage, one.action
        match action:
            case SetFault(item=item, lasts=lasts):
                ends = {} if lasts is None else {"forSeconds": max(lasts / speed, 0.001)}
                self._set += [fault.id for fault in stage.faults.add([{**item, **ends}])]
            case ClearFaults():
                stage.faults.clear()
            case DispatchOne():
                self._dispatch_one(action)
            case SwitchOutage(on=on, lasts=lasts, announced=announced):
                stage.outage.switch(on, lasts, ahead=announced / speed, speed=speed)
                self._changed.add("outage")
            case Rotate(what=what, announced=announced):
                self._rotate(what, announced, speed)
            case SetClock(offset=offset):
                stage.clock.offset = timedelta(seconds=offset)
                self._changed.add("clock")
            case PlayDay(day=day, speed=own, limit=limit):
                stage.day.start(Wanted(day, own or speed, limit=limit))
                self._changed.add("day")

    def _dispatch_one(self, action: DispatchOne) -> None:
        if action.instruction is not None:
            self._stage.dispatch.start(action.instruction, action.participant_id)
            return
        whose, point = self._chance.choice(self._find_points(action.participant_id))
        asked = make_plausible_boa(point, self._chance, self._stage.clock.now())
        self._stage.dispatch.start(asked, whose)

    def _find_points(self, participant_id: str | None) -> list[tuple[str, ControlPoint]]:
        """Those that the demonstration drives, or where there are none, all. Raises NobodyThere."""
        tenants = self._stage.live.refresh().tenants.values()
        points = [
            (tenant.participant_id, point)
            for tenant in tenants
            if participant_id in (None, tenant.participant_id)
            for point in tenant.control_points.values()
            if point.bm_units
        ]
        if not points:
            raise NobodyThere("no control point with a BM unit is configured")
        return [one for one in points if one[1].driven] or points

    def _rotate(self, what: str | None, announced: float | None, speed: float) -> None:
        rotation = self._stage.rotation
        self._changed.add("rotation")
        if what is None:
            rotation.revert()
        elif announced is None:
            rotation.rotate(what)
        else:
            rotation.announce(what, announced / speed)

    def _take_back(self) -> None:
        stage = self._stage
        for number in self._set:
            stage.faults.remove(number)
        self._set.clear()
        if "outage" in self._changed:
            stage.outage.switch(False)
        if "clock" in self._changed:
            stage.clock.offset = timedelta(0)
        if "rotation" in self._changed:
            stage.rotation.revert()
        if "day" in self._changed:
            stage.day.stop()
        self._changed.clear()

    def _tell(self, line: int, text: str) -> None:
        self._told.append({"at": write_stamp(now()), "line": line or None, "text": text})
        log.info("%s", text)
