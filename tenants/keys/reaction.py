"""Does something about a change of some tenant's set-up, on a thread of its own, however long the
database keeps it waiting.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from uuid import UUID

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from tenants.changes import WATCH

_PAUSE_S = 0.5

_log = structlog.get_logger(__name__)


class Reaction:
    """Calls `react` for each change: with the tenant, HOUSE, or None where any may have changed.

    `react` must be safe to repeat: it is called again until the database has answered it.
    """

    def __init__(self, name: str, react: Callable[[UUID | None], None]) -> None:
        self._name = name
        self._react = react
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[UUID | None] = queue.SimpleQueue()
        self._process = 0
        self._is_told = False

    def start(self) -> None:
        """As often as one likes; in a process forked meanwhile it starts anew."""
        if self._process == os.getpid():
            return
        with self._lock:
            if self._process == os.getpid():
                return
            self._process = os.getpid()
            self._waiting = queue.SimpleQueue()
            threading.Thread(
                target=self._go_on, args=(self._waiting,), name=self._name, daemon=True
            ).start()
            is_told, self._is_told = self._is_told, True
        if not is_told:
            WATCH.subscribe(self.look_at)
        WATCH.start()

    def look_at(self, who: UUID | None) -> None:
        """As if `who` had changed."""
        self._waiting.put(who)

    def _go_on(self, waiting: queue.SimpleQueue[UUID | None]) -> None:
        while True:
            who = waiting.get()
            while not self._has_reacted(who):
                time.sleep(_PAUSE_S)

    def _has_reacted(self, who: UUID | None) -> bool:
        try:
            self._react(who)
        except DatabaseError as error:
            _log.warning("a change is looked at again", of=self._name, error=str(error))
            return False
        except Exception:
            _log.exception("a change could not be looked at", of=self._name)
        finally:
            connection.close()
        return True
