"""Which processes are to die where, their deaths while errands are done, and what was not as it
should be after them.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from messaging.relay.crash_points import Kind, Point, Step, points
from tenants import crash
from tests.chaos import points_stack
from tests.chaos.points_books import Books
from tests.chaos.points_cast import Cast, Errand, NotDone
from tests.chaos.points_errands import errand_to

MOST_ERRANDS = 8
"""So often an errand is done for a point before it counts as never visited."""

_MOST_VISITS = 3
_BACK_SECONDS = 120.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Target:
    """A point, and a kind of process to kill there."""

    point: Point
    kind: Kind

    def __str__(self) -> str:
        return f"{self.point.name} of {self.kind}"


@dataclass(frozen=True, slots=True)
class Death:
    """What came of one target: `nth` visit was meant, `recovered` is in seconds from the death to
    the end of the errand that it befell, None where nobody died.
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

    def __str__(self) -> str:
        deaths = "; ".join(map(str, self.deaths))
        return " | ".join([f"seed {self.seed}  {deaths}", *self.faults])


@dataclass(frozen=True, slots=True)
class _End:
    """When an errand came to its end, in seconds since 1970, and what kept it from a good one."""

    at: float
    fault: str


def targets() -> list[Target]:
    """Each point with each kind of process that can reach it; not those that need a trouble of
    their own.
    """
    return [
        Target(point, kind)
        for point in points()
        if not point.place.rare
        for kind in sorted(point.place.kinds)
    ]


def sample(seed: int, count: int) -> list[Target]:
    """So many of them, of different kinds of process where there are."""
    chance = random.Random(seed)
    every = [one for one in targets() if one.point.step is not Step.LINK_BEAT]
    chance.shuffle(every)
    kinds = list({one.kind: one for one in every}.values())
    return (kinds + [one for one in every if one not in kinds])[:count]


def in_turn(seed: int, chosen: Sequence[Target]) -> list[tuple[Target, ...]]:
    """In the seed's order, one of each kind of process at a time: one that dies again at once is
    started again later and later.
    """
    chance = random.Random(seed)
    left = {kind: [one for one in chosen if one.kind is kind] for kind in Kind}
    for waiting in left.values():
        chance.shuffle(waiting)
    rounds = []
    while any(left.values()):
        rounds.append(tuple(waiting.pop() for waiting in left.values() if waiting))
    return rounds


async def play(
    cast: Cast,
    books: Books,
    seed: int,
    chosen: Sequence[Target],
    tell: Tell,
    *,
    together: bool,
) -> list[Round]:
    """One target after the other, or one of each kind of process at once."""
    played = []
    rounds = in_turn(seed, chosen)
    for some in rounds if together else [(one,) for each in rounds for one in each]:
        played.append(await _kill(cast, books, seed, some))
        tell(str(played[-1]))
    return played


async def _kill(cast: Cast, books: Books, seed: int, some: tuple[Target, ...]) -> Round:
    """Does the errands that lead to the targets until all have died, or as often as is enough."""
    var = cast.rig.var
    before = {one: len(_deaths(var, one)) for one in some}
    visits = {one: cast.chance.randint(1, _MOST_VISITS) for one in some}
    recovered: dict[Target, float] = {}
    faults: list[str] = []
    await books.open()
    for one in some:
        order = f"{one.point.name}:{visits[one]}"
        _order(points_stack.orders(var, one.kind.value), order)
    for _ in range(MOST_ERRANDS):
        left = [one for one in some if one not in recovered]
        ended = await _errands(cast, left)
        faults += [end.fault for end in ended.values() if end.fault]
        for one in left:
            if new := _deaths(var, one)[before[one] :]:
                recovered[one] = max(ended[errand_to(one.point.step, one.kind)].at - new[0], 0.0)
        if faults or len(recovered) == len(some):
            break
    for one in some:
        points_stack.orders(var, one.kind.value).unlink(missing_ok=True)
    faults += await books.compare()
    faults += [f"{one} was never visited" for one in some if one not in recovered]
    deaths = tuple(Death(one, visits[one], recovered.get(one)) for one in some)
    return Round(seed, deaths, tuple(faults))


async def _errands(cast: Cast, left: Sequence[Target]) -> dict[Errand, _End]:
    """Those that lead to the targets, each once and all at once."""
    errands = list(dict.fromkeys(errand_to(one.point.step, one.kind) for one in left))
    ends = await asyncio.gather(*(_ended(cast, errand) for errand in errands))
    return dict(zip(errands, ends, strict=True))


async def _ended(cast: Cast, errand: Errand) -> _End:
    """One errand's trouble hides no other's."""
    fault = ""
    try:
        await errand(cast)
    except NotDone as error:
        fault = f"{_name(errand)}: {error}"
    except Exception as error:
        fault = f"{_name(errand)}: {type(error).__name__} {error}"
    return _End(time.time(), fault)


def _name(errand: Errand) -> str:
    return str(getattr(errand, "__name__", errand))


def _order(file: Path, order: str) -> None:
    """Whole at once, for it is looked at all the time."""
    partial = file.with_suffix(".partial")
    partial.write_text(order)
    partial.replace(file)


def _deaths(var: Path, target: Target) -> list[float]:
    """When the kind of process died at the point, in seconds since 1970."""
    start = f"{target.point.name} {crash.CRASHED} "
    lines = _lines(_visits(var, target.kind))
    return [float(line.removeprefix(start)) for line in lines if line.startswith(start)]


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def _visits(var: Path, kind: Kind) -> Path:
    return points_stack.visits(var, kind.value)


def visited(var: Path, kind: Kind) -> set[str]:
    """The points that a kind of process came by, ever."""
    return {line.partition(" ")[0] for line in _lines(_visits(var, kind))}
