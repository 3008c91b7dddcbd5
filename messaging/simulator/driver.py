"""Dispatches a plausible acceptance now and then to the control points that the demonstration
drives."""

from __future__ import annotations

import asyncio
import logging
import random
import time

from messaging.simulator.config import ControlPoint
from messaging.simulator.dispatch import Dispatch
from messaging.simulator.instructions import make_plausible_boa
from messaging.simulator.live import LiveConfig
from messaging.simulator.outage import Outage
from messaging.simulator.stamps import Clock

log = logging.getLogger("simulator.driver")
_IDLE_SECONDS = 1.0


class Driver:
    def __init__(self, live: LiveConfig, dispatch: Dispatch, outage: Outage, clock: Clock) -> None:
        self._live = live
        self._dispatch = dispatch
        self._outage = outage
        self._clock = clock
        self._chance = random.Random()  # noqa: S311 - levels and times, no secret

    async def run(self) -> None:
        """Follows `dispatchEvery` and `driven` as the configuration changes; pauses in an
        outage."""
        last = time.monotonic()
        while True:
            every = self._live.current.dispatch_every
            await asyncio.sleep(min(every or _IDLE_SECONDS, _IDLE_SECONDS))
            if every and time.monotonic() - last >= every and not self._outage.is_on():
                last = time.monotonic()
                self._dispatch_one()

    def _dispatch_one(self) -> None:
        driven = self._find_driven()
        if driven:
            whose, point = self._chance.choice(driven)
            asked = make_plausible_boa(point, self._chance, self._clock.now())
            flight = self._dispatch.start(asked, whose)
            log.info("dispatched %s to %s", flight.sent.number, point.name)

    def _find_driven(self) -> list[tuple[str, ControlPoint]]:
        return [
            (tenant.participant_id, point)
            for tenant in self._live.current.tenants.values()
            for point in tenant.control_points.values()
            if point.driven and point.bm_units
        ]
