"""Drives a replay: the operator gives the acceptances, the control points redeclare, both in order
for each BM unit and never more at once than a host is given to carry.

Figures and comparisons are made of what it brings together, elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from messaging.domain.instructions import BidOfferAcceptance
from messaging.domain.redeclarations import Redeclaration
from messaging.rehearsal.operator_desk import DeskRefused, OperatorDesk
from messaging.rehearsal.outbox import Lapsed
from messaging.rehearsal.players import Player
from messaging.rehearsal.telling import tell

AT_ONCE = 40
"""Acceptances without a verdict, and redeclarations without a RESULT, at any moment."""

_VERDICT_SECONDS = 150.0
"""A verdict that has not come by then was not given in its two minutes."""

_RESULT_SECONDS = 150.0
"""What has no RESULT by then counts as lost."""

_LOOK_EVERY = 0.25

Subject = tuple[str, int]
"""BM unit and acceptance number."""


@dataclass(eq=False, slots=True)
class Given:
    """An acceptance and what the host answered: `refusal` says what, where it was not taken."""

    message: BidOfferAcceptance
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    verdict: asyncio.Event = field(default_factory=asyncio.Event)
    refusal: str = ""


class OperatorWatch:
    """Reads what the operator notes while it still remembers it, and tells of each verdict."""

    def __init__(self, desk: OperatorDesk, since: int) -> None:
        self.entries: list[dict[str, Any]] = []
        self._desk = desk
        self._last = since
        self._awaited: dict[Subject, asyncio.Event] = {}

    def tell_of(self, given: Given) -> None:
        self._awaited[given.message.bm_unit, given.message.number] = given.verdict

    async def watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_EVERY)

    async def look(self) -> None:
        noted = await self._desk.noted(self._last)
        self._last = noted.last
        self.entries += noted.entries
        for entry in noted.entries:
            payload = entry["payload"]
            if isinstance(payload, dict) and payload.get("type") == "response":
                subject = (payload.get("bmUnit"), payload.get("acceptanceNumber"))
                awaited = self._awaited.get(subject)  # type: ignore[arg-type]
                if awaited is not None:
                    awaited.set()


class Replay:
    """One replay. `progress` hears now and then how many of how many are done."""

    def __init__(
        self,
        desk: OperatorDesk,
        watch: OperatorWatch,
        players: Mapping[str, Player],
        progress: Callable[[int, int], None],
    ) -> None:
        self.given: list[Given] = []
        self._desk = desk
        self._watch = watch
        self._players = players
        self._progress = progress
        self._done = self._total = 0

    async def run(
        self,
        acceptances: Sequence[BidOfferAcceptance],
        redeclarations: Sequence[Redeclaration],
        speed: float | None,
    ) -> None:
        """`speed`: so many times as fast as the day went; None: as fast as the host takes it."""
        self._total = len(acceptances) + len(redeclarations)
        watching = asyncio.create_task(self._watch.watch())
        try:
            await asyncio.gather(
                self._give_all(acceptances, speed), self._declare_all(redeclarations)
            )
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        await self._watch.look()

    async def _give_all(
        self, acceptances: Sequence[BidOfferAcceptance], speed: float | None
    ) -> None:
        window = asyncio.Semaphore(AT_ONCE)
        pace = Pace(acceptances[0].accepted_at if acceptances else None, speed)
        last: dict[str, Given] = {}
        tasks = []
        for message in acceptances:
            given, before = Given(message), last.get(message.bm_unit)
            last[message.bm_unit] = given
            self.given.append(given)
            self._watch.tell_of(given)
            await pace.wait_for(message.accepted_at)
            await window.acquire()
            tasks.append(asyncio.create_task(self._give(given, before, window)))
        await asyncio.gather(*tasks)

    async def _give(self, given: Given, before: Given | None, window: asyncio.Semaphore) -> None:
        """After the host has answered the one before it for this BM unit."""
        try:
            if before is not None:
                await before.answered.wait()
            given.refusal = await self._dispatch(given.message)
            given.answered.set()
            if not given.refusal:
                with suppress(TimeoutError):
                    await asyncio.wait_for(given.verdict.wait(), _VERDICT_SECONDS)
        finally:
            given.answered.set()
            window.release()
            self._count()

    async def _dispatch(self, message: BidOfferAcceptance) -> str:
        """Why it was not taken, or an empty string."""
        try:
            shown = await self._desk.dispatch(json.loads(tell(message)))
        except DeskRefused as error:
            return str(error)
        answer = shown["answer"]
        if answer is None or answer["status"] != 200:
            return f"answered {answer and (answer['status'], answer['payload'])}"
        return ""

    async def _declare_all(self, redeclarations: Sequence[Redeclaration]) -> None:
        window = asyncio.Semaphore(AT_ONCE)
        tasks = []
        for message in redeclarations:
            await window.acquire()
            tasks.append(asyncio.create_task(self._declare(message, window)))
        await asyncio.gather(*tasks)

    async def _declare(self, message: Redeclaration, window: asyncio.Semaphore) -> None:
        try:
            with suppress(Lapsed, TimeoutError):
                async with asyncio.timeout(_RESULT_SECONDS):
                    await self._players[message.control_point].declare(message)
        finally:
            window.release()
            self._count()

    def _count(self) -> None:
        self._done += 1
        self._progress(self._done, self._total)


class Pace:
    """Puts the day's moments on the clock of now."""

    def __init__(self, first: datetime | None, speed: float | None) -> None:
        self._first = first
        self._speed = speed
        self._began = time.monotonic()

    async def wait_for(self, moment: datetime) -> None:
        if self._first is None or self._speed is None:
            return
        due = (moment - self._first).total_seconds() / self._speed
        await asyncio.sleep(max(self._began + due - time.monotonic(), 0.0))
