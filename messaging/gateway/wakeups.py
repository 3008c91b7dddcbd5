"""Listens on Redis for words that something waits for a link, and looks itself now and then for
those that were lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from uuid import UUID

import structlog
from django.db import Error as DatabaseError
from redis.exceptions import RedisError

from messaging.hearing import hear
from messaging.relay import due, words
from messaging.relay.words import Word
from messaging.states import Lane
from tenants.scope import reconnecting

LOOK_EVERY = 1.0
RETRY_AFTER = 0.5

_log = structlog.get_logger(__name__)


async def listen(on_word: Callable[[UUID, Word], None]) -> None:
    """Calls `on_word(endpoint id, word)` for each word on a link's channel; comes back whenever
    Redis does.
    """
    while True:
        try:
            async for channel, data in hear(f"{words.CHANNEL}*"):
                _told(channel, data, on_word)
        except (RedisError, OSError) as error:
            _log.warning("no broker to be woken by", error=str(error))
        await asyncio.sleep(RETRY_AFTER)


async def look(threads: Executor, on_tenant: Callable[[UUID], None]) -> None:
    """Calls `on_tenant` for each tenant with something due for a link, every second."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(LOOK_EVERY)
        try:
            for tenant_id in await loop.run_in_executor(threads, _tenants_waiting):
                on_tenant(tenant_id)
        except DatabaseError as error:
            _log.warning("cannot look for what is due", error=str(error))


def _tenants_waiting() -> list[UUID]:
    return reconnecting(lambda: due.tenants_waiting(Lane.LINK))


def _told(channel: bytes, data: bytes, on_word: Callable[[UUID, Word], None]) -> None:
    endpoint_id = words.find_endpoint(channel)
    word = words.read(endpoint_id, data) if endpoint_id else None
    if endpoint_id is None or word is None:
        _log.warning("a word that is none of the host's", channel=repr(channel)[:100])
        return
    on_word(endpoint_id, word)
