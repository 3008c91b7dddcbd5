"""What one slow and one dead endpoint cost everybody else. The same traffic goes all the while to
two other tenants' operators; these are well in one stretch, and slow and dead in the next, in
turns, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle

from tests.benchmarks import load, wire
from tests.benchmarks.load import LinkClient, Lost, Samples, Target, mel
from tests.benchmarks.plan import Plan, Side, client_context
from tests.benchmarks.report import Row, compared, quantile
from tests.benchmarks.wire import HttpClient

SLOW, DEAD = "/slow", "/dead"
"""How the addresses of such operators begin, at the peer."""

HEALTH = "NESO_Health"
"""This they answer, or the lamp would hold what is to be sent there and nothing be slow."""

TROUBLE = "/trouble"
"""Where the peer is told whether they are in trouble now: TROUBLED or WELL."""

TROUBLED, WELL = b"troubled", b"well"

SLOW_SECONDS = 5.0
"""After which the slow one answers; the dead one never does."""

EVERY = 0.05
"""Seconds between two messages to those operators, each from a control point in its turn."""

SETTLING = 12.0
"""Seconds until each of them has had time to take up whatever it can."""

DRAINED_WITHIN = 90.0
"""Seconds from when they are well again until all that waited has come to its end."""

PAIRS = 3
"""Of stretches, without and with trouble."""

GOAL = 1.2


@dataclass(slots=True)
class Neighbours:
    """Samples of each stretch, and how much of what went to the others came through meanwhile."""

    well: list[Samples] = field(default_factory=list)
    troubled: list[Samples] = field(default_factory=list)
    sent: int = 0
    through: int = 0

    def rows(self) -> list[Row]:
        return [
            self._row(f"{name}, beside a slow and a dead endpoint", samples, share, goal)
            for name, samples in (("EDL in, RESULT", "result"), ("instruction in, BOAI", "boa"))
            for share, goal in ((0.5, None), (0.99, GOAL))
        ]

    def _row(self, name: str, samples: str, share: float, goal: float | None) -> Row:
        troubled, well = (
            [getattr(one, samples) for one in stretches] for stretches in (self.troubled, self.well)
        )
        return compared(f"{name}: p{share * 100:.0f}", troubled, well, share, goal)


async def measure(plan: Plan, target: Target, times: int) -> Neighbours:
    """`target` is the service, warm; the bound of each figure is the same without trouble. `times`
    of each kind and condition, in all. Raises Lost where there was no trouble in a stretch that was
    to have some.
    """
    found = Neighbours()
    others = await Target.connect(plan, Side.TROUBLED)
    switch = await HttpClient.connect(plan.ports.peer, client_context(plan, plan.peer_tls))
    try:
        await load.warm(others)
        for condition in (WELL, TROUBLED) * PAIRS:
            samples = Samples()
            await switch.post(TROUBLE, condition)
            async with _traffic(others) as told:
                await asyncio.sleep(SETTLING)
                await load.redeclare(target, samples, times // PAIRS)
                await load.instruct(target, samples, times // PAIRS)
            if condition == TROUBLED:
                found.sent += len(told)
                found.through += sum(one.done() for one in told)
            await switch.post(TROUBLE, WELL)
            await _drained(told)
            (found.troubled if condition == TROUBLED else found.well).append(samples)
            _tell(condition, samples)
    finally:
        switch.close()
        others.close()
    if found.through > found.sent / 2:
        raise Lost(f"{found.through} of {found.sent} came through what was to be trouble")
    return found


def _tell(condition: bytes, samples: Samples) -> None:
    figures = "  ".join(
        f"{name} p{share * 100:.0f} {quantile(getattr(samples, name), share) * 1e3:.1f} ms"
        for name in ("result", "boa")
        for share in (0.5, 0.99)
    )
    print(f"the others {condition.decode()}: {figures}", flush=True)


Told = list[asyncio.Future[float]]
"""For each message that was sent, its RESULT."""


@asynccontextmanager
async def _traffic(others: Target) -> AsyncIterator[Told]:
    told: Told = []
    sending = asyncio.create_task(_keep_sending(others.links, told))
    try:
        yield told
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending


async def _keep_sending(links: list[LinkClient], told: Told) -> None:
    for link in cycle(links):
        number = link.next_number()
        told.append(link.expect("RESULT", number))
        link.write(wire.edl(link.point.name, "MEL", number, mel(link.point.unit, number)))
        await asyncio.sleep(EVERY)


async def _drained(told: Told) -> None:
    """Whatever they were told; a refusal too is an end."""
    try:
        async with asyncio.timeout(DRAINED_WITHIN):
            await asyncio.gather(*told, return_exceptions=True)
    except TimeoutError:
        waiting = sum(not one.done() or one.cancelled() for one in told)
        raise Lost(f"{waiting} wait still, {DRAINED_WITHIN:.0f} s after the trouble") from None
