"""Tells every process, within a second, that something of a tenant's set-up has changed: its state,
endpoints, BM units, certificates, or whom the vendor trusts.

A trigger counts the changes of each tenant in a table that holds ids, counts and times and nothing
else (isolation.noted); a thread of each process looks there several times a second. It listens to
nobody, so no message can be lost: where the thread could not look, nobody relies on what it saw.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from uuid import UUID

import structlog
from django.db import Error as DatabaseError
from django.db import connection

HOUSE = UUID(int=0)
"""Stands for the vendor's own register: a change of it concerns every tenant."""

LOOK_EVERY = 0.3
TRUSTED_FOR = 1.0
"""Seconds that what a look saw is relied on: the longest that a change goes unnoticed."""

LOOK_BACK_S = 60
"""Longer than any transaction that changes a set-up stays open: its change bears a time before its
commit.
"""

Token = tuple[int, int, int]
"""Equal tokens of a tenant: nothing of its set-up is known to have changed in between."""

Listener = Callable[[UUID | None], None]

_RECENT = """
SELECT tenant_id, version FROM tenants_change WHERE changed_at > clock_timestamp() - %s::interval
"""

_log = structlog.get_logger(__name__)


class Watch:
    """One a process. Starts looking when first asked, and again in a process forked meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._process = 0
        self._versions: dict[UUID, int] = {}
        self._gaps = 0
        self._looked_at = float("-inf")

    def token(self, tenant_id: UUID) -> Token | None:
        """None while there is no recent look to rely on."""
        if self._process != os.getpid():
            self.start()
        if time.monotonic() - self._looked_at > TRUSTED_FOR:
            return None
        versions = self._versions
        return self._gaps, versions.get(HOUSE, 0), versions.get(tenant_id, 0)

    def subscribe(self, listener: Listener) -> None:
        """Calls `listener`, on the watching thread, with the tenant that changed, HOUSE, or None
        where any may have.
        """
        with self._lock:
            self._listeners.append(listener)
        self.start()

    def start(self) -> None:
        with self._lock:
            if self._process == os.getpid():
                return
            self._process = os.getpid()
            self._looked_at = float("-inf")
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._look_on, args=(self._stop,), name="changes", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Ends the thread and its database connection; the next question starts it anew."""
        with self._lock:
            thread, self._thread, self._process = self._thread, None, 0
            self._stop.set()
            self._looked_at = float("-inf")
        if thread is not None and thread.is_alive():
            thread.join()

    def _look_on(self, stop: threading.Event) -> None:
        is_lost = False
        while not stop.is_set():
            try:
                self._look(stop)
                is_lost = False
            except DatabaseError as error:
                if not is_lost:
                    _log.warning("cannot look for changes", error=str(error))
                is_lost = True
                connection.close()
            stop.wait(LOOK_EVERY)
        connection.close()

    def _look(self, stop: threading.Event) -> None:
        began = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute(_RECENT, [f"{LOOK_BACK_S} s"])
            recent = dict(cursor.fetchall())
        if stop.is_set():
            return
        is_gap = began - self._looked_at > LOOK_BACK_S / 2
        changed = [who for who, version in recent.items() if self._versions.get(who) != version]
        if is_gap:
            self._gaps += 1
        self._versions = {**self._versions, **recent} if changed else self._versions
        self._looked_at = began
        for who in [None] if is_gap else changed:
            self._tell(who)

    def _tell(self, who: UUID | None) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(who)
            except Exception:
                _log.exception("a listener for changes failed")


WATCH = Watch()
