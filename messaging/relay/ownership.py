"""Whose claim a claim is: each process that claims holds one advisory lock in a session of its own.

When the process dies its session ends, the lock goes, and the next sweep frees what it had claimed:
no waiting for a lease.
"""

from __future__ import annotations

import os
import secrets
import threading

import psycopg
from django.db import connection

_lock = threading.Lock()
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


def _session_with_lock(number: int) -> psycopg.Connection:
    parameters = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    wanted = {name: parameters[name] for name in names if name in parameters}
    session = psycopg.connect(**wanted, autocommit=True, application_name="hostsvc owner")
    session.execute("SELECT pg_advisory_lock(%s)", [number])
    return session


def _is_alive(session: psycopg.Connection) -> bool:
    return not session.closed and not session.broken
