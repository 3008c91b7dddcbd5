"""Whose a claim is: each process that claims something, a worker a delivery or a web process an
idempotency key, holds one advisory lock in a session of its own.

When the process dies its session ends, the lock goes, and the next look finds free what it had
claimed: no waiting for a lease. A host that is lost leaves its sessions open; the server gives them
up after ten seconds or so, and a lease is for where it does not.
"""

from __future__ import annotations

import os
import secrets
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final
from uuid import UUID

import psycopg
from django.db import connection

ALIVE: Final = """ARRAY(
    SELECT (l.classid::bigint << 32) | l.objid::bigint FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""
"""The numbers of all processes that live. As a list, which is made only where a number is held
against it, and which a row that has just got another number is held against anew; by NOT EXISTS it
would not be.
"""

_ORPHANED: Final = f"{{column}} IS NOT NULL AND {{column}} <> ALL ({ALIVE})"
_FREE: Final = "UPDATE {table} SET {column} = NULL, due_at = now() WHERE {orphaned}"
_IS_ALIVE: Final = f"SELECT %s = ANY ({ALIVE})"
_NOT_THE_SESSIONS: Final = frozenset({"context", "cursor_factory", "prepare_threshold"})
"""What Django says of its own connections beyond where they lead."""

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
        if _held is None or _held[0] != os.getpid() or not _is_whole(_held[2]):
            number = secrets.randbits(62) | 1
            _held = (os.getpid(), number, _session_with_lock(number))
        return _held[1]


def is_alive(number: int) -> bool:
    """Whether the process of this number lives, or is only cut off or frozen."""
    with connection.cursor() as cursor:
        cursor.execute(_IS_ALIVE, [number])
        return bool(cursor.fetchone()[0])


def orphaned(column: str = "owner") -> str:
    """Of a row: the process whose number stands in that column is gone."""
    return _ORPHANED.format(column=column)


def free_orphaned(table: str, column: str = "owner") -> None:
    """What dead processes had claimed in a table of what is due, behind no wall, is due now and
    anybody's. Each sweep begins with it: an index finds what is claimed at all.
    """
    statement = _FREE.format(table=table, column=column, orphaned=orphaned(column))
    with connection.cursor() as cursor:
        cursor.execute(statement)


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
    wanted = {name: parameters[name] for name in parameters.keys() - _NOT_THE_SESSIONS}
    own = {"autocommit": True, "application_name": "hostsvc owner"}
    session = psycopg.connect(**{**wanted, **own})
    session.execute("SELECT pg_advisory_lock(%s)", [number])
    return session


def _is_whole(session: psycopg.Connection) -> bool:
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
