"""Whose claim a claim is: each process that claims holds one advisory lock in a session of its own.

When the process dies its session ends, the lock goes, and the next look finds free what it had
claimed: no waiting for a lease, which is for a host that is lost with its sessions left open.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final
from uuid import UUID

import psycopg
from django.db import connection

_ALIVE: Final = """ARRAY(
    SELECT (l.classid::bigint << 32) | l.objid::bigint FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""
ORPHANED: Final = f"owner IS NOT NULL AND owner <> ALL ({_ALIVE})"
"""Of a row with a column `owner`: the process that had claimed it is gone. As a list, which is made
only where anything is claimed, and which a row that has just got another owner is held against
anew; by NOT EXISTS it would not be.
"""

_FREE: Final = f"UPDATE {{}} SET owner = NULL, due_at = now() WHERE {ORPHANED}"  # noqa: S608
_IS_ALIVE: Final = f"SELECT %s = ANY ({_ALIVE})"

_lock = threading.Lock()
_busy: set[UUID] = set()
_held: tuple[int, int, psycopg.Connection] | None = None


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


def is_alive(number: int) -> bool:
    """Whether the process of this number lives, or is only cut off or frozen."""
    with connection.cursor() as cursor:
        cursor.execute(_IS_ALIVE, [number])
        return bool(cursor.fetchone()[0])


def free_orphaned(table: str) -> None:
    """What dead processes had claimed in a table of what is due, behind no wall, is due now and
    anybody's. Each sweep begins with it: an index finds what is claimed at all.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FREE.format(table))


def is_held(owner: int | None, until: datetime | None, at: datetime) -> bool:
    """Whether a claim of that process, which lasts until then at the longest, stands: for rows that
    no sweep reads, as they are behind the wall. `at` is now.
    """
    return owner is not None and until is not None and at < until and is_alive(owner)


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
    names = ("dbname", "user", "password", "host", "port")
    wanted = {name: parameters[name] for name in names if name in parameters}
    session = psycopg.connect(**wanted, autocommit=True, application_name="hostsvc owner")
    session.execute("SELECT pg_advisory_lock(%s)", [number])
    return session


def _is_alive(session: psycopg.Connection) -> bool:
    """Asks the server: a session that it has ended looks whole from here until it is used."""
    try:
        session.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True
