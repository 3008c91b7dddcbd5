"""A machine that is lost says no goodbye. Whoever waits for it gives it up within seconds, and so
does the database with what it had locked.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kombu
import psycopg
import pytest
from django.conf import settings
from django.db import connection

from messaging.events import stream
from messaging.gateway import wakeups
from tenants import ownership
from tests.people import Person
from tests.servers import TestServers

WITHIN = 10.0


@pytest.fixture
def session(alice: Person, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    """In which this process's number is held."""
    monkeypatch.setattr(ownership, "_held", None)
    connection.ensure_connection()
    ownership.owner()
    held: tuple[int, int, psycopg.Connection] | None = ownership._held
    assert held is not None
    yield held[2]
    held[2].close()


@pytest.fixture
def redis_url(servers: TestServers, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(settings, "REDIS_URL", servers.redis)
    return servers.redis


def gives_up_soon(own: socket.socket) -> bool:
    return (
        0 < own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 10_000
        and own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        and own.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) <= 5
        and own.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) <= 2
        and own.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) <= 3
    )


def test_the_database_is_given_up_by_a_process(session: psycopg.Connection) -> None:
    for found in (session, connection.connection):
        with socket.socket(fileno=os.dup(found.pgconn.socket)) as own:
            assert gives_up_soon(own)


def test_a_process_is_given_up_by_the_database(session: psycopg.Connection) -> None:
    """Its lock, and whatever a transaction of its has locked."""
    for found in (session, connection.connection):
        for name, most in {
            "tcp_user_timeout": 10_000,
            "tcp_keepalives_idle": 5,
            "tcp_keepalives_interval": 2,
            "tcp_keepalives_count": 3,
        }.items():
            ((told,),) = found.execute(f"SHOW {name}").fetchall()
            assert 0 < int(told) <= most, name


def connections_to(url: str) -> dict[int, bool]:
    """Our port of each connection that this process has there, and whether it gives up soon."""
    there, found = urlsplit(url).port, {}
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # Closed since, or a socket that is not connected.
            if not entry.readlink().name.startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(entry.name))) as own:
                if own.family == socket.AF_INET and own.getpeername()[1] == there:
                    found[own.getsockname()[1]] = gives_up_soon(own)
    return found


LISTENERS: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
    "a gateway, for words": lambda: wakeups.listen(lambda endpoint_id, word: None),
    "an event stream": lambda: stream._Hub()._listen(),
}


@pytest.mark.parametrize("who", LISTENERS)
def test_redis_is_given_up_by_who_waits_for_its_word(redis_url: str, who: str) -> None:
    async def listen() -> list[bool]:
        before = connections_to(redis_url).keys()
        task = asyncio.create_task(LISTENERS[who]())
        try:
            for _ in range(int(WITHIN / 0.01)):
                await asyncio.sleep(0.01)
                now = connections_to(redis_url)
                if opened := now.keys() - before:
                    return [now[port] for port in opened]
            return []
        finally:
            task.cancel()
            # Cancelled while it connects, redis-py may go on regardless; the loop's end ends it.
            await asyncio.wait([task], timeout=0.5)

    assert asyncio.run(listen()) == [True]


def test_redis_is_given_up_by_who_waits_for_tasks(redis_url: str) -> None:
    before = connections_to(redis_url).keys()
    with kombu.Connection(
        redis_url,
        transport=settings.CELERY_BROKER_TRANSPORT,
        transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS,
    ) as broker:
        broker.ensure_connection(timeout=10)
        broker.channel()
        found = connections_to(redis_url)
    opened = found.keys() - before
    assert opened
    assert all(found[port] for port in opened)
