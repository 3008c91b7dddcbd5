"""Keeps BM units busy in both directions: control points that redeclare and answer, and an operator
that instructs. Whatever it makes is like nothing else that it makes.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from messaging.domain.instructions import (
    AncillaryInstruction,
    Instruction,
    InstructionAnswer,
    Verdict,
)
from messaging.domain.redeclarations import (
    LevelParameter,
    Redeclaration,
    ScalarParameter,
    ScalarRedeclaration,
)
from messaging.rehearsal.control_point import accept
from messaging.rehearsal.forms import flat
from messaging.rehearsal.operator_desk import DeskRefused, OperatorDesk
from messaging.rehearsal.outbox import Lapsed
from messaging.rehearsal.players import Player, now
from messaging.rehearsal.stage import ancillary, emergency
from tests.e2e.rig import boa, stamp

DECLARED_A_SECOND = 4.0
INSTRUCTED_A_SECOND = 2.0
REJECTED_SHARE = 0.1

_PARAMETERS = (
    *(LevelParameter.MEL, LevelParameter.MIL),
    *(ScalarParameter.NTO, ScalarParameter.MDV, ScalarParameter.SEL),
)
_SILENT = "SILENT"
"""The action of ancillary instructions that control points leave without an answer."""

_LASTS = timedelta(minutes=2)
_TURNS = 8
"""Acceptances of a BM unit, after which one may overlap the first of them: one that has come late
is sent unless it overlaps a later one that has been.
"""

_AHEAD = timedelta(minutes=8)
"""An operator whose clock is ahead may not accept for a time that it holds to be past."""

_BURST = 12


class Traffic:
    """Ends when `stop` is called; what is under way then goes on until it is `given_up`."""

    def __init__(self, players: Sequence[Player], desk: OperatorDesk, seed: int) -> None:
        self._players = players
        self._desk = desk
        self._chance = random.Random(f"traffic {seed}")
        self._count: Counter[tuple[str, str]] = Counter()
        self._stopped = asyncio.Event()
        self._under_way: set[asyncio.Task[Any]] = set()
        for player in players:
            player.answering = self._answer

    async def flow(self) -> None:
        """Until it is stopped."""
        await asyncio.gather(
            self._now_and_then(DECLARED_A_SECOND, self._declare),
            self._now_and_then(INSTRUCTED_A_SECOND, self._instruct),
        )

    def stop(self) -> None:
        self._stopped.set()

    async def give_up(self) -> None:
        """Whoever still waits for a word waits no longer."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _now_and_then(self, a_second: float, begin: Callable[[], None]) -> None:
        while not self._stopped.is_set():
            begin()
            with suppress(TimeoutError):
                pause = self._chance.expovariate(a_second)
                await asyncio.wait_for(self._stopped.wait(), pause)

    def _declare(self) -> None:
        player, unit = self._somebody()
        self._begin(self._declared(player, self._next_redeclaration(player, unit)))

    async def _declared(self, player: Player, message: Redeclaration) -> None:
        with suppress(Lapsed):
            await player.declare(message)

    def _next_redeclaration(self, player: Player, unit: str) -> Redeclaration:
        """Its value counts up, so that any other order shows."""
        parameter = self._chance.choice(_PARAMETERS)
        self._count[unit, parameter] += 1
        value = self._count[unit, parameter]
        if isinstance(parameter, LevelParameter):
            return flat(player.name, unit, parameter, value, now(), hours=3)
        return ScalarRedeclaration(player.name, unit, parameter, value)

    def _instruct(self) -> None:
        draw = self._chance.random()
        if draw < 0.03:
            self._begin(self._burst([self._next_acceptance() for _ in range(_BURST)]))
        elif draw < 0.08:
            player, unit = self._somebody()
            silent = {**ancillary(player, unit), "action": _SILENT, "respondBy": _by(8)}
            self._begin(self._dispatched(silent))
        elif draw < 0.12:
            player, unit = self._somebody()
            one = ancillary(player, unit) if self._chance.random() < 0.7 else emergency(player)
            self._begin(self._dispatched(one))
        else:
            self._begin(self._dispatched(self._next_acceptance()))

    def _next_acceptance(self) -> dict[str, Any]:
        """Some have less time than the usual two minutes: not all of those can be delivered."""
        player, unit = self._somebody()
        self._count[unit, "BOA"] += 1
        turn = self._count[unit, "BOA"]
        begin = now().replace(second=0, microsecond=0) + _AHEAD + turn % _TURNS * _LASTS
        one = boa(unit, player.name)
        times = {"timeFrom": stamp(begin), "timeTo": stamp(begin + _LASTS)}
        one["levels"] = [{**times, "levelFrom": 100, "levelTo": turn % 100}]
        draw = self._chance.random()
        if draw < 0.3:
            one["respondBy"] = _by(6 if draw < 0.1 else 20)
        return one

    async def _dispatched(self, instruction: dict[str, Any]) -> None:
        with suppress(DeskRefused):
            await self._desk.dispatch(instruction)

    async def _burst(self, instructions: list[dict[str, Any]]) -> None:
        with suppress(DeskRefused):
            await self._desk.burst(instructions, wait=0)

    def _answer(self, instruction: Instruction) -> InstructionAnswer | None:
        if isinstance(instruction, AncillaryInstruction) and instruction.action == _SILENT:
            return None
        said = accept(instruction)
        if self._chance.random() >= REJECTED_SHARE:
            return said
        return replace(
            said, verdict=Verdict.REJECTED, reason_code="SAFE", reason_text="unit has tripped"
        )

    def _somebody(self) -> tuple[Player, str]:
        """Every BM unit is as busy as any other."""
        units = [(player, unit) for player in self._players for unit in player.bm_units]
        return self._chance.choice(units)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)


def _by(seconds: float) -> str:
    return (now() + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
