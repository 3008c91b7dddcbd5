"""What one slow and one dead endpoint cost everybody else: the same series without them and beside
them, in one run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import cycle

from tests.benchmarks import load, wire
from tests.benchmarks.load import Samples, Target, mel
from tests.benchmarks.plan import Plan, Side
from tests.benchmarks.report import Row, compared

SLOW, DEAD = "/slow", "/dead"
"""How the addresses of such operators begin, at the peer."""

HEALTH = "NESO_Health"
"""This they answer, or the lamp would hold what is to be sent there and nothing be slow."""

SLOW_SECONDS = 5.0
"""After which the slow one answers; the dead one never does."""

EVERY = 0.05
"""Seconds between two messages to the troubled ones, each to a control point in its turn."""

SETTLING = 12.0
"""Seconds until each of them has had time to take up whatever it can."""

GOAL = 1.2


@dataclass(frozen=True, slots=True)
class Neighbours:
    quiet: Samples
    troubled: Samples

    def rows(self) -> list[Row]:
        named = (("EDL in, RESULT", "result"), ("instruction in, BOAI", "boa"))
        return [
            compared(
                f"{name}, beside a slow and a dead endpoint: p99",
                [getattr(self.troubled, samples)],
                [getattr(self.quiet, samples)],
                0.99,
                GOAL,
            )
            for name, samples in named
        ]


async def measure(plan: Plan, target: Target, times: int) -> Neighbours:
    """`target` is the service, warm; the bound of each figure is the same without trouble."""
    quiet, troubled = Samples(), Samples()
    await _series(target, quiet, times)
    async with _trouble(plan):
        await asyncio.sleep(SETTLING)
        await _series(target, troubled, times)
    return Neighbours(quiet, troubled)


async def _series(target: Target, samples: Samples, times: int) -> None:
    await load.redeclare(target, samples, times)
    await load.instruct(target, samples, times)


@asynccontextmanager
async def _trouble(plan: Plan) -> AsyncIterator[None]:
    target = await Target.connect(plan, Side.TROUBLED)
    sending = asyncio.create_task(_keep_sending(target))
    try:
        yield
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
        target.close()


async def _keep_sending(target: Target) -> None:
    for link in cycle(target.links):
        number = link.next_number()
        link.write(wire.edl(link.point.name, "MEL", number, mel(link.point.unit, number)))
        await asyncio.sleep(EVERY)
