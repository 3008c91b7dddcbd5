"""The gateway process: accepts connections, keeps one link a control point, and hands out
wake-ups.
"""

from __future__ import annotations

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error as DatabaseError

from messaging.gateway import wakeups
from messaging.gateway.guard import LinkGuard
from messaging.gateway.identity import Caller, identify
from messaging.gateway.link import Gateway, LinkConnection
from messaging.relay import ownership
from messaging.relay.codecs import legacy_codec
from messaging.relay.wake import wake_link
from tenants import tls

THREADS = 16
WAKERS = 4
HANDSHAKE_SECONDS = 10.0
UNKNOWN_LIMIT = 2_000
"""Connections that have not yet said a HELLO that was taken; more are closed as they come."""

UNKNOWN_LIMIT_EACH = 20
"""The same, of one certificate: nobody's connections may keep others from theirs."""

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

    async def run(self) -> None:
        """Listens; returns after SIGTERM or SIGINT, with every link closed."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        host, port = settings.EDL_LISTEN
        server = await asyncio.start_server(
            self._accept,
            host,
            port,
            ssl=tls.server_context(
                settings.TLS_CERTIFICATE, settings.TLS_KEY, settings.EDL_CLIENT_CA.read_text()
            ),
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            backlog=1024,
        )
        helpers = [
            asyncio.create_task(wakeups.listen(self._on_word)),
            asyncio.create_task(wakeups.look(self._threads, self._on_tenant)),
        ]
        _log.info("gateway listens", host=host, port=port)
        await stop.wait()
        server.close()
        await self._close_all()
        for helper in helpers:
            helper.cancel()
        self._threads.shutdown(wait=True)
        self._wakers.shutdown(wait=False, cancel_futures=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._all) - len(self._holding) >= UNKNOWN_LIMIT:
            writer.transport.abort()
            return
        try:
            caller = await self._identify(writer)
        except (OSError, DatabaseError) as error:
            _log.warning("connection not taken", error=str(error))
            writer.transport.abort()
            return
        if self._greeting(caller.fingerprint) >= UNKNOWN_LIMIT_EACH:
            writer.transport.abort()
            return
        settings_of = caller.control_point.settings if caller.control_point else {}
        profile = legacy_codec(settings_of).profile
        link = LinkConnection(self._gateway, reader, writer, caller, profile)
        self._all[link] = asyncio.current_task()
        try:
            await self._guard.serve(link, caller)
        finally:
            self._all.pop(link, None)

    async def _identify(self, writer: asyncio.StreamWriter) -> Caller:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        host, port, *_ = writer.get_extra_info("peername") or ("unknown", 0)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, identify, certificate or b"", f"{host}:{port}"
        )

    def _greeting(self, fingerprint: bytes) -> int:
        """How many connections with this certificate have not got ready."""
        return sum(1 for link in self._all if link.is_greeting_of(fingerprint))

    def _up(self, link: LinkConnection) -> None:
        """A link got ready: the one before it goes, here or at another gateway."""
        endpoint_id = link.endpoint_id
        assert endpoint_id is not None
        before = self._holding.get(endpoint_id)
        self._holding[endpoint_id] = link
        if before is not None:
            before.close("replaced by another link")
        self._wakers.submit(wake_link, endpoint_id, f"held at {link.epoch}")

    def _down(self, link: LinkConnection) -> None:
        endpoint_id = link.endpoint_id
        if endpoint_id is not None and self._holding.get(endpoint_id) is link:
            del self._holding[endpoint_id]

    def _on_word(self, endpoint_id: UUID, word: str) -> None:
        link = self._holding.get(endpoint_id)
        if link is None:
            return
        told = word.removeprefix("held at ")
        if told != word:
            if told.isdigit() and int(told) > link.epoch:
                link.close("replaced by another link")
        else:
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
