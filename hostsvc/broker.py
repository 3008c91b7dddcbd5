"""Celery's way to Redis, as kombu has it, but that a worker outlives every loss of it.

Where Redis is lost, Celery closes the connection twice, and the second time kombu finds nothing
left of it by which to give back what was in hand: an AttributeError, which ends the worker. Here
that is what it is, a lost connection, which Celery expects. What was in hand is due in the database
anyway.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis as kombu_redis
from redis import exceptions


class Channel(kombu_redis.Channel):
    """One that is closed is connected no more."""

    def _connparams(self, asynchronous: bool = False) -> Any:
        """Raises redis.ConnectionError."""
        if getattr(self.connection, "client", None) is None:
            raise exceptions.ConnectionError("the connection is closed")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]


class Transport(kombu_redis.Transport):
    Channel = Channel
