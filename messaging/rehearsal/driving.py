"""Keeps the demonstration's control points going: each redeclares something plausible now and then,
and answers what it is told.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from messaging.domain.instructions import Instruction, InstructionAnswer, Verdict
from messaging.rehearsal.control_point import accept
from messaging.rehearsal.forms import plausible
from messaging.rehearsal.outbox import Lapsed
from messaging.rehearsal.players import Player, now, on_stage
from messaging.rehearsal.service_file import Service

PAUSES = (4.0, 12.0)
"""Seconds between two redeclarations of one control point, at least and at most."""

REJECTED_SHARE = 0.1
_REASONS = (
    ("SAFE", "unit has tripped"),
    ("DYN", "conflicts with the declared run-up rate"),
    ("MEL", "above the declared maximum export limit"),
)


async def drive(service: Service, folder: Path, stop: asyncio.Event, chance: random.Random) -> None:
    """Until `stop` is set; a host that goes away is awaited."""
    driving = asyncio.create_task(_drive_all(service, folder, chance))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({driving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    driving.cancel()
    with suppress(asyncio.CancelledError):
        await driving


async def _drive_all(service: Service, folder: Path, chance: random.Random) -> None:
    async with on_stage(service.driven(), service, folder) as players:
        await asyncio.gather(*(_drive(player, chance) for player in players))


async def _drive(player: Player, chance: random.Random) -> None:
    player.answering = lambda instruction: mostly_accept(instruction, chance)
    while True:
        await asyncio.sleep(chance.uniform(*PAUSES))
        await player.point.wait_ready()
        unit = chance.choice(player.bm_units)
        # One that waited out its own time while the link was down is of no use any more.
        with suppress(Lapsed):
            await player.point.redeclare(plausible(player.name, unit, now(), chance))


def mostly_accept(instruction: Instruction, chance: random.Random) -> InstructionAnswer:
    """A few are rejected, each with a reason."""
    said = accept(instruction)
    if chance.random() >= REJECTED_SHARE:
        return said
    code, text = chance.choice(_REASONS)
    return replace(said, verdict=Verdict.REJECTED, reason_code=code, reason_text=text)
