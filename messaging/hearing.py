"""Hears what is published on Redis, and notices when Redis is not there any more.

A lost host says no goodbye, and who only listens sends nothing that would go unanswered: so after
some silence Redis is asked whether it is there. TCP's own probes are no help, for their end is a
time-out to redis-py, that is, no message yet, at once and for ever.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as BrokerGone

ASKED_AFTER_S: Final = 5.0
"""Of silence; after as much again without an answer Redis counts as gone."""
CONNECTED_WITHIN_S: Final = 2.0


async def hear(pattern: str | bytes) -> AsyncIterator[tuple[bytes, bytes]]:
    """Channel and data of what is published on channels of this pattern, until Redis is away: then
    it raises RedisError or OSError, and what is published meanwhile is not heard.
    """
    client = Redis.from_url(settings.REDIS_URL, socket_connect_timeout=CONNECTED_WITHIN_S)
    async with client, client.pubsub() as pubsub:
        await pubsub.psubscribe(pattern)
        is_asked = False
        while True:
            message = await pubsub.get_message(timeout=ASKED_AFTER_S)
            if message is not None:
                is_asked = False
                if message["type"] == "pmessage":
                    yield message["channel"], message["data"]
            elif is_asked:
                raise BrokerGone("it does not answer")
            else:
                is_asked = True
                await pubsub.ping()
