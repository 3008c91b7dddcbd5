"""Scenes in which something fails: links break, messages come twice, the operator is out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import chain

from messaging.domain.instructions import (
    Instruction,
    InstructionAnswer,
)
from messaging.rehearsal.control_point import Answering, accept
from messaging.rehearsal.players import Declaration, Player, until
from messaging.rehearsal.stage import (
    Stage,
    acceptance,
    require,
    require_outcome,
    require_verdict,
)
from messaging.rehearsal.steps import (
    acceptances_at,
    answering_otherwise,
    dispatch,
    series_of,
)


async def duplicates(stage: Stage) -> str:
    """The operator sends one acceptance three times: byte for byte, then under new ids."""
    before = stage.repeats()
    for new_ids in (False, True):
        fault = {"fault": "duplicated_instruction", "copies": 3, "newIds": new_ids}
        times = len(stage.players)
        await stage.desk.set_faults({**fault, "path": "NESO_Instruction", "times": times})
        await asyncio.gather(*(_duplicated(stage, player) for player in stage.players))
    repeats = stage.repeats() - before
    require(repeats, "nothing came to the host twice")
    return f"{2 * len(stage.players)} acceptances sent 3x each, one BOAI each: {repeats} repeats"


async def broken_link_up(stage: Stage) -> str:
    """Links break before the acknowledgements are read: the control points repeat."""

    async def one(player: Player) -> list[Declaration]:
        noted, earlier = await stage.desk.last_noted(), len(player.declared)
        sending = asyncio.create_task(player.declare_all(series_of(player, range(5), rounds=1)))
        try:
            await _yield_until(lambda: _all_sent(player.declared[earlier:], 5))
            player.point.go_silent()
            await _taken_by_operator(stage, player, noted, 5)
        finally:
            player.point.drop()
        return await sending

    before = stage.repeats()
    declared = await asyncio.gather(*map(one, stage.players))
    count = require_outcome(chain(*declared), "OK")
    repeats = stage.repeats() - before
    require(repeats, "nothing was repeated to the host")
    return f"{count} sent, {repeats} of them repeated byte for byte on the next link"


async def broken_link_down(stage: Stage) -> str:
    """Links break before the host hears that an acceptance was taken: the host repeats."""

    async def one(player: Player) -> None:
        unit = player.bm_units[-1]
        with answering_otherwise(player, _break_once(player)):
            for _ in range(3):
                require_verdict(await dispatch(stage, acceptance(player, unit)), "ACCEPTED")
        require(player.repeated(), f"{player.name} was never told anything again")

    await asyncio.gather(*map(one, stage.players))
    repeats = sum(player.repeated() for player in stage.players)
    return f"{repeats} repeated by the host byte for byte on the next link"


async def outage(stage: Stage) -> str:
    """Three redeclarations of three units each while the operator is out; then it comes back."""
    units = range(3)
    await stage.desk.switch_outage(True)
    try:
        tasks = [
            asyncio.create_task(player.declare_all(series_of(player, units)))
            for player in stage.players
        ]
        ahead = len(units) * len(stage.players)
        await until(lambda: _held(stage) >= ahead, "the RESULT HELD of each unit's first")
    finally:
        await stage.desk.switch_outage(False)
    declared = list(chain(*await asyncio.gather(*tasks)))
    count = require_outcome(declared, "OK")
    held = sum(one.was_held for one in declared)
    return f"{held} of {count} told HELD R999, and after it all {count} taken, in order"


async def _duplicated(stage: Stage, player: Player) -> None:
    unit = player.bm_units[1]
    shown = await dispatch(stage, acceptance(player, unit))
    require_verdict(shown, "ACCEPTED")
    number = int(shown["acceptanceNumber"])
    count = len(acceptances_at(player, [(unit, number)]))
    require(count == 1, f"BOA {number} of {unit} came {count} times")


async def _taken_by_operator(stage: Stage, player: Player, since: int, count: int) -> None:
    seconds = 0.0
    while True:
        noted = await stage.desk.noted(since)
        got = [
            entry
            for entry in noted.entries
            if entry["direction"] == "in"
            and entry["role"] == "request"
            and (entry["payload"] or {}).get("controlPoint") == player.name
        ]
        if len(got) >= count:
            return
        require(seconds < 20, f"{len(got)} of {count} redeclarations came to the operator")
        await asyncio.sleep(0.1)
        seconds += 0.1


async def _yield_until(is_so: Callable[[], bool]) -> None:
    """Looks again at every turn of the loop: a longer pause would let acknowledgements in."""
    while True:
        if is_so():
            return
        await asyncio.sleep(0)


def _all_sent(declared: list[Declaration], count: int) -> bool:
    return len(declared) == count and all(one.number is not None for one in declared)


def _held(stage: Stage) -> int:
    return sum(one.was_held for player in stage.players for one in player.declared)


def _break_once(player: Player) -> Answering:
    """Breaks the link off while the first instruction is being taken, before it is acknowledged."""
    broken = False

    def answer(instruction: Instruction) -> InstructionAnswer:
        nonlocal broken
        if not broken:
            broken = True
            player.point.drop()
        return accept(instruction)

    return answer
