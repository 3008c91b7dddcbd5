"""Processes that claim, as the database sees them: a session each that holds an advisory lock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection

from tenants import ownership
from tests.servers import TestServers

NUMBER = 4_711_004_711


_PID = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
AND ((classid::bigint << 32) | objid::bigint) = %s
"""


def pids(number: int) -> list[int]:
    """Of the server's processes: whose session holds the lock of that number."""
    with connection.cursor() as cursor:
        cursor.execute(_PID, [number])
        return [row[0] for row in cursor.fetchall()]


@contextmanager
def living(servers: TestServers, database: str, number: int = NUMBER) -> Iterator[int]:
    """The number of another process, which lives within and is dead afterwards."""
    with psycopg.connect(servers.url("app", database), autocommit=True) as process:
        process.execute("SELECT pg_advisory_lock(%s)", [number])
        yield number
    until_gone(number)


def until_gone(number: int) -> None:
    """The server ends a session a moment after its client has left."""
    for _ in range(1000):
        if not ownership.is_alive(number):
            connection.close()
            return
        time.sleep(0.01)
    raise AssertionError("the lock is still held")
