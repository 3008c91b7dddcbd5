"""Which processes are to die where, in the order of a seed, and what they have noted. Pure but for
the files that they note it in.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from messaging.relay.crash_points import Kind, Point, Step, points
from tenants import crash
from tests.chaos import points_stack


@dataclass(frozen=True, slots=True)
class Target:
    """A point, and a kind of process to kill there."""

    point: Point
    kind: Kind

    def __str__(self) -> str:
        return f"{self.point.name} of {self.kind}"


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


def in_turn(seed: int, chosen: Sequence[Target]) -> dict[Kind, list[Target]]:
    """Of each kind of process, those where it is to die, in the seed's order. Heartbeats come last:
    they need a link that lasts.
    """
    chance = random.Random(seed)
    order = {kind: [one for one in chosen if one.kind is kind] for kind in Kind}
    for waiting in order.values():
        chance.shuffle(waiting)
        waiting.sort(key=lambda one: one.point.step is Step.LINK_BEAT)
    return order


def deaths(var: Path, target: Target) -> list[float]:
    """When the kind of process died at the point, in seconds since 1970."""
    start = f"{target.point.name} {crash.CRASHED} "
    lines = _lines(var, target.kind)
    return [float(line.removeprefix(start)) for line in lines if line.startswith(start)]


def visited(var: Path, kind: Kind) -> set[str]:
    """The points that a kind of process came by, ever."""
    return {line.partition(" ")[0] for line in _lines(var, kind)}


def _lines(var: Path, kind: Kind) -> list[str]:
    file = points_stack.visits(var, kind.value)
    return file.read_text().splitlines() if file.exists() else []
