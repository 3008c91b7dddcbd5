"""How many of a process's threads one endpoint may take up: a share of them, and of the last ones
none but its first. What finds no room is parked; it waits as a row, and is handed out again when
one of its endpoint's exchanges ends.

Kept in memory, for threads are what is short, and each process has its own: a share of each is the
same share of all, however many there are. What was parked in a process that died is found by the
sweep, which knows whose it was.
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


@dataclass(slots=True)
class _Parked:
    """What waits for one endpoint; each has the serial number of its parking."""

    waiting: list[Ticket] = field(default_factory=list)
    serials: dict[UUID, int] = field(default_factory=dict)

    def put(self, ticket: Ticket, serial: int) -> None:
        if len(self.waiting) < MOST_PARKED and ticket.delivery_id not in self.serials:
            heapq.heappush(self.waiting, ticket)
            self.serials[ticket.delivery_id] = serial

    def take(self, most: int) -> list[Ticket]:
        taken = [heapq.heappop(self.waiting) for _ in range(min(most, len(self.waiting)))]
        for ticket in taken:
            del self.serials[ticket.delivery_id]
        return taken

    def forget(self, until: int) -> None:
        self.serials = {one: serial for one, serial in self.serials.items() if serial > until}
        self.waiting = [one for one in self.waiting if one.delivery_id in self.serials]
        heapq.heapify(self.waiting)


class Bulkheads:
    """Counts exchanges under way by endpoint. Safe to be asked by many threads."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._lock = threading.Lock()
        self._busy: Counter[UUID] = Counter()
        self._parked: dict[UUID, _Parked] = {}
        self._serial = 0

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
            self._serial += 1
            self._parked.setdefault(endpoint_id, _Parked()).put(ticket, self._serial)

    def admit(self, endpoint_id: UUID, most: int = MOST_PARKED) -> list[Ticket]:
        """Those parked that there is room for now, no longer parked: to be handed out again. No
        more than `most`.
        """
        with self._lock:
            parked = self._parked.get(endpoint_id)
            if parked is None or not self._has_room(endpoint_id):
                return []
            room = max(self._share.each - self._busy[endpoint_id], 1)
            found = parked.take(min(room, most))
            if not parked.waiting:
                del self._parked[endpoint_id]
            return found

    def serial(self) -> int:
        """Of what was parked last, wherever it is to go."""
        return self._serial

    def forget(self, endpoint_id: UUID, until: int) -> None:
        """What was parked up to that serial number is handed out by nobody here any more."""
        with self._lock:
            parked = self._parked.get(endpoint_id)
            if parked is not None:
                parked.forget(until)

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
        self._serial = bulkheads.serial()
        self._endpoint_id: UUID | None = None
        self._has_entered = False
        self._was_used = False
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

    def use(self) -> None:
        """There is an exchange."""
        self._was_used = True

    def turn_away(self) -> None:
        """The endpoint is left alone: what waited for room there when this try began waits for
        that to end. To hand it out would be in vain, one after the other.
        """
        if self._endpoint_id is not None:
            self._bulkheads.forget(self._endpoint_id, self._serial)

    def leave(self) -> list[Ticket]:
        """The end of it; those that may go now. A try that came to nothing makes room for one:
        where all come to nothing, there are never more of them than there were.
        """
        if self._endpoint_id is None:
            return []
        if self._has_entered:
            self._has_entered = False
            self._bulkheads.leave(self._endpoint_id)
        elif self._ticket is not None:
            self._bulkheads.park(self._endpoint_id, self._ticket)
        most = MOST_PARKED if self._was_used else 1
        return self._bulkheads.admit(self._endpoint_id, most)
