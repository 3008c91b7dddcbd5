"""Deaths while errands are done: of every kind of process at once, each at the points of its own
order, and what was not as it should be after them.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from messaging.relay.crash_points import Kind, Step
from tenants import crash
from tests.chaos import points_stack
from tests.chaos.points_books import Books
from tests.chaos.points_cast import Cast, Errand, NotDone
from tests.chaos.points_errands import errand_to
from tests.chaos.points_targets import Target, deaths, in_turn

MOST_ERRANDS = 8
"""So often an errand is done for a point before it counts as never visited."""

ORDERED_AT_ONCE = 3
"""Points at which a kind of process is to die next, whichever it comes by first."""

BREATH_SECONDS: Mapping[Kind, float] = MappingProxyType(
    {Kind.GATEWAY: 3.0, Kind.INBOUND: 3.0, Kind.URGENT: 3.0}
)
"""From a death until its kind dies again: an instruction has two minutes to be answered, and needs
all of these alive at a time.
"""

MOST_FAULTS = 6
"""After so many no more are sent to die: what is wrong already is to be looked at."""

_MOST_VISITS = 3
"""Not of heartbeats: each takes half a minute of silence."""

_LOOK_EVERY = 0.25
_TOLD_EVERY = 60.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Death:
    """What came of one target: `nth` visit was meant, `recovered` is in seconds from the death to
    the end of the errand that leads there, None where nobody died.
    """

    target: Target
    nth: int
    recovered: float | None

    def __str__(self) -> str:
        after = "never visited" if self.recovered is None else f"{self.recovered:.1f} s"
        return f"{self.target}, visit {self.nth}: {after}"


@dataclass(frozen=True, slots=True)
class Round:
    """Deaths in one stretch of traffic, and what was not as it should be after it."""

    seed: int
    deaths: tuple[Death, ...]
    faults: tuple[str, ...]
    seconds: float = 0.0

    def __str__(self) -> str:
        died = [one.recovered for one in self.deaths if one.recovered is not None]
        words = f"seed {self.seed}: {len(died)} of {len(self.deaths)} died in {self.seconds:.0f} s"
        return " | ".join([words, *self.faults])


@dataclass(slots=True)
class _Order:
    """One death to come, or that has come and whose errand is not over: `earlier` deaths there are
    of other seeds, `since` and `died_at` are seconds since 1970.
    """

    target: Target
    nth: int
    earlier: int
    file: Path
    since: float
    errands: int = 0
    died_at: float | None = None
    suspended: int = 0

    @property
    def stands(self) -> bool:
        return self.died_at is None

    def withdraw(self) -> int:
        """The number of the visit that was still meant, 0 where it was come by just now."""
        try:
            left = int(self.file.read_text())
            self.file.unlink()
        except FileNotFoundError:
            return 0
        return left

    @property
    def errand(self) -> Errand:
        return errand_to(self.target.point.step, self.target.kind)


@dataclass(frozen=True, slots=True)
class _Run:
    errand: Errand
    since: float


@dataclass(slots=True)
class _Storm:
    """The orders that stand, and the errands that are under way for them."""

    cast: Cast
    waiting: dict[Kind, list[Target]]
    orders: list[_Order] = field(default_factory=list)
    runs: dict[asyncio.Task[str], _Run] = field(default_factory=dict)
    deaths: list[Death] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    last_death: dict[Kind, float] = field(default_factory=dict)

    async def rage(self, tell: Tell) -> None:
        """Until all have died, or their errands were done as often as is enough."""
        told = time.monotonic()
        self._order()
        while self.orders or self.runs or any(self.waiting.values()):
            self._begin()
            ended = [task for task in self.runs if task.done()]
            self._look_for_deaths()
            for task in ended:
                self._end(self.runs.pop(task), task.result())
            if len(self.faults) >= MOST_FAULTS:
                self._give_up()
            self._order()
            await asyncio.sleep(_LOOK_EVERY)
            if time.monotonic() - told > _TOLD_EVERY:
                told = time.monotonic()
                tell(f"  {len(self.deaths)} are over; next {', '.join(map(_words, self.orders))}")

    def _order(self) -> None:
        for kind, waiting in self.waiting.items():
            if time.time() - self.last_death.get(kind, 0.0) < BREATH_SECONDS.get(kind, 0.0):
                continue
            standing = [one for one in self.orders if one.target.kind is kind and one.stands]
            for one in standing:
                if one.suspended:
                    crash.leave(one.file, one.suspended)
                    one.suspended, one.since = 0, time.time()
            for target in waiting[: max(0, ORDERED_AT_ONCE - len(standing))]:
                waiting.remove(target)
                nth = self.cast.chance.randint(1, _most_visits(target))
                earlier = len(deaths(self.cast.rig.var, target))
                file = points_stack.orders(self.cast.rig.var, kind.value) / target.point.name
                self.orders.append(_Order(target, nth, earlier, file, time.time()))
                crash.leave(file, nth)

    def _begin(self) -> None:
        """The errands that lead to what is ordered, each once at a time."""
        under_way = {run.errand for run in self.runs.values()}
        for errand in {one.errand for one in self.orders} - under_way:
            task = asyncio.create_task(_outcome(self.cast, errand))
            self.runs[task] = _Run(errand, time.time())

    def _look_for_deaths(self) -> None:
        for one in self.orders:
            if one.died_at is None:
                new = deaths(self.cast.rig.var, one.target)[one.earlier :]
                if new:
                    one.died_at = self.last_death[one.target.kind] = new[0]
                    self._suspend(one.target.kind)

    def _suspend(self, kind: Kind) -> None:
        """Those that stand beside it wait until the next process has had its breath."""
        for one in self.orders:
            if kind in BREATH_SECONDS and one.target.kind is kind and one.stands:
                one.suspended = one.suspended or one.withdraw()

    def _end(self, run: _Run, fault: str) -> None:
        """What the end of an errand means for the deaths on its way."""
        now = time.time()
        if fault:
            self.faults.append(fault)
        for one in [one for one in self.orders if one.errand is run.errand]:
            one.errands += one.since <= run.since and not one.suspended
            if one.died_at is not None or one.errands >= MOST_ERRANDS:
                self._over(one, None if one.died_at is None else max(0.0, now - one.died_at))

    def _over(self, order: _Order, recovered: float | None) -> None:
        self.orders.remove(order)
        self.deaths.append(Death(order.target, order.nth, recovered))
        if recovered is None:
            order.withdraw()
            self.faults.append(f"{order.target} was never visited")

    def _give_up(self) -> None:
        """None dies any more; the errands under way go on to their ends."""
        self.waiting.clear()
        for one in [one for one in self.orders if one.stands]:
            self._over(one, None)


async def play(
    cast: Cast, books: Books, seed: int, chosen: Collection[Target], tell: Tell
) -> Round:
    """All of them die, in the seed's order; afterwards the books are compared."""
    began = time.monotonic()
    cast.chance = random.Random(seed)
    await books.open()
    keeping = asyncio.create_task(books.keep_noting())
    storm = _Storm(cast, in_turn(seed, list(chosen)))
    try:
        await storm.rage(tell)
    finally:
        keeping.cancel()
    faults = storm.faults + await books.compare()
    return Round(seed, tuple(storm.deaths), tuple(faults), time.monotonic() - began)


async def play_alone(
    cast: Cast, books: Books, seed: int, chosen: Sequence[Target], tell: Tell
) -> list[Round]:
    """One after the other, each with a comparison of its own."""
    played = []
    for target in [one for some in in_turn(seed, chosen).values() for one in some]:
        played.append(await play(cast, books, seed, [target], tell))
        tell(" ".join(map(str, (*played[-1].deaths, *played[-1].faults))))
    return played


async def _outcome(cast: Cast, errand: Errand) -> str:
    """What kept an errand from a good end; one's trouble hides no other's."""
    name = str(getattr(errand, "__name__", errand))
    try:
        await errand(cast)
    except NotDone as error:
        return f"{name}: {error}"
    except Exception as error:
        return f"{name}: {type(error).__name__} {error}"
    return ""


def _most_visits(target: Target) -> int:
    return 1 if target.point.step is Step.LINK_BEAT else _MOST_VISITS


def _words(order: _Order) -> str:
    return f"{order.target}{' (dead)' if order.died_at is not None else ''}"
