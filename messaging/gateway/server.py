"""The gateway process: accepts connections, keeps one link a control point, and hands out
wake-ups.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error as DatabaseError

from messaging.edge import refusals
from messaging.edge.listener import TlsListener
from messaging.gateway import wakeups
from messaging.gateway.guard import LinkGuard
from messaging.gateway.identity import Caller, identify
from messaging.gateway.link import Gateway, LinkConnection
from messaging.protocols.base import UnknownProfile
from messaging.relay import ownership
from messaging.relay.codecs import legacy_codec
from messaging.relay.rows import Numbered
from messaging.relay.wake import wake_link
from messaging.relay.words import HeldAt, SomethingWaits, Word
from tenants import tls
from tenants.ids import digest_of

THREADS = 16
WAKERS = 4
UNKNOWN_LIMIT = 2_000
"""Connections that have not yet said a HELLO that was taken; more are closed as they come."""

UNKNOWN_LIMIT_EACH = 20
"""The same, of one certificate: nobody's connections may keep others from theirs."""

STRANGERS_LIMIT = 200
"""The same, of certificates that are nobody's, revoked or out of their time: strangers keep each
other out, and no control point.
"""

BACKLOG = 1024
READER_LIMIT = 64 * 1024

_log = structlog.get_logger(__name__)


class GatewayServer:
    """Serves until it is told to stop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="gateway")
        self._owner = ownership.owner()
        self._wakers = ThreadPoolExecutor(WAKERS, thread_name_prefix="waker")
        self._gateway = Gateway(self._owner, self._threads, self._wakers, self._up, self._down)
        self._guard = LinkGuard()
        self._holding: dict[UUID, LinkConnection] = {}
        self._all: dict[LinkConnection, asyncio.Task[None] | None] = {}
        self._greeting: Counter[bytes] = Counter()
        self._strangers = 0

    async def run(self) -> None:
        """Listens; returns after SIGTERM or SIGINT, with every link closed."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        host, port = settings.EDL_LISTEN
        context = tls.server_context(
            settings.TLS_CERTIFICATE, settings.TLS_KEY, settings.EDL_CLIENT_CA.read_text()
        )
        server = TlsListener(context, self._protocol, refusals.note)
        server.listen(host, port, BACKLOG)
        helpers = [
            asyncio.create_task(wakeups.listen(self._on_word)),
            asyncio.create_task(wakeups.look(self._threads, self._on_tenant)),
        ]
        _log.info("gateway listens", host=host, port=port)
        await stop.wait()
        server.close()
        await self._close_all()
        await server.wait_closed()
        for helper in helpers:
            helper.cancel()
        await loop.run_in_executor(self._threads, refusals.close)
        self._threads.shutdown(wait=True)
        self._wakers.shutdown(wait=False, cancel_futures=True)

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(READER_LIMIT, loop)
        return asyncio.StreamReaderProtocol(reader, self._accept, loop)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        fingerprint = digest_of(certificate or b"")
        host, port, *_ = writer.get_extra_info("peername") or ("unknown", 0)
        address = f"{host}:{port}"
        if (reason := self._no_room_for(fingerprint)) is not None:
            writer.transport.abort()
            refusals.note(reason, address, fingerprint)
            return
        self._greeting[fingerprint] += 1
        is_ready = False
        try:
            caller = await self._identify(fingerprint, address)
            is_ready = await self._serve(reader, writer, caller)
        except (OSError, DatabaseError) as error:
            _log.warning("connection not taken", error=str(error))
            writer.transport.abort()
        finally:
            if not is_ready:
                self._greeted(fingerprint)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caller: Caller
    ) -> bool:
        """Until the link ends; whether it ever was ready."""
        if caller.control_point is not None:
            try:
                profile = legacy_codec(caller.control_point.settings).profile
            except UnknownProfile as error:
                _log.error("connection not taken: its endpoint's profile", error=str(error))
                writer.transport.abort()
                return False
        elif self._strangers < STRANGERS_LIMIT:
            profile = legacy_codec({}).profile
        else:
            writer.transport.abort()
            caller.note_refusal("too many connections of unknown certificates")
            return False
        is_stranger = caller.control_point is None
        link = LinkConnection(self._gateway, reader, writer, caller, profile)
        self._all[link] = asyncio.current_task()
        self._strangers += is_stranger
        try:
            await self._guard.serve(link, caller)
        finally:
            self._strangers -= is_stranger
            del self._all[link]
        return link.endpoint_id is not None

    def _no_room_for(self, fingerprint: bytes) -> str | None:
        """Told before anything is looked up, so that a flood costs the database nothing."""
        if self._greeting.total() >= UNKNOWN_LIMIT:
            return "too many connections without HELLO"
        if self._greeting[fingerprint] >= UNKNOWN_LIMIT_EACH:
            return "too many connections without HELLO under one certificate"
        return None

    def _greeted(self, fingerprint: bytes) -> None:
        """One connection less that has not got ready."""
        self._greeting[fingerprint] -= 1
        if not self._greeting[fingerprint]:
            del self._greeting[fingerprint]

    async def _identify(self, fingerprint: bytes, address: str) -> Caller:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, identify, fingerprint, address)

    def _up(self, link: LinkConnection) -> None:
        """A link got ready: the one before it goes, here or at another gateway."""
        endpoint_id = link.endpoint_id
        assert endpoint_id is not None
        self._greeted(link.fingerprint)
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

    async def _close_all(self) -> None:
        tasks = [task for task in self._all.values() if task is not None]
        for link in list(self._all):
            link.close("the gateway is stopping")
        if tasks:
            await asyncio.wait(tasks, timeout=8)
