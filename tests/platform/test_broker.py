"""A worker rides out a Redis that goes away while it has a task in hand."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from kombu.common import ignore_errors
from kombu.simple import SimpleQueue
from redis import exceptions

from hostsvc.broker import Transport
from hostsvc.celery import app
from hostsvc.embedded import EmbeddedRedis


def lose(connection: Connection, server: EmbeddedRedis) -> None:
    """Has a task in hand and asks for the next, on two channels as a worker does; then Redis goes,
    and what Celery's worker does about that.
    """
    tasks = SimpleQueue(connection.default_channel, "a")
    others = SimpleQueue(connection.channel(), "b")
    tasks.put("a task")
    tasks.get(timeout=5)
    others.consumer.consume()
    transport: Any = connection.transport
    transport.cycle.on_poll_start()
    server.stop()
    # As celery.worker.consumer does.
    with suppress(exceptions.RedisError):
        connection.collect(socket_timeout=1)
    ignore_errors(connection, connection.close)


def test_what_is_left_of_a_lost_connection_is_closed_without_a_fault(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server:
        lose(app.connection_for_read(url=server.url()), server)


def test_kombus_own_channel_has_the_fault_that_ends_a_worker(tmp_path: Path) -> None:
    """Once it has it no more, ours is needed no more."""
    with EmbeddedRedis(tmp_path) as server, pytest.raises(AttributeError):
        lose(Connection(server.url()), server)


def test_the_service_uses_ours() -> None:
    connection = app.connection_for_read(url="redis://127.0.0.1:1/0")
    assert isinstance(connection.transport, Transport)
