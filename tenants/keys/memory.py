"""What is dear to make from a tenant's keys, remembered in this process and forgotten when anything
of the tenant's set-up changes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from uuid import UUID

from tenants.cache import Bounded
from tenants.changes import HOUSE, WATCH

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class KeyMemory(Generic[K, V]):
    """Keeps the `size` values used last. A revoked key is out of the process within a second.

    What may be used is asked of the database, not of this: a value is found by what the database
    says is in use, and this only saves making it again.
    """

    def __init__(self, size: int) -> None:
        self._values: Bounded[tuple[UUID, K], V] = Bounded(size)
        self._lock = threading.Lock()
        self._changes = 0
        self._is_told = False

    def get(self, tenant_id: UUID, key: K, make: Callable[[], V]) -> V:
        """The value kept, else a new one from `make`, which is not kept where the set-up changed
        meanwhile.
        """
        self._listen(tenant_id)
        place, changes = (tenant_id, key), self._changes
        kept = self._values.find(place)
        if kept is not None:
            return kept
        made = make()
        with self._lock:
            if changes == self._changes:
                self._values.put(place, made)
        return made

    def __len__(self) -> int:
        return len(self._values)

    def _listen(self, tenant_id: UUID) -> None:
        with self._lock:
            is_told, self._is_told = self._is_told, True
        if not is_told:
            WATCH.subscribe(self._forget)
        # Starts the watch again in a process forked meanwhile.
        WATCH.token(tenant_id)

    def _forget(self, who: UUID | None) -> None:
        with self._lock:
            self._changes += 1
            self._values.drop_where(lambda place: who in (None, HOUSE, place[0]))
