"""When a certificate's end is told of: arithmetic on times. What tells is `housekeeping`."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime, timedelta

THRESHOLDS = (60, 30, 14, 7, 3, 1, 0)
"""Days before the end; 0 is the end itself."""


def thresholds_of(held_since: datetime, not_after: datetime) -> tuple[int, ...]:
    """Those that a certificate crosses while it is held here. Of the ones it had crossed before it
    came, only the nearest to its end counts.
    """
    crossed = [days for days in THRESHOLDS if _moment(not_after, days) <= held_since]
    return (*crossed[-1:], *(days for days in THRESHOLDS if days not in crossed))


def due(held_since: datetime, not_after: datetime, now: datetime, told: Set[int]) -> list[int]:
    """The thresholds that are crossed and not told of yet, the earliest first."""
    return [
        days
        for days in thresholds_of(held_since, not_after)
        if days not in told and _moment(not_after, days) <= now
    ]


def next_moment(held_since: datetime, not_after: datetime, told: Set[int]) -> datetime | None:
    """When the next threshold is crossed."""
    left = [days for days in thresholds_of(held_since, not_after) if days not in told]
    return _moment(not_after, max(left)) if left else None


def days_left(not_after: datetime, now: datetime) -> int:
    """Whole days; negative once it is over."""
    return (not_after - now) // timedelta(days=1)


def warning_of(not_after: datetime, now: datetime) -> int | None:
    """The last threshold that was crossed."""
    crossed = [days for days in THRESHOLDS if _moment(not_after, days) <= now]
    return crossed[-1] if crossed else None


def _moment(not_after: datetime, days: int) -> datetime:
    return not_after - timedelta(days=days)
