"""What was read of a tenant's set-up, remembered until anything of it changes, so that a message
does not read the register anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from uuid import UUID

from tenants.cache import Bounded
from tenants.changes import WATCH, Token

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Keeps the `size` values used last. A value is at most a second older than the database's.

    What is remembered must be immutable, and read with committed eyes: not by a transaction that
    has itself changed the set-up.
    """

    def __init__(self, size: int) -> None:
        self._values: Bounded[tuple[UUID, K], tuple[Token, V]] = Bounded(size)

    def get(
        self,
        tenant_id: UUID,
        key: K,
        read: Callable[[], V],
        keep: Callable[[V], bool] = lambda _: True,
    ) -> V:
        """The value kept, else what `read` says, which is kept if `keep` says so. Nothing is kept
        while changes can't be seen.
        """
        token = WATCH.token(tenant_id)
        if token is None:
            return read()
        place = (tenant_id, key)
        kept = self._values.find(place)
        if kept is not None and kept[0] == token:
            return kept[1]
        # The token is older than the reading: what changes in between makes the value old at once.
        value = read()
        if keep(value):
            self._values.put(place, (token, value))
        return value
