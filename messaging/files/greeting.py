"""How many connections a file server bears that have not logged in: in all, and from one place.
Whoever is let in counts no more.
"""

from __future__ import annotations

import threading
from collections import Counter

from messaging.files.entry import place_of

UNKNOWN_LIMIT = 200
"""Connections that have not logged in yet; more are closed as they come."""

UNKNOWN_LIMIT_EACH = 20
"""The same, from one place."""


class Greeting:
    """Of one server; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._each: Counter[str] = Counter()

    def has_room(self, address: str) -> bool:
        with self._lock:
            return self._has_room(place_of(address))

    def enter(self, address: str) -> bool:
        """No, where there is no room; else `leave` must follow, once."""
        place = place_of(address)
        with self._lock:
            if not self._has_room(place):
                return False
            self._each[place] += 1
            return True

    def _has_room(self, place: str) -> bool:
        here = self._each.get(place, 0)
        return self._each.total() < UNKNOWN_LIMIT and here < UNKNOWN_LIMIT_EACH

    def leave(self, address: str) -> None:
        """It has logged in, or has gone."""
        place = place_of(address)
        with self._lock:
            self._each[place] -= 1
            if not self._each[place]:
                del self._each[place]

    def __len__(self) -> int:
        return self._each.total()
