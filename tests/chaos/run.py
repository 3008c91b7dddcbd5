"""One chaos run from the start of its stack to the comparison of the books. What is printed of it
is the report's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import psycopg

from messaging.rehearsal.operator_desk import DeskRefused, OperatorDesk
from messaging.rehearsal.players import LINK_SECONDS, Player, until
from messaging.rehearsal.service_file import read_service
from tests.chaos.books import Finding, Flow
from tests.chaos.comparison import Parties
from tests.chaos.executioner import Executioner, Struck
from tests.chaos.ground import PROFILES, Ground, prepared
from tests.chaos.operator_account import OperatorAccount
from tests.chaos.plan import Strike, draw
from tests.chaos.recovery import Passage
from tests.chaos.senders import Registrar, Sender, System, TradingPoint
from tests.chaos.traffic import Traffic
from tests.servers import ROOT

DRAIN_SECONDS = 240.0
"""For everything to come to its end once nothing is disturbed any more: an instruction without an
answer takes two minutes to expire, and a machine may be busy.
"""

DRIVEN_SECONDS = 120.0
"""For the last faults to meet the traffic that they are to spoil."""

LOOK_EVERY = 1.0
QUIET_LOOKS = 3
"""So many in a row that find nothing under way: a last word may make another."""

_TENANTS = ("alder", "birch")
_TOLD_EVERY = 10

Tell = Callable[[str], None]


@dataclass(slots=True)
class Outcome:
    """What a run came to. `wrong` is what kept it from being a whole run: a fault that never came
    about, a part that did not start again, something that never ended, a chain that is broken.
    """

    seed: int
    struck: Sequence[Struck]
    flows: Sequence[Flow]
    passages: dict[str, list[Passage]]
    findings: list[Finding]
    wrong: list[str] = field(default_factory=list)
    chains: Sequence[str] = ()

    @property
    def holds(self) -> bool:
        return not self.findings and not self.wrong


def run(seed: int, minutes: float, tell: Tell, *, keep: bool = False) -> Outcome:
    """On a stack of its own, whose folder is left where it is to be kept."""
    plan = draw(seed, minutes)
    with prepared(keep) as ground:
        folder = ground.rig.var.relative_to(ROOT)
        tell(f"seed {seed}: {len(plan)} strikes in {minutes:g} minutes on {folder}")
        outcome = asyncio.run(_Run(ground, seed, tell).play(plan, minutes * 60))
        checked = ground.rig.manage("verify_audit")
        outcome.chains = checked.stdout.splitlines()
        if checked.returncode:
            told = [line for line in outcome.chains if "does not hold" in line]
            outcome.wrong += told or [checked.stderr[-500:]]
    return outcome


class _Run:
    def __init__(self, ground: Ground, seed: int, tell: Tell) -> None:
        self._ground = ground
        self._seed = seed
        self._tell = tell

    async def play(self, plan: Sequence[Strike], seconds: float) -> Outcome:
        control = self._ground.rig.service["simulator"]["controlUrl"]
        async with OperatorDesk(control) as desk, _on_links(self._ground) as players:
            parties = self._parties(players)
            executioner = Executioner(self._ground, desk)
            noting = asyncio.create_task(_keep_noting(desk, parties.operator))
            wrong = await self._strike(executioner, parties, desk, plan, seconds)
            noting.cancel()
            await asyncio.gather(noting, return_exceptions=True)
            await _note(desk, parties.operator)
            flows, findings = await asyncio.to_thread(parties.compare)
        wrong += [f"{one.strike}: {one.failed}" for one in executioner.struck if one.failed]
        passages = parties.passages()
        return Outcome(self._seed, executioner.struck, flows, passages, findings, wrong)

    async def _strike(
        self,
        executioner: Executioner,
        parties: Parties,
        desk: OperatorDesk,
        plan: Sequence[Strike],
        seconds: float,
    ) -> list[str]:
        """Traffic and strikes, and then time for everything to come to its end."""
        traffic = Traffic(parties.players, desk, self._seed)
        sources: list[Traffic | Sender] = [traffic, *parties.senders]
        flowing = [asyncio.create_task(one.flow()) for one in sources]
        began = time.monotonic()
        await executioner.carry_out(plan)
        await asyncio.sleep(max(0.0, seconds - (time.monotonic() - began)))
        undriven = await _until_driven(executioner)
        for one in sources:
            one.stop()
        await executioner.heal()
        left = await self._drain(parties, flowing)
        for sender in parties.senders:
            sender.give_up()
        await traffic.give_up()
        told = await asyncio.gather(*flowing, return_exceptions=True)
        return [
            *(f"the fault {name} never came about" for name in sorted(undriven)),
            *(f"the traffic broke off: {one!r}" for one in told if isinstance(one, Exception)),
            *([f"not over within {DRAIN_SECONDS:.0f} s: {left}"] if left else []),
        ]

    async def _drain(self, parties: Parties, flowing: Sequence[asyncio.Task[None]]) -> str:
        """What is still under way when the time is over; empty where nothing is."""
        deadline, looks, quiet, left = time.monotonic() + DRAIN_SECONDS, 0, 0, ""
        while time.monotonic() < deadline and quiet < QUIET_LOOKS:
            left = await self._left(parties, flowing)
            looks, quiet = looks + 1, 0 if left else quiet + 1
            if left and looks % _TOLD_EVERY == 0:
                self._tell(f"  under way: {left}")
            for sender in parties.senders:
                await sender.follow()
            await asyncio.sleep(LOOK_EVERY)
        return left

    async def _left(self, parties: Parties, flowing: Sequence[asyncio.Task[None]]) -> str:
        try:
            left = await asyncio.to_thread(parties.under_way)
        except psycopg.OperationalError as error:
            return f"the database: {error}"
        if sending := sum(not task.done() for task in flowing):
            left["senders"] = sending
        return ", ".join(f"{count} {name}" for name, count in left.items())

    def _parties(self, players: Sequence[Player]) -> Parties:
        rig, seed = self._ground.rig, self._seed
        return Parties(
            players,
            [TradingPoint(rig, name, seed) for name in _TENANTS],
            [System(rig, name, seed) for name in _TENANTS],
            Registrar(rig, _TENANTS[0], seed),
            OperatorAccount(),
            rig.environment["DATABASE_STAFF_URL"],
        )


async def _until_driven(executioner: Executioner) -> set[str]:
    """Kinds of faults that did not come about, however long they were waited for."""
    left: set[str] = set()
    for _ in range(int(DRIVEN_SECONDS / LOOK_EVERY)):
        left = await executioner.undriven()
        if not left:
            break
        await asyncio.sleep(LOOK_EVERY)
    return left


async def _keep_noting(desk: OperatorDesk, operator: OperatorAccount) -> None:
    """The operator remembers the newest messages only."""
    while True:
        with suppress(DeskRefused):
            await _note(desk, operator)
        await asyncio.sleep(LOOK_EVERY)


async def _note(desk: OperatorDesk, operator: OperatorAccount) -> None:
    noted = await desk.noted(operator.last)
    operator.note(noted.entries, noted.last)


@asynccontextmanager
async def _on_links(ground: Ground) -> AsyncIterator[tuple[Player, ...]]:
    """Every control point of the demonstration's, half of them at either gateway first."""
    service = read_service(ground.rig.var / "service.json", ROOT)
    accesses = [point for tenant in service.tenants for point in tenant.points]
    async with AsyncExitStack() as stack:
        players = []
        for index, access in enumerate(accesses):
            gateways = ground.gateways[:: -1 if index % 2 else 1]
            player = Player(
                access,
                gateways[0],
                ground.rig.var / "books" / f"{access.name}.sqlite",
                profile=PROFILES.get(access.name, "host-1"),
                further=gateways[1:],
            )
            await stack.enter_async_context(player.point)
            players.append(player)
        ready = lambda: all(player.point.is_ready for player in players)  # noqa: E731
        await until(ready, "every link", seconds=LINK_SECONDS)
        yield tuple(players)
