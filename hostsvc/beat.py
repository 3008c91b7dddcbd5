"""Celery's beat, but that no periodic task waits twice: while nobody does them, as when their
workers are away, the queue does not grow, and whoever comes back finds one of each that has not
expired.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import redis
from celery.beat import PersistentScheduler, SchedulingError


class OneOfEach(PersistentScheduler):
    """For tasks without arguments, whose options are `expires`, in seconds, and nothing else."""

    # Celery's own, of which its types say nothing.
    _tasks_since_sync: int
    _do_sync: Callable[[], None]

    def apply_async(
        self,
        entry: Any,
        producer: object = None,
        advance: bool = True,
        **kwargs: Any,
    ) -> None:
        """Raises SchedulingError, which Celery logs; the task's turn comes again."""
        # Only now: beat has imported this before Django is set up.
        from messaging.relay.publishing import place
        from tenants.clock import now

        entry = self.reserve(entry) if advance else entry
        seconds = entry.options.get("expires")
        try:
            place(entry.task, now() + timedelta(seconds=seconds) if seconds else None)
        except redis.RedisError as error:
            raise SchedulingError(f"{entry.name} cannot be placed: {error}") from error
        finally:
            self._tasks_since_sync += 1
            if self.should_sync():
                self._do_sync()
