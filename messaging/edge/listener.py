"""A TCP listener that finishes TLS handshakes itself, so that it knows who failed one, and why.

asyncio's own servers, and uvloop's, drop a failed handshake without a word: neither the protocol
nor the loop's exception handler is told. So connections are accepted here and handed to the loop
one by one, whose answer is a connection or the error.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

import structlog

HANDSHAKE_SECONDS = 10.0
MOST_HANDSHAKES = 1_000
"""Handshakes under way at once. One more ends the oldest: a good one takes milliseconds, so that
those who only hold connections open push each other out and nobody else.
"""

RETRY_AFTER = 1.0

OnRefused = Callable[[str, str], None]
"""Told the reason, and the peer's address as `host:port`."""

_log = structlog.get_logger(__name__)


class TlsListener:
    """Makes a protocol for each connection whose handshake holds; without a context, for each.

    `close` and `wait_closed` are those of an asyncio server. A peer that goes away during its
    handshake was not refused, and is not told of.
    """

    def __init__(
        self,
        context: ssl.SSLContext | None,
        factory: Callable[[], asyncio.BaseProtocol],
        on_refused: OnRefused,
        handshake_seconds: float = HANDSHAKE_SECONDS,
        most_handshakes: int = MOST_HANDSHAKES,
    ) -> None:
        self._context = context
        self._factory = factory
        self._on_refused = on_refused
        self._handshake_seconds = handshake_seconds
        self._most_handshakes = most_handshakes
        self.sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._shaking: dict[asyncio.Task[None], str] = {}

    def listen(self, host: str, port: int, backlog: int = 1024) -> None:
        """On every address that `host` stands for. Raises OSError. Needs a running loop."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((item[0], item[4][:2]) for item in found):
            listener = socket.create_server(
                (str(address[0]), int(address[1])), family=family, backlog=backlog
            )
            listener.setblocking(False)
            self.sockets.append(listener)
            self._accepting.append(asyncio.create_task(self._accept(listener)))

    def close(self) -> None:
        """Takes no more connections; those that are there go on."""
        for task in (*self._accepting, *self._shaking):
            task.cancel()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._accepting, *self._shaking, return_exceptions=True)
        for listener in self.sockets:
            listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except ConnectionAbortedError:
                continue
            except OSError as error:
                # Out of descriptors or memory, most likely: the next try would fail as well.
                _log.error("connections cannot be taken", error=str(error))
                await asyncio.sleep(RETRY_AFTER)
                continue
            self._begin(connection, "{}:{}".format(*address))

    def _begin(self, connection: socket.socket, address: str) -> None:
        if len(self._shaking) >= self._most_handshakes:
            oldest = next(iter(self._shaking))
            self._on_refused("TLS handshake pushed out by newer ones", self._shaking.pop(oldest))
            oldest.cancel()
        task = asyncio.create_task(self._shake_hands(connection, address))
        self._shaking[task] = address
        task.add_done_callback(lambda done: self._shaking.pop(done, None))

    async def _shake_hands(self, connection: socket.socket, address: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.connect_accepted_socket(
                self._factory,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._handshake_seconds if self._context else None,
            )
        except ssl.SSLError as error:
            if not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
                self._on_refused(f"TLS handshake failed: {_reason(error)}", address)
        except (ConnectionAbortedError, TimeoutError):
            self._on_refused("TLS handshake not finished in time", address)
        except OSError:
            pass


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's own words, without its file names and line numbers."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    return (error.reason or str(error)).lower().replace("_", " ")
