"""How long each class of message may wait, and when a try follows a try: pure functions over
tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

RESPOND_WITHIN = timedelta(seconds=120)
"""For an instruction without a `respondBy` of its own: a BOA is answered within two minutes of its
receipt.
"""

LINK_GRACE = timedelta(milliseconds=250)
"""How long the gateway that holds a link has to take a delivery before a worker looks after it."""

WRITTEN_GRACE = timedelta(seconds=2)
"""How long a numbered message may be without an answer before the gateway is asked whether it has
written it.
"""

LINK_LOOK_AGAIN = (timedelta(seconds=2), timedelta(seconds=30))
"""First and longest pause between looks at a delivery whose control point is not on a link."""

LEASE = timedelta(seconds=60)
"""A claim outlives its process this long only where the process's host is lost too: else its lock
tells.
"""

BLOCKED_LOOK_AGAIN = timedelta(seconds=60)
"""A delivery behind another waits for that one to settle, which makes it due; this is the safety
net.
"""

GATE_LOOK_AGAIN = timedelta(minutes=10)
"""What waits for a gate is made due by whoever opens it; this is the safety net."""

HELD_AGAIN = (timedelta(seconds=1), timedelta(seconds=60))
"""Bounds on how long an operator that is out may ask us to wait."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """`within` bounds the whole, from receipt; `pauses` (s) lie between tries, the last one
    repeating.
    """

    within: timedelta
    pauses: tuple[float, ...]


REDECLARATION = Schedule(timedelta(hours=24), (0.2, 0.5, 1, 2, 5, 10, 15, 30))
ANSWER = Schedule(RESPOND_WITHIN, (0.2, 0.5, 1, 1, 2, 3, 5))
NOTICE = Schedule(timedelta(hours=24), (1, 2, 5, 10, 30))
"""RESULT and TEXT to a control point."""


def schedule_of(kind: str) -> Schedule:
    """By the kind of message, as it is stored."""
    return ANSWER if kind in ("ACCEPT", "REJECT") else REDECLARATION


def pause_after(schedule: Schedule, attempts: int) -> timedelta:
    """The pause after so many tries, at least one."""
    index = min(attempts, len(schedule.pauses)) - 1
    return timedelta(seconds=schedule.pauses[max(index, 0)])


def held_until(now: datetime, retry_after: float | None) -> datetime:
    """When to try a peer again that said it is out, `retry_after` seconds by its own word."""
    shortest, longest = HELD_AGAIN
    asked = timedelta(seconds=retry_after) if retry_after is not None else shortest * 5
    return now + min(max(asked, shortest), longest)
