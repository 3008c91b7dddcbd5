"""Does to a running service what a plan says, keeps account of it, and puts everything right in the
end.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import redis

from hostsvc.embedded import EmbeddedPostgres, EmbeddedRedis
from hostsvc.supervisor.kin import leaders, working_in
from messaging.rehearsal.operator_desk import DeskRefused, OperatorDesk
from messaging.rehearsal.players import NotInTime, now, until
from messaging.simulator.catalogue import CATALOGUE
from tests.chaos.ground import Ground
from tests.chaos.plan import CABLES, Deed, Strike
from tests.chaos.stack import MARK

RESTARTED_WITHIN = 90.0
"""Seconds for what was killed to be running again, on a machine that is busy."""

_SERVERS = {"postgres": EmbeddedPostgres, "redis": EmbeddedRedis}
_ENDINGS = {"postgres": signal.SIGINT, "redis": signal.SIGTERM}
"""As a person restarts each."""

_FLUSHED_WITHIN = 20.0


@dataclass(slots=True)
class Struck:
    """A strike as it was done; `failed` says what about it could not be."""

    strike: Strike
    at: datetime
    failed: str = ""


class Executioner:
    """Several strikes are under way at once, but those on one cable, or of one kind on one target,
    follow each other.
    """

    def __init__(self, ground: Ground, desk: OperatorDesk) -> None:
        self._ground = ground
        self._desk = desk
        self._set: dict[int, tuple[str, int]] = {}
        self._frozen: set[int] = set()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.struck: list[Struck] = []

    async def carry_out(self, plan: Sequence[Strike]) -> None:
        """Each at its time, or as soon after as its turn comes."""
        await asyncio.gather(*(self._at_its_time(strike) for strike in plan))

    async def heal(self) -> None:
        """Nothing that was done lasts on."""
        for cable in self._ground.cables.values():
            cable.lag = 0.0
            cable.flow()
        _signal(self._frozen, signal.SIGCONT)
        await self._desk.set_faults()
        await self._desk.switch_outage(False)
        await self._desk.set_clock(0)

    async def undriven(self) -> set[str]:
        """Kinds of the simulator's faults that never came about so far."""
        standing = await self._desk.faults()
        untouched = {id for id, (_, times) in self._set.items() if _times(standing, id) == times}
        met = {name for id, (name, _) in self._set.items() if id not in untouched}
        return set(CATALOGUE) - met

    async def _at_its_time(self, strike: Strike) -> None:
        await asyncio.sleep(strike.at)
        on_cable = strike.target in CABLES
        async with self._turns[strike.target if on_cable else f"{strike.deed} {strike.target}"]:
            struck = Struck(strike, now())
            self.struck.append(struck)
            try:
                await self._do(strike)
            except (OSError, NotInTime, DeskRefused, redis.RedisError) as error:
                struck.failed = f"{type(error).__name__}: {error}"

    async def _do(self, strike: Strike) -> None:
        match strike.deed:
            case Deed.KILL:
                await self._end(strike.target, signal.SIGKILL, everyone=True)
            case Deed.RESTART:
                await self._end(strike.target, _ENDINGS[strike.target], everyone=False)
            case Deed.FREEZE:
                await self._freeze(strike.target, strike.lasts)
            case Deed.FLUSH:
                await asyncio.to_thread(self._flush)
            case Deed.CUT | Deed.STALL | Deed.DELAY:
                await self._disturb(strike)
            case Deed.OUTAGE:
                await self._desk.switch_outage(True)
                await asyncio.sleep(strike.lasts)
                await self._desk.switch_outage(False)
            case Deed.SKEW:
                await self._desk.set_clock(strike.amount)
                await asyncio.sleep(strike.lasts)
                await self._desk.set_clock(0)
            case Deed.FAULT:
                id = await self._desk.add_fault(strike.settings)
                self._set[id] = (strike.target, int(strike.settings["times"]))

    async def _end(self, part: str, number: signal.Signals, *, everyone: bool) -> None:
        """The supervisor starts it again. One that is just being started is waited for."""
        await self._until_running(part, set())
        there = await asyncio.to_thread(self._pids, part)
        gone = set(leaders(there))
        _signal(there if everyone else gone, number)
        await self._until_running(part, gone)

    async def _until_running(self, part: str, gone: set[int]) -> None:
        """Under another process than those."""
        await until(
            lambda: bool(set(leaders(self._pids(part))) - gone),
            f"{part} runs again",
            seconds=RESTARTED_WITHIN,
            every=0.25,
        )

    async def _freeze(self, part: str, seconds: float) -> None:
        await self._until_running(part, set())
        pids = await asyncio.to_thread(self._pids, part)
        self._frozen |= pids
        _signal(pids, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            _signal(pids, signal.SIGCONT)
            self._frozen -= pids

    async def _disturb(self, strike: Strike) -> None:
        cable = self._ground.cables[strike.target]
        match strike.deed:
            case Deed.CUT:
                cable.cut()
            case Deed.STALL:
                cable.stall()
            case _:
                cable.lag = strike.amount
        try:
            await asyncio.sleep(strike.lasts)
        finally:
            cable.lag = 0.0
            cable.flow()
            if strike.deed is Deed.CUT:
                cable.mend()

    def _flush(self) -> None:
        """As soon as it answers."""
        url = self._ground.rig.environment["REDIS_URL"]
        with redis.Redis.from_url(url, socket_timeout=_FLUSHED_WITHIN) as client:
            client.flushall()

    def _pids(self, part: str) -> set[int]:
        """What runs of it now. Servers overwrite their environment: those are known by folder."""
        var = self._ground.rig.var
        if part in _SERVERS:
            server = _SERVERS[part](var / part)
            return set(working_in(server.home, server.programs))
        wanted = (f"{MARK}={part}".encode(), f"HOSTSVC_VAR={var}".encode())
        return {pid for pid in _all_pids() if all(mark in _environment(pid) for mark in wanted)}


def _times(standing: dict[int, dict[str, object]], id: int) -> object:
    return standing[id]["times"] if id in standing else 0


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
