"""Server-sent events: an ASGI application around Django's, which goes on with an answer that a view
has granted, without holding a thread or a database connection for any listener.

Django authenticates, counts and answers the request as any other; its answer is the stream's
beginning. From there on the stream belongs to the event loop: it is woken by Redis, looks by itself
every so often, and reads in a small pool of threads that all listeners share.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from redis.exceptions import RedisError

from messaging.events import reading
from messaging.events.reading import Page
from messaging.events.types import EventType, Happening, Way
from messaging.hearing import hear
from tenants.audit.pulse import CHANNEL
from tenants.scope import tenant_scope

LOOK_EVERY_S: Final = 2.0
"""How often a listener looks without being woken, and its key is looked at again."""

HEARTBEAT_S: Final = 15.0
TAKEN_WITHIN_S: Final = 30.0
"""A listener that takes nothing for so long is let go."""

RECONNECT_MS: Final = 2000
_THREADS: Final = 4
_DESK: Final = "hostsvc.event_stream"

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = structlog.get_logger(__name__)


class TooManyStreams(Exception):
    """The tenant has as many streams open in this process as it may."""


@dataclass(slots=True)
class Grant:
    """A listener that a view lets in, and where it goes on. `is_in_force` says, within a thread,
    whether what was shown is still in force.
    """

    tenant_id: UUID
    after: int
    types: frozenset[EventType]
    is_in_force: Callable[[], bool]


@dataclass(slots=True)
class _Desk:
    """What a view leaves with the application around it."""

    grant: Grant | None = None


@dataclass(slots=True)
class _Places:
    """How many listeners each tenant has in this process."""

    taken: Counter[UUID] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, tenant_id: UUID) -> None:
        with self.lock:
            if self.taken[tenant_id] >= settings.EVENT_STREAMS:
                raise TooManyStreams
            self.taken[tenant_id] += 1

    def leave(self, tenant_id: UUID) -> None:
        with self.lock:
            self.taken[tenant_id] -= 1


_places = _Places()


def grant(scope: Scope | None, granted: Grant) -> bool:
    """Lets the application around Django go on with the answer; False where there is none, and the
    answer is all. Raises TooManyStreams.
    """
    desk = (scope or {}).get(_DESK)
    if not isinstance(desk, _Desk):
        return False
    _places.take(granted.tenant_id)
    desk.grant = granted
    return True


def written(happenings: Iterable[Happening]) -> str:
    """As server-sent events; those that are not for streams are left out."""
    return "".join(
        f"id: {one.id}\nevent: {one.type.value}\n"
        f"data: {json.dumps(one.payload, separators=(',', ':'))}\n\n"
        for one in happenings
        if Way.STREAM in one.ways
    )


class EventStreams:
    """The application around Django's. One a process."""

    def __init__(self, inner: Any) -> None:
        self._inner: Application = inner
        self._hub = _Hub()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        desk = _Desk()
        scope[_DESK] = desk
        try:
            await self._inner(scope, receive, partial(_pass_on, desk, send))
            if desk.grant is not None:
                await self._go_on(desk.grant, receive, send)
        finally:
            if desk.grant is not None:
                _places.leave(desk.grant.tenant_id)

    async def _go_on(self, granted: Grant, receive: Receive, send: Send) -> None:
        """Until the listener goes away, what it showed is not in force any more, or it takes
        nothing.
        """
        telling = asyncio.create_task(self._tell(granted, send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (telling, leaving):
                task.cancel()
            await asyncio.gather(telling, leaving, return_exceptions=True)

    async def _tell(self, granted: Grant, send: Send) -> None:
        woken = asyncio.Event()
        self._hub.join(granted.tenant_id, woken)
        said_at = time.monotonic()
        try:
            while True:
                page = await self._hub.look(granted)
                if page is None:
                    break
                granted.after = page.last
                text = written(page.happenings)
                moment = time.monotonic()
                if not text and moment - said_at >= HEARTBEAT_S:
                    text = ": still here\n\n"
                if text:
                    await _say(send, text)
                    said_at = moment
                if not page.more:
                    await _wait(woken)
        except TimeoutError:
            _log.info("a listener takes nothing", tenant=str(granted.tenant_id))
        finally:
            self._hub.leave(granted.tenant_id, woken)
        await send({"type": "http.response.body", "body": b""})


class _Hub:
    """Wakes the listeners of this process, and reads for them."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="events")
        self._listeners: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._listening: asyncio.Task[None] | None = None

    def join(self, tenant_id: UUID, woken: asyncio.Event) -> None:
        self._listeners[tenant_id].add(woken)
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen())

    def leave(self, tenant_id: UUID, woken: asyncio.Event) -> None:
        self._listeners[tenant_id].discard(woken)
        if not self._listeners[tenant_id]:
            del self._listeners[tenant_id]
        if not self._listeners and self._listening is not None:
            self._listening.cancel()

    async def look(self, granted: Grant) -> Page | None:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _look, granted)

    async def _listen(self) -> None:
        """Where Redis is away, listeners look by themselves."""
        while True:
            try:
                async for _, data in hear(CHANNEL):
                    self._wake(data)
            except (RedisError, OSError) as error:
                _log.warning("streams are not woken", error=type(error).__name__)
            await asyncio.sleep(LOOK_EVERY_S)

    def _wake(self, data: bytes) -> None:
        if len(data) == 16:
            for woken in self._listeners.get(UUID(bytes=data), ()):
                woken.set()


def _look(granted: Grant) -> Page | None:
    """Within a thread. None where the listener is to be let go; it comes back where the database
    was away.
    """
    try:
        if not granted.is_in_force():
            return None
        with tenant_scope(granted.tenant_id):
            return reading.read(granted.after, granted.types)
    except DatabaseError as error:
        _log.warning("a stream ends for want of the database", error=str(error)[:200])
        return None
    finally:
        connection.close()


async def _wait(woken: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LOOK_EVERY_S):
            await woken.wait()
    except TimeoutError:
        return
    woken.clear()


async def _say(send: Send, text: str) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(TAKEN_WITHIN_S):
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _pass_on(desk: _Desk, send: Send, message: Message) -> None:
    """Keeps a granted answer open."""
    if desk.grant is not None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message["headers"] if pair[0].lower() != b"content-length"]
            message = {**message, "headers": kept}
        elif message["type"] == "http.response.body":
            message = {**message, "more_body": True}
    await send(message)
