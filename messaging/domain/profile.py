"""A level profile: MW over time as joined or separate straight segments. Export is positive, import
negative.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Segment:
    """A straight line from (`time_from`, `level_from`) to (`time_to`, `level_to`): market times,
    whole MW.
    """

    time_from: datetime
    level_from: int
    time_to: datetime
    level_to: int


def unordered(levels: tuple[Segment, ...]) -> Iterator[int]:
    """Indices of segments that do not run forwards, or that start before the one ahead of them
    ends.
    """
    for index, segment in enumerate(levels):
        if segment.time_from >= segment.time_to:
            yield index
    for index, (before, after) in enumerate(pairwise(levels), start=1):
        if after.time_from < before.time_to:
            yield index


def unjoined(levels: tuple[Segment, ...]) -> Iterator[int]:
    """Indices of segments that do not start at the very time the one ahead of them ends (a step in
    level is no break).
    """
    for index, (before, after) in enumerate(pairwise(levels), start=1):
        if after.time_from != before.time_to:
            yield index


def overlap(one: tuple[Segment, ...], other: tuple[Segment, ...]) -> bool:
    """Whether the spans of two profiles share any time."""
    if not one or not other:
        return False
    return one[0].time_from < other[-1].time_to and other[0].time_from < one[-1].time_to
