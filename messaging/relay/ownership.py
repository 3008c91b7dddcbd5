"""Whose claim a claim is: each process that claims holds one advisory lock in a session of its own.

When the process dies its session ends, the lock goes, and the next sweep frees what it had claimed:
no waiting for a lease.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
from django.db import connection

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
    """Asks the server: a session that it has ended looks whole from here until it is used."""
    try:
        session.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True
