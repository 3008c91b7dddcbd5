"""The threads on which a link reaches the database and the broker, so that no link waits for
another's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Any, TypeVar

from messaging.relay.rows import NewDelivery
from messaging.relay.wake import wake

T = TypeVar("T")


class Threads:
    """One link's way to those of its process. `wakers` are threads of their own, for a broker that
    does not answer must not keep `workers` from taking messages.
    """

    def __init__(self, workers: Executor, wakers: Executor) -> None:
        self._workers = workers
        self._wakers = wakers
        self._background: set[asyncio.Future[None]] = set()

    async def run(self, work: Callable[..., T], *details: Any) -> T:
        loop, context = asyncio.get_running_loop(), copy_context()
        return await loop.run_in_executor(self._workers, context.run, work, *details)

    def wake_others(self, deliveries: tuple[NewDelivery, ...]) -> None:
        """Has their hands woken; nobody waits for that."""
        if deliveries:
            loop = asyncio.get_running_loop()
            task = asyncio.ensure_future(loop.run_in_executor(self._wakers, wake, deliveries))
            self._background.add(task)
            task.add_done_callback(self._background.discard)
