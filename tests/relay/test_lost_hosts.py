"""A machine that is lost says no goodbye. Whoever waits for it gives it up within seconds, and so
does the database with what it had locked.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import kombu
import psycopg
import pytest
from django.conf import settings
from django.db import connection
from redis.asyncio import Redis
from redis.exceptions import RedisError

from messaging import hearing
from messaging.gateway import wakeups
from messaging.relay import words
from tenants import ownership
from tests.cable import Cable
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


@pytest.fixture
def cable(servers: TestServers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cable]:
    """To Redis, with little patience for its silence."""
    monkeypatch.setattr(hearing, "ASKED_AFTER_S", 0.2)
    with Cable(servers.redis) as cable:
        monkeypatch.setattr(settings, "REDIS_URL", cable.url)
        yield cable
        cable.flow()


class Ear:
    """Hears what is published on a channel, in a task of its own."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.task = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        async for channel, data in hearing.hear(f"{self.channel}*"):
            assert channel == self.channel.encode()
            self.heard.put_nowait(data)

    async def hears(self, url: str, word: bytes) -> None:
        """Published until it is heard: before, nobody may have listened."""
        async with Redis.from_url(url) as client, asyncio.timeout(WITHIN):
            while self.heard.empty():
                await client.publish(self.channel, word)
                await asyncio.sleep(0.01)
        while not self.heard.empty():
            assert self.heard.get_nowait() == word


def test_a_redis_that_says_nothing_more_is_given_up(servers: TestServers, cable: Cable) -> None:
    async def listen() -> None:
        ear = Ear("a-test:one")
        await ear.hears(servers.redis, b"hey")
        cable.stall()
        with pytest.raises((RedisError, OSError)):
            await asyncio.wait_for(ear.task, WITHIN)

    asyncio.run(listen())


def test_a_redis_that_has_nothing_to_say_is_not(servers: TestServers, cable: Cable) -> None:
    async def listen() -> None:
        ear = Ear("a-test:two")
        await ear.hears(servers.redis, b"hey")
        await asyncio.sleep(4 * hearing.ASKED_AFTER_S)
        assert not ear.task.done()
        await ear.hears(servers.redis, b"you")
        ear.task.cancel()

    asyncio.run(listen())


def test_a_gateway_whose_redis_fell_silent_is_woken_by_the_next(
    servers: TestServers, cable: Cable
) -> None:
    """What was said meanwhile is found by looking."""

    async def listen() -> None:
        endpoint_id, woken = uuid4(), asyncio.Event()
        word = words.write(endpoint_id, words.SomethingWaits())
        task = asyncio.create_task(wakeups.listen(lambda found, said: woken.set()))

        async def is_woken() -> None:
            woken.clear()
            async with Redis.from_url(servers.redis) as client, asyncio.timeout(WITHIN):
                while not woken.is_set():
                    await client.publish(words.channel_of(endpoint_id), word)
                    await asyncio.sleep(0.01)

        await is_woken()
        cable.stall()
        await asyncio.sleep(3 * hearing.ASKED_AFTER_S)
        cable.flow()
        await is_woken()
        task.cancel()

    asyncio.run(listen())


def test_redis_is_given_up_by_who_waits_for_tasks(servers: TestServers) -> None:
    redis_url = servers.redis
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
