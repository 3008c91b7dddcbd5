"""One replay on a running stack, from enrolment to the comparison."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from messaging.rehearsal.market.driver import OperatorWatch, Replay
from messaging.rehearsal.market.outcome import Flow, acceptance_flow, redeclaration_flow
from messaging.rehearsal.market.plan import Plan
from messaging.rehearsal.market.roster import Roster
from messaging.rehearsal.market.trust import folder_of
from messaging.rehearsal.operator_desk import OperatorDesk
from messaging.rehearsal.outside_books import OperatorNotes
from messaging.rehearsal.players import NotInTime, Player, on_stage
from messaging.rehearsal.service_file import Service

_KNOWN_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Replayed:
    """The two ways through the host, and how many links were up for it."""

    acceptances: Flow
    redeclarations: Flow
    links: int

    @property
    def differences(self) -> tuple[str, ...]:
        return (
            *self.acceptances.comparison.differences,
            *self.redeclarations.comparison.differences,
        )


async def replay(
    plan: Plan,
    service: Service,
    roster: Roster,
    var: Path,
    known: Mapping[str, int],
    speed: float | None,
    progress: Callable[[int, int], None],
) -> Replayed:
    """`known`: the highest acceptance number the host has of each BM unit. Raises NotInTime."""
    accesses = roster.access(plan.bm_units)
    points = {unit: access.name for access in accesses for unit in access.bm_units}
    addressed = plan.addressed(points, known)
    async with OperatorDesk(service.simulator_control) as desk:
        roster.introduce()
        await _until_known(desk, roster)
        async with on_stage(accesses, service, folder_of(var) / "state") as players:
            by_name = {player.name: player for player in players}
            return await _drive(addressed, desk, by_name, speed, progress)


async def _drive(
    plan: Plan,
    desk: OperatorDesk,
    players: Mapping[str, Player],
    speed: float | None,
    progress: Callable[[int, int], None],
) -> Replayed:
    watch = OperatorWatch(desk, await desk.last_noted())
    for player in players.values():
        player.begin()
    run = Replay(desk, watch, players, progress)
    await run.run(plan.acceptances, plan.redeclarations, speed)
    notes = OperatorNotes(watch.entries, players.keys())
    return Replayed(
        acceptance_flow(run.given, players.values(), notes),
        redeclaration_flow(players.values(), notes),
        len(players),
    )


async def _until_known(desk: OperatorDesk, roster: Roster) -> None:
    wanted = {member.participant_id for member in roster.members}
    try:
        async with asyncio.timeout(_KNOWN_SECONDS):
            while True:
                if wanted <= await desk.tenants():
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise NotInTime("the simulated operator does not know the replay's tenants") from None
