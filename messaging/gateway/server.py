"""The gateway process: accepts connections, keeps one link a control point, and hands out
wake-ups.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error as DatabaseError

from messaging.edge import refusals
from messaging.edge.listener import TlsListener
from messaging.gateway import plain, wakeups
from messaging.gateway.guard import LinkGuard
from messaging.gateway.heart import Heart
from messaging.gateway.identity import Caller, identify
from messaging.gateway.link import HELLO_WITHIN, Gateway, LinkConnection
from messaging.gateway.room import Room
from messaging.protocols.base import UnknownProfile
from messaging.relay.codecs import legacy_codec
from messaging.relay.rows import Numbered
from messaging.relay.wake import wake_link
from messaging.relay.words import HeldAt, SomethingWaits, Word
from tenants import tls
from tenants.ids import digest_of

THREADS = 16
WAKERS = 4
BACKLOG = 1024
LOOK_EVERY = 0.5
FINISHED_WITHIN = 4.0
CLOSED_WITHIN = 3.0
"""Seconds that links have to end when the gateway does: in their own time, and cut off."""
NOT_BEATING = "this gateway has lost sight of the database"
READER_LIMIT = 64 * 1024

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class GatewayServer:
    """Serves until it is told to stop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="gateway")
        self._heart = Heart(self._on_lapsed)
        self._wakers = ThreadPoolExecutor(WAKERS, thread_name_prefix="waker")
        self._gateway = Gateway(
            lambda: self._heart.number,
            lambda: self._heart.is_counted_on,
            self._threads,
            self._wakers,
            self._up,
            self._down,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._guard = LinkGuard()
        self._holding: dict[UUID, LinkConnection] = {}
        self._all: dict[LinkConnection, asyncio.Task[None] | None] = {}
        self._room = Room()

    async def run(self) -> None:
        """Listens; returns after SIGTERM or SIGINT, with every link closed."""
        stop = asyncio.Event()
        loop = self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await loop.run_in_executor(self._threads, self._heart.start)
        servers = list(self._listeners())
        helpers = [
            asyncio.create_task(wakeups.listen(self._on_word)),
            asyncio.create_task(wakeups.look(self._threads, self._on_tenant)),
            asyncio.create_task(self._watch_heart()),
        ]
        await stop.wait()
        for server in servers:
            server.close()
        await self._finish_all("the gateway is stopping")
        for server in servers:
            await server.wait_closed()
        for helper in helpers:
            helper.cancel()
        await loop.run_in_executor(self._threads, self._heart.stop)
        await loop.run_in_executor(self._threads, refusals.close)
        self._threads.shutdown(wait=True)
        self._wakers.shutdown(wait=False, cancel_futures=True)

    def _listeners(self) -> Iterator[TlsListener]:
        """One for TLS, and one for plain TCP where an address is set for it."""
        context = tls.server_context(
            settings.TLS_CERTIFICATE, settings.TLS_KEY, settings.EDL_CLIENT_CA.read_text()
        )
        for address, spoken in ((settings.EDL_LISTEN, context), (settings.EDL_PLAIN_LISTEN, None)):
            if address is not None:
                server = TlsListener(spoken, self._protocol, refusals.note)
                server.listen(*address, BACKLOG)
                _log.info("gateway listens", host=address[0], port=address[1], tls=bool(spoken))
                yield server

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(READER_LIMIT, loop)
        return asyncio.StreamReaderProtocol(reader, self._accept, loop)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        spoken = writer.get_extra_info("ssl_object")
        certificate = spoken.getpeercert(binary_form=True) if spoken is not None else None
        fingerprint = digest_of(certificate or b"") if spoken is not None else b""
        host, port, *_ = writer.get_extra_info("peername") or ("unknown", 0)
        caller = Caller(fingerprint, f"{host}:{port}")
        if not self._heart.is_beating:
            writer.transport.abort()
            return
        if (reason := self._room.refusal_of(caller)) is not None:
            writer.transport.abort()
            caller.note_refusal(reason)
            return
        self._room.enter(caller)
        is_ready = False
        try:
            if caller.is_plain:
                is_ready = await self._serve_plain(reader, writer, caller)
            else:
                found = await self._run(identify, fingerprint, caller.address)
                is_ready = await self._serve(reader, writer, found)
        except (OSError, DatabaseError) as error:
            _log.warning("connection not taken", error=str(error))
            writer.transport.abort()
        finally:
            if not is_ready:
                self._room.leave(caller)

    async def _serve_plain(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caller: Caller
    ) -> bool:
        tunnel = await self._run(plain.tunnel_of, caller.host)
        is_stranger = not tunnel.control_points
        if is_stranger and not self._room.bears_strangers:
            writer.transport.abort()
            caller.note_refusal("too many connections from nobody's addresses")
            return False
        try:
            with self._room.stranger(is_stranger):
                first = await asyncio.wait_for(plain.first_words(reader, tunnel), HELLO_WITHIN)
        except TimeoutError:
            writer.transport.abort()
            plain.caller_of(b"", tunnel, caller.address).note_refusal("no HELLO in time")
            return False
        if not first:
            writer.transport.abort()
            return False
        found = plain.caller_of(first, tunnel, caller.address)
        return await self._serve(reader, writer, found, first)

    async def _serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        caller: Caller,
        first: bytes = b"",
    ) -> bool:
        """Until the link ends; whether it ever was ready."""
        if caller.control_point is not None:
            try:
                profile = legacy_codec(caller.control_point.settings).profile
            except UnknownProfile as error:
                _log.error("connection not taken: its endpoint's profile", error=str(error))
                writer.transport.abort()
                return False
        elif self._room.bears_strangers:
            profile = legacy_codec({}).profile
        else:
            writer.transport.abort()
            caller.note_refusal("too many connections of unknown certificates")
            return False
        is_stranger = caller.control_point is None
        link = LinkConnection(self._gateway, reader, writer, caller, profile, first)
        self._all[link] = asyncio.current_task()
        try:
            with self._room.stranger(is_stranger):
                await self._guard.serve(link, caller)
        finally:
            del self._all[link]
        return link.endpoint_id is not None

    async def _run(self, work: Callable[..., T], *details: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*details))

    def _on_lapsed(self) -> None:
        """On the heart's thread: the others hold that these links are down."""
        assert self._loop is not None
        with suppress(RuntimeError):  # The loop is closed, and every link with it.
            self._loop.call_soon_threadsafe(self._close_links, "its gateway had lapsed")

    async def _watch_heart(self) -> None:
        """Ends the links when the others must count them as down: their control points find a
        gateway that lives.
        """
        while True:
            if not self._heart.is_beating:
                self._close_links(NOT_BEATING)
            await asyncio.sleep(LOOK_EVERY)

    def _up(self, link: LinkConnection) -> None:
        """A link got ready: the one before it goes, here or at another gateway."""
        endpoint_id = link.endpoint_id
        assert endpoint_id is not None
        self._room.leave(link.caller)
        before = self._holding.get(endpoint_id)
        self._holding[endpoint_id] = link
        if before is not None:
            before.close("replaced by another link")
        self._wakers.submit(wake_link, endpoint_id, HeldAt(link.epoch))

    def _down(self, link: LinkConnection) -> None:
        endpoint_id = link.endpoint_id
        if endpoint_id is not None and self._holding.get(endpoint_id) is link:
            del self._holding[endpoint_id]

    def _on_word(self, endpoint_id: UUID, word: Word) -> None:
        link = self._holding.get(endpoint_id)
        if link is None:
            return
        match word:
            case HeldAt():
                if word.epoch > link.epoch:
                    link.close("replaced by another link")
            case Numbered():
                link.offer(word)
            case SomethingWaits():
                link.wake()

    def _on_tenant(self, tenant_id: UUID) -> None:
        for link in self._holding.values():
            if link.tenant_id == tenant_id:
                link.wake()

    def _close_links(self, reason: str) -> None:
        for link in list(self._all):
            link.close(reason)

    async def _finish_all(self, reason: str) -> None:
        """What came is taken and answered, for a while; then the links end all the same."""
        for link in list(self._all):
            link.finish(reason)
        await self._all_ended(FINISHED_WITHIN)
        self._close_links(reason)
        await self._all_ended(CLOSED_WITHIN)

    async def _all_ended(self, seconds: float) -> None:
        tasks = [task for task in self._all.values() if task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
