"""The control points that take part in a rehearsal, each with its own account of what it said and
heard.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    closing,
)
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from messaging.domain.acknowledgements import Result, ResultVerdict
from messaging.domain.instructions import Instruction, InstructionAnswer
from messaging.domain.redeclarations import Redeclaration
from messaging.rehearsal.control_point import Answering, Arrival, ControlPoint, accept
from messaging.rehearsal.logbook import Logbook, Sent
from messaging.rehearsal.outbox import Answer
from messaging.rehearsal.service_file import PointAccess, Service

LINK_SECONDS = 60.0

_REMEMBERED = 10_000


@dataclass(eq=False, slots=True)
class Declaration:
    """A redeclaration on its way, as its control point sees it. The durations are in ms from `at`,
    when it was declared.
    """

    message: Redeclaration
    at: datetime
    number: int | None = None
    answer: Answer | None = None
    results: list[Result] = field(default_factory=list)
    acknowledged_after: float | None = None
    settled_after: float | None = None

    @property
    def was_held(self) -> bool:
        return any(result.verdict is ResultVerdict.HELD for result in self.results)

    @property
    def final(self) -> Result | None:
        """The last word on it, where there is one."""
        last = self.results[-1] if self.results else None
        return None if last is None or last.verdict is ResultVerdict.HELD else last


@dataclass(frozen=True, slots=True)
class Answered:
    """An instruction as it came, and what was answered on the spot."""

    instruction: Instruction
    answer: InstructionAnswer | None


class Player:
    """One driven control point. `further` are addresses of other gateways."""

    def __init__(
        self,
        access: PointAccess,
        edl: tuple[str, int],
        state: Path,
        *,
        profile: str = "host-1",
        further: Sequence[tuple[str, int]] = (),
    ) -> None:
        self.access = access
        self.declared: list[Declaration] = []
        self.answered: list[Answered] = []
        self.answering: Answering = accept
        state.parent.mkdir(parents=True, exist_ok=True)
        self._state = state
        self._kept_before = self._newest_kept()
        self._heard_before = 0
        self.point = ControlPoint(
            access.name,
            *edl,
            access.tls(),
            state,
            self._answer,
            profile,
            back_off=(0.1, 2.0),
            further=further,
        )

    @property
    def name(self) -> str:
        return self.access.name

    @property
    def bm_units(self) -> tuple[str, ...]:
        return self.access.bm_units

    def begin(self) -> None:
        """From now on it counts: what was left over from another time is no part of this."""
        self.declared.clear()
        self.answered.clear()
        self._kept_before = self._newest_kept()
        self._heard_before = len(self.point.received)

    async def declare(self, message: Redeclaration) -> Declaration:
        """Sends it and follows it to the last word; that is where the host refused it itself, or
        passed on the operator's.
        """
        mine = Declaration(message, now())
        self.declared.append(mine)
        began = time.perf_counter()
        mine.number = await self.point.redeclare(message)
        mine.answer = await self.point.answered(mine.number)
        mine.acknowledged_after = (time.perf_counter() - began) * 1000
        while mine.answer.is_ack and mine.final is None:
            mine.results.append(await self.point.result(mine.number))
        mine.settled_after = (time.perf_counter() - began) * 1000
        return mine

    async def declare_all(self, messages: Iterable[Redeclaration]) -> list[Declaration]:
        """All in order and without waiting for one another."""
        return await asyncio.gather(*(self.declare(message) for message in messages))

    def arrivals(self) -> list[Arrival]:
        """Numbered messages as they came off the link, without those that came again."""
        return [arrival for arrival in self.heard() if not arrival.repeated]

    def repeated(self) -> int:
        """How many came again."""
        return sum(arrival.repeated for arrival in self.heard())

    def logged(self) -> tuple[Sent, ...]:
        """What it sent since it took part, under the numbers last given, and what was answered."""
        with self._logbook() as logbook:
            return logbook.sent_after(self._kept_before)

    def _newest_kept(self) -> int:
        with self._logbook() as logbook:
            return logbook.newest_sent()

    def _logbook(self) -> AbstractContextManager[Logbook]:
        return closing(Logbook(self._state, _REMEMBERED))

    def heard(self) -> list[Arrival]:
        """Numbered messages as they came off the link, those that came again among them."""
        return list(self.point.received)[self._heard_before :]

    def _answer(self, instruction: Instruction) -> InstructionAnswer | None:
        answer = self.answering(instruction)
        self.answered.append(Answered(instruction, answer))
        return answer


@asynccontextmanager
async def on_stage(
    accesses: Iterable[PointAccess], service: Service, folder: Path
) -> AsyncIterator[tuple[Player, ...]]:
    """Players with their links up. `folder` keeps their log books from one rehearsal to the next.
    Raises NotInTime where a link does not come up.
    """
    async with AsyncExitStack() as stack:
        players = []
        for access in accesses:
            player = Player(access, service.edl, state_file(folder, access))
            await stack.enter_async_context(player.point)
            players.append(player)
        await _until_linked(players)
        yield tuple(players)


async def _until_linked(players: Iterable[Player]) -> None:
    try:
        async with asyncio.timeout(LINK_SECONDS):
            for player in players:
                await player.point.wait_ready()
    except TimeoutError:
        late = next(player.name for player in players if not player.point.is_ready)
        raise NotInTime(f"the link of {late}: not up within {LINK_SECONDS:.0f} s") from None


def state_file(folder: Path, access: PointAccess) -> Path:
    """The log book of a control point as it is enrolled now: with a new certificate it begins anew,
    as the host does.
    """
    digest = hashlib.sha256(access.certificate.read_bytes()).hexdigest()
    return folder / f"{access.name}-{digest[:12]}.sqlite"


async def until(
    is_so: Callable[[], bool], what: str, *, seconds: float = 20.0, every: float = 0.05
) -> None:
    """Raises NotInTime with `what` was waited for."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise NotInTime(f"{what}: not within {seconds:.0f} s")
        await asyncio.sleep(every)


class NotInTime(Exception):
    """Something that had to happen did not."""


def now() -> datetime:
    return datetime.now(UTC)
