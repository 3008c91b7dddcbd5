"""Watches what passes through the host, on a thread and a connection of its own, so that nobody who
shows it waits for the database.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import psycopg

from messaging.rehearsal import hops
from messaging.rehearsal.hops import Passage

_EVERY = 0.5
_AGAIN = 1.0
_NEWEST = 200
# A database that hangs must not hold the stop up.
_OPTIONS = "-c statement_timeout=5000 -c default_transaction_read_only=on"


class Traffic:
    """`passages` are the newest of this run, oldest first, as last read; `is_current` says whether
    the database was there to be read.
    """

    def __init__(self, staff_url: str) -> None:
        self.passages: tuple[Passage, ...] = ()
        self.is_current = False
        self._url = staff_url
        self._since = datetime.now(UTC)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="traffic", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Within a second or two, whatever the database does."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                with psycopg.connect(
                    self._url, autocommit=True, connect_timeout=3, options=_OPTIONS
                ) as connection:
                    self._read_on(connection)
            except psycopg.Error:
                self.is_current = False
            self._over.wait(_AGAIN)

    def _read_on(self, connection: psycopg.Connection) -> None:
        while not self._over.is_set():
            self.passages = hops.passages_since(connection, self._since, _NEWEST)
            self.is_current = True
            self._over.wait(_EVERY)
