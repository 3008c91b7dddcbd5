"""A bounded, thread-safe memory of what is dear to make: parsed keys, TLS contexts, unwrapped data
keys.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """Keeps the `size` values used last. What is made twice by two threads at once is kept once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value kept under `key`, else a new one from `make` (called without the lock)."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        made = make()
        with self._lock:
            kept = self._values.setdefault(key, made)
            if len(self._values) > self._size:
                self._values.popitem(last=False)
            return kept

    def find(self, key: K) -> V | None:
        """The value kept under `key`."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Keeps `value`, whatever was kept under `key` before."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            if len(self._values) > self._size:
                self._values.popitem(last=False)

    def drop(self, key: K) -> None:
        with self._lock:
            self._values.pop(key, None)

    def drop_where(self, holds: Callable[[K], bool]) -> None:
        """Drops every value whose key `holds`."""
        with self._lock:
            for key in [key for key in self._values if holds(key)]:
                del self._values[key]

    def __len__(self) -> int:
        return len(self._values)
