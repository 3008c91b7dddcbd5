"""How many of a process's threads one endpoint may take up: a share of them, and of the last ones
none but its first. What finds no room is parked; it waits as a row, and is handed out again when
one of its endpoint's exchanges ends.

Kept in memory, for threads are what is short, and each process has its own: a share of each is the
same share of all, however many there are. What was parked in a process that died is found by the
sweep.
"""

from __future__ import annotations

import heapq
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

MOST_PARKED: Final = 1_000
"""Of one endpoint; what is over is found by the sweep alone."""


@dataclass(frozen=True, slots=True, order=True)
class Ticket:
    """A delivery that waits for room, in the order of going: the most urgent, then the oldest."""

    urgency: int
    position: int
    delivery_id: UUID = field(compare=False)
    tenant_id: UUID = field(compare=False)
    is_large: bool = field(compare=False)


@dataclass(frozen=True, slots=True)
class Share:
    """Of so many `threads` one endpoint may take `each`; the last `spare` are for endpoints that
    have none yet.
    """

    threads: int
    each: int
    spare: int

    @classmethod
    def of(cls, threads: int, percent: int) -> Share:
        each = max(threads * percent // 100, 1)
        return cls(threads, each, threads // 4)

    def has_room(self, busy: int, in_all: int) -> bool:
        return busy == 0 or (busy < self.each and in_all < self.threads - self.spare)


class Bulkheads:
    """Counts exchanges under way by endpoint. Safe to be asked by many threads."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._lock = threading.Lock()
        self._busy: Counter[UUID] = Counter()
        self._parked: dict[UUID, list[Ticket]] = {}

    def resize(self, share: Share) -> None:
        with self._lock:
            self._share = share

    def enter(self, endpoint_id: UUID) -> bool:
        """Whether there is room for one exchange more; `leave` must follow if there was."""
        with self._lock:
            if not self._has_room(endpoint_id):
                return False
            self._busy[endpoint_id] += 1
            return True

    def leave(self, endpoint_id: UUID) -> None:
        with self._lock:
            self._busy[endpoint_id] -= 1
            if not self._busy[endpoint_id]:
                del self._busy[endpoint_id]

    def park(self, endpoint_id: UUID, ticket: Ticket) -> None:
        """Until there is room for it. Parked twice, it is kept once."""
        with self._lock:
            waiting = self._parked.setdefault(endpoint_id, [])
            if len(waiting) < MOST_PARKED and ticket not in waiting:
                heapq.heappush(waiting, ticket)

    def admit(self, endpoint_id: UUID) -> list[Ticket]:
        """Those parked that there is room for now, no longer parked: to be handed out again."""
        with self._lock:
            waiting = self._parked.get(endpoint_id)
            if not waiting or not self._has_room(endpoint_id):
                return []
            room = max(self._share.each - self._busy[endpoint_id], 1)
            found = [heapq.heappop(waiting) for _ in range(min(room, len(waiting)))]
            if not waiting:
                del self._parked[endpoint_id]
            return found

    def _has_room(self, endpoint_id: UUID) -> bool:
        return self._share.has_room(self._busy[endpoint_id], self._busy.total())


class Looks:
    """How many threads may be at something that can last, and is not urgent: half of them."""

    def __init__(self, threads: int) -> None:
        self._lock = threading.Lock()
        self._busy = 0
        self._most = max(threads // 2, 1)

    def resize(self, threads: int) -> None:
        self._most = max(threads // 2, 1)

    @contextmanager
    def one_more(self) -> Iterator[bool]:
        """Whether there is room for it."""
        with self._lock:
            has_room = self._busy < self._most
            self._busy += has_room
        try:
            yield has_room
        finally:
            with self._lock:
                self._busy -= has_room


class Berth:
    """What one try takes up of its endpoint's share, from when it is known where it goes until it
    has ended.
    """

    def __init__(self, bulkheads: Bulkheads) -> None:
        self._bulkheads = bulkheads
        self._endpoint_id: UUID | None = None
        self._has_entered = False
        self._ticket: Ticket | None = None

    def enter(self, endpoint_id: UUID) -> bool:
        """Asked again it says the same, for a lost connection begins a claim anew."""
        self._endpoint_id = endpoint_id
        self._has_entered = self._has_entered or self._bulkheads.enter(endpoint_id)
        return self._has_entered

    def park(self, ticket: Ticket) -> None:
        """It is parked as this try is left: handed out before, it would find itself in hand still,
        and be dropped.
        """
        self._ticket = ticket

    def leave(self) -> list[Ticket]:
        """The end of it; those that may go now."""
        if self._endpoint_id is None:
            return []
        if self._has_entered:
            self._has_entered = False
            self._bulkheads.leave(self._endpoint_id)
        elif self._ticket is not None:
            self._bulkheads.park(self._endpoint_id, self._ticket)
        return self._bulkheads.admit(self._endpoint_id)
