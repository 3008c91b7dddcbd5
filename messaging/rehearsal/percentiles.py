"""How long things took, as a few honest figures: the arithmetic only."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Of `count` durations in ms. With none of them the rest is None, never 0."""

    count: int
    p50: float | None
    p99: float | None
    longest: float | None


def spread(milliseconds: Iterable[float | None]) -> Spread:
    """Percentiles by nearest rank, so that each is a duration that occurred. None is left out."""
    ordered = sorted(value for value in milliseconds if value is not None)
    if not ordered:
        return Spread(0, None, None, None)
    return Spread(len(ordered), ranked(ordered, 0.50), ranked(ordered, 0.99), ordered[-1])


def ranked(ordered: list[float], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]
