"""Runs the inbound application under uvicorn with mutual TLS, and hands it the certificate each
client showed. What HTTP itself leaves open is bounded here: how long a request's head may be, and
how slowly it may come.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import structlog
import uvicorn
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    RequestResponseCycle,
)

from messaging.edge import refusals
from messaging.edge.allowance import Allowance, Held
from messaging.edge.listener import TlsListener
from messaging.edge.shown import CertificateHttp
from messaging.inbound.app import BODY_WITHIN, InboundApp
from messaging.inbound.exchange import problem
from messaging.inbound.guests import GUESTS
from tenants import tls
from tenants.ids import digest_of

IDLE_FOR = 120
"""Seconds a connection may stay without a request."""

HEAD_WITHIN = 10.0
"""Seconds a request's head may take once it has begun."""

HEAD_LIMIT = 64 * 1024
MOST_CONNECTIONS = 1_024
MOST_CONNECTIONS_EACH = 512
"""Connections under one certificate: nobody's may keep others from theirs."""

BACKLOG = 1_024

_log = structlog.get_logger(__name__)


class CertificateProtocol(CertificateHttp):
    """Bounded, and known by the certificate that was shown."""

    fingerprint = b""
    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _is_in_head = False
    _is_in_body = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.fingerprint = digest_of(self.shown)
        GUESTS.enter(transport, self.shown)
        self.app_state = {**self.app_state, InboundApp.CLIENT_FINGERPRINT: self.fingerprint}
        if self._is_one_too_many():
            self._note("too many connections")
            transport.abort()
            return
        self._close_after(IDLE_FOR)

    def connection_lost(self, exc: Exception | None) -> None:
        GUESTS.leave(self.transport)
        self._unset_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing() or self.is_to_end:
            return
        # The piece that a head begins in may hold the end of what was before it.
        self._head_bytes += len(data) if self._is_in_head else 0
        super().data_received(data)
        if self._is_in_head and self._head_bytes > HEAD_LIMIT:
            self._end(431, "head-too-large", f"The head is over {HEAD_LIMIT} bytes.")
        elif self._deadline is None and not self._is_in_body and self._is_answered():
            self._close_after(IDLE_FOR)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0
        self._set_deadline(HEAD_WITHIN, self._on_late_head)

    def on_headers_complete(self) -> None:
        self._is_in_head, self._is_in_body = False, True
        self._unset_deadline()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_body = False
        self._unset_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """What is left of a body after its answer is read and dropped, for a time."""
        super().on_response_complete()
        if self._is_in_body and self._is_answered() and not self.transport.is_closing():
            self._close_after(BODY_WITHIN)

    def send_400_response(self, msg: str) -> None:
        self._end(400, "malformed", msg)

    def _is_one_too_many(self) -> bool:
        if len(self.connections) > MOST_CONNECTIONS:
            return True
        if len(self.connections) <= MOST_CONNECTIONS_EACH:
            return False
        others = cast("set[CertificateProtocol]", self.connections)
        same = sum(other.fingerprint == self.fingerprint for other in others)
        return same > MOST_CONNECTIONS_EACH

    def _is_answered(self) -> bool:
        """Whether nothing that was asked on this connection waits for its answer."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is None or bool(cycle.response_complete)

    def _on_late_head(self) -> None:
        """While an answer is under way, nothing more may have been read."""
        if self._is_answered():
            self._end(408, "timeout", "The head did not come in time.")
        else:
            self._set_deadline(HEAD_WITHIN, self._on_late_head)

    def _end(self, status: int, code: str, title: str) -> None:
        """Answers what is no request that the application could be asked, and closes."""
        if self.transport.is_closing():
            return
        self._note(title, status=status)
        self._is_in_head = False
        if self._is_answered():
            self.transport.write(_written(status, code, title))
        self.transport.close()

    def _note(self, reason: str, **detail: object) -> None:
        address = "{}:{}".format(*(self.client or ("", 0)))
        refusals.note(reason, address, self.fingerprint, **detail)

    def _close_after(self, seconds: float) -> None:
        self._set_deadline(seconds, self.transport.abort)

    def _set_deadline(self, seconds: float, work: Callable[[], None]) -> None:
        self._unset_deadline()
        self._deadline = self.loop.call_later(seconds, work)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _written(status: int, code: str, title: str) -> bytes:
    """A whole HTTP answer, after which the connection ends."""
    answer = problem(status, code, title)
    headers = f"content-type: {answer.content_type}\r\ncontent-length: {len(answer.body)}\r\n"
    return STATUS_LINE[status] + headers.encode() + b"connection: close\r\n\r\n" + answer.body


class InboundServer(uvicorn.Server):
    """Listens by itself, for uvicorn's own listener says nothing of a handshake that failed."""

    async def startup(self, sockets: Any = None) -> None:
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            return CertificateProtocol(
                self.config, self.server_state, self.lifespan.state, _loop=loop
            )

        listener = TlsListener(_context(), protocol, refusals.note)
        host, port = settings.INBOUND_LISTEN
        listener.listen(host, port, BACKLOG)
        _log.info("inbound listens", host=host, port=port)
        self.servers = cast("list[asyncio.base_events.Server]", [listener])
        self.started = True


def _context() -> ssl.SSLContext:
    ca = Path(settings.INBOUND_CLIENT_CA).read_text(encoding="utf-8")
    return tls.server_context(settings.TLS_CERTIFICATE, settings.TLS_KEY, ca)


def _application() -> InboundApp:
    allowance = Allowance(settings.REDIS_URL, settings.INBOUND_RATE, settings.INBOUND_BURST)
    return InboundApp(allowance, Held(settings.INBOUND_AT_ONCE, settings.INBOUND_HELD_MB * 2**20))


def run() -> None:
    """Serves until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        _application(),
        http=CertificateProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_FOR,
        timeout_graceful_shutdown=8,
    )
    try:
        InboundServer(config).run()
    finally:
        refusals.close()
