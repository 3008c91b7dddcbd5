"""Whose a claim is: each process that claims something, a worker a delivery or a web process an
idempotency key, holds one advisory lock in a session of its own.

When the process dies its session ends, the lock goes, and what it had claimed is anybody's: no
waiting for a lease.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import psycopg
from django.db import connection

_LOCK_OF: Final = """
SELECT 1 FROM pg_locks l
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND ((l.classid::bigint << 32) | l.objid::bigint) = {}
"""
ORPHANED: Final = f"owner IS NOT NULL AND NOT EXISTS ({_LOCK_OF.format('owner')})"
"""Of a row with a column `owner`: the process that had claimed it is gone."""

_IS_ALIVE: Final = f"SELECT EXISTS ({_LOCK_OF.format('%s')})"
_NOT_THE_SESSIONS: Final = frozenset({"context", "cursor_factory", "prepare_threshold"})
"""What Django says of its own connections beyond where they lead."""

_lock = threading.Lock()
_busy: set[UUID] = set()
_held: tuple[int, int, psycopg.Connection] | None = None


def owner() -> int:
    """This process's number; takes its lock at the first call, and again, under a new number, if
    the session was lost.
    """
    global _held
    with _lock:
        if _held is None or _held[0] != os.getpid() or not _is_whole(_held[2]):
            number = secrets.randbits(62) | 1
            _held = (os.getpid(), number, _session_with_lock(number))
        return _held[1]


def is_alive(number: int) -> bool:
    """Whether the process of this number lives, or is only cut off or frozen."""
    with connection.cursor() as cursor:
        cursor.execute(_IS_ALIVE, [number])
        return bool(cursor.fetchone()[0])


@contextmanager
def in_hand(item_id: UUID) -> Iterator[bool]:
    """Whether this thread, and no other of this process, has the item in hand meanwhile."""
    with _lock:
        mine = item_id not in _busy
        _busy.add(item_id)
    try:
        yield mine
    finally:
        if mine:
            with _lock:
                _busy.discard(item_id)


def _session_with_lock(number: int) -> psycopg.Connection:
    parameters = connection.get_connection_params()
    wanted = {name: parameters[name] for name in parameters.keys() - _NOT_THE_SESSIONS}
    own = {"autocommit": True, "application_name": "hostsvc owner"}
    session = psycopg.connect(**{**wanted, **own})
    session.execute("SELECT pg_advisory_lock(%s)", [number])
    return session


def _is_whole(session: psycopg.Connection) -> bool:
    """Asks the server: a session that it has ended looks whole from here until it is used."""
    try:
        session.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True
