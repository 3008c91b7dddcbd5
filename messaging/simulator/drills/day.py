"""Plays a day of real acceptances at any speed to the control points that are configured."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import cycle

from messaging.simulator.config import Config
from messaging.simulator.dispatch import Dispatch, Flight, NobodyThere
from messaging.simulator.drills.day_file import Acceptance, DayFile
from messaging.simulator.live import LiveConfig
from messaging.simulator.stamps import Clock, now, write_market_time, write_stamp

_MOST_IN_FLIGHT = 64
_MOST_SPEED = 1e6


class NoDay(ValueError):
    """There is nothing to play, or nobody to play it to; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of which day, and how fast: `speed` None is as fast as the host answers. Without a
    control point, each unit's acceptances go to the unit of that name, or to one that stands in for
    it."""

    day: date | None = None
    speed: float | None = None
    begin: timedelta = timedelta(0)
    end: timedelta = timedelta(days=1)
    limit: int | None = None
    control_point: str | None = None


@dataclass(frozen=True, slots=True)
class _Stand:
    """Who plays a BM unit of the day."""

    participant_id: str
    control_point: str
    bm_unit: str


class DayPlayer:
    """One day at a time."""

    def __init__(
        self, live: LiveConfig, dispatch: Dispatch, clock: Clock, file: DayFile | None
    ) -> None:
        self._live = live
        self._dispatch = dispatch
        self._clock = clock
        self._file = file
        self._task: asyncio.Task[None] | None = None
        self._wanted = Wanted()
        self._total = self._sent = 0
        self._answers: Counter[str] = Counter()
        self._at: datetime | None = None
        self._began: datetime | None = None
        self._ended: datetime | None = None

    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self, wanted: Wanted) -> None:
        """Raises NoDay."""
        chosen = self._choose(wanted)
        stands = _cast(self._live.refresh(), chosen, wanted.control_point)
        self.stop()
        self._wanted, self._total, self._sent = wanted, len(chosen), 0
        self._answers, self._at = Counter(), None
        self._began, self._ended = now(), None
        self._task = asyncio.create_task(self._play(chosen, stands, wanted.speed))

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._task = None
        if self._began is not None and self._ended is None:
            self._ended = now()

    async def wait(self) -> None:
        """Until the day has been played, or stopped."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def show(self) -> dict[str, object]:
        file, wanted = self._file, self._wanted
        days = {} if file is None else {str(day): len(found) for day, found in file.days.items()}
        return {
            "days": days,
            "running": self.is_running(),
            "date": None if wanted.day is None else str(wanted.day),
            "speed": wanted.speed,
            "total": self._total,
            "sent": self._sent,
            "answers": dict(self._answers),
            "marketTime": None if self._at is None else write_stamp(self._at),
            "startedAt": None if self._began is None else write_stamp(self._began),
            "endedAt": None if self._ended is None else write_stamp(self._ended),
        }

    def _choose(self, wanted: Wanted) -> list[Acceptance]:
        if self._file is None:
            raise NoDay("no day file was given at the start (--day)")
        day = wanted.day or self._file.fullest()
        midnight = datetime.fromisoformat(f"{day}T00:00:00+00:00")
        chosen = [
            one
            for one in self._file.days.get(day, ())
            if wanted.begin <= one.accepted_at - midnight < wanted.end
            or (wanted.begin == timedelta(0) and one.accepted_at < midnight)
        ][: wanted.limit]
        if not chosen:
            known = ", ".join(str(one) for one in self._file.days)
            raise NoDay(f"no acceptance of {day} in that time; the file's days: {known}")
        return chosen

    async def _play(
        self, chosen: list[Acceptance], stands: Mapping[str, _Stand], speed: float | None
    ) -> None:
        first, began = chosen[0].accepted_at, time.monotonic()
        room = asyncio.Semaphore(_MOST_IN_FLIGHT)
        async with asyncio.TaskGroup() as answers:
            for one in chosen:
                if speed is not None:
                    due = began + (one.accepted_at - first).total_seconds() / speed
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                await room.acquire()
                self._at = one.accepted_at
                flight = self._send(one, stands[one.bm_unit])
                if flight is None:
                    room.release()
                else:
                    answers.create_task(self._count(flight, room))
        self._ended = now()

    def _send(self, one: Acceptance, stand: _Stand) -> Flight | None:
        """None, and counted, where its tenant is configured no more."""
        asked = make_instruction(one, stand.control_point, stand.bm_unit, self._clock.now())
        try:
            flight = self._dispatch.start(asked, stand.participant_id)
        except NobodyThere:
            self._answers["nobody"] += 1
            return None
        self._sent += 1
        return flight

    async def _count(self, flight: Flight, room: asyncio.Semaphore) -> None:
        try:
            await flight.landed.wait()
            outcome = flight.outcome
            status = None if outcome is None else outcome.answer.status
            self._answers["none" if status is None else str(status)] += 1
        finally:
            room.release()


def make_instruction(
    one: Acceptance, control_point: str, bm_unit: str, at: datetime
) -> dict[str, object]:
    """As if it had been given at `at`: its levels keep their distance from its time."""
    by = at.replace(second=0, microsecond=0) - one.accepted_at
    return {
        "kind": "BOA",
        "controlPoint": control_point,
        "bmUnit": bm_unit,
        "acceptanceTime": write_market_time(one.accepted_at + by),
        "emergencyFlag": False,
        "soFlag": one.so_flag,
        "storFlag": one.stor_flag,
        "rrFlag": one.rr_flag,
        "levels": [
            {
                "timeFrom": write_market_time(segment.time_from + by),
                "levelFrom": segment.level_from,
                "timeTo": write_market_time(segment.time_to + by),
                "levelTo": segment.level_to,
            }
            for segment in one.segments
        ],
    }


def read_speed(value: object) -> float | None:
    """Raises NoDay."""
    if value is None:
        return None
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not 0 < value <= _MOST_SPEED
    ):
        raise NoDay(f"speed is neither null nor a number up to {_MOST_SPEED:g}")
    return float(value)


def _cast(config: Config, chosen: list[Acceptance], only: str | None) -> dict[str, _Stand]:
    """A stand for each unit of the day: itself where it is configured, else the next in turn."""
    known = {
        unit: _Stand(tenant.participant_id, point.name, unit)
        for tenant in config.tenants.values()
        for point in tenant.control_points.values()
        if only in (None, point.name)
        for unit in point.bm_units
    }
    if not known:
        raise NoDay("no BM unit is configured there")
    turn = cycle(known.values())
    units = dict.fromkeys(one.bm_unit for one in chosen)
    return {unit: known.get(unit) or next(turn) for unit in units}
