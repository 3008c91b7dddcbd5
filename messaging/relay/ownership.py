"""Whose claim a claim is: each process that claims holds one advisory lock in a session of its own.

When the process dies its session ends, the lock goes, and the next sweep frees what it had claimed:
no waiting for a lease.
"""

from __future__ import annotations

import os
import secrets
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import psycopg
from django.db import connection

ASKED_EVERY: Final = 1.0
"""Seconds between two questions to the server whether the session lives; between them it is enough
that it has not hung up.
"""

_lock = threading.Lock()
_busy: set[UUID] = set()
_held: tuple[int, int, psycopg.Connection] | None = None
_asked_at = 0.0


def owner() -> int:
    """This process's number; takes its lock at the first call, and again, under a new number, if
    the session was lost.
    """
    global _held
    with _lock:
        if _held is None or _held[0] != os.getpid() or not _is_alive(_held[2]):
            number = secrets.randbits(62) | 1
            _held = (os.getpid(), number, _session_with_lock(number))
        return _held[1]


@contextmanager
def in_hand(delivery_id: UUID) -> Iterator[bool]:
    """Whether this thread, and no other of this process, has the delivery in hand meanwhile."""
    with _lock:
        mine = delivery_id not in _busy
        _busy.add(delivery_id)
    try:
        yield mine
    finally:
        if mine:
            with _lock:
                _busy.discard(delivery_id)


def _session_with_lock(number: int) -> psycopg.Connection:
    parameters = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    wanted = {name: parameters[name] for name in names if name in parameters}
    session = psycopg.connect(**wanted, autocommit=True, application_name="hostsvc owner")
    session.execute("SELECT pg_advisory_lock(%s)", [number])
    return session


def _is_alive(session: psycopg.Connection) -> bool:
    """A session that the server has ended looks whole from here until something comes of it: its
    last word, or the answer to a question. Every delivery asks, so most are spared the round trip.
    """
    global _asked_at
    try:
        if time.monotonic() - _asked_at < ASKED_EVERY and not _has_word(session):
            return True
        session.execute("SELECT 1")
    except (psycopg.Error, OSError):
        return False
    _asked_at = time.monotonic()
    return True


def _has_word(session: psycopg.Connection) -> bool:
    """Whether the server has said anything, be it farewell."""
    watch = select.poll()
    watch.register(session.pgconn.socket, select.POLLIN)
    return bool(watch.poll(0))
