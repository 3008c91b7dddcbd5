"""HTTP that is never another protocol, and over TLS tells the application which certificate the
client showed: no ASGI server does either by itself.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CLIENT_CERTIFICATE = "hostsvc.client_certificate"
"""In the scope's state: the leaf's DER, empty where none was shown."""


class OneProtocolHttp(HttpToolsProtocol):
    """Whoever asks for another protocol (Upgrade) gets this one's answer, and then the connection
    ends: to the parser all that follows such a head is a request of its own, the body included.
    """

    LINGERS_S = 1.0
    """So long what the peer still sends is read and dropped: it would lose the answer, were the
    connection closed upon it.
    """

    is_to_end = False

    def data_received(self, data: bytes) -> None:
        if not self.is_to_end:
            super().data_received(data)

    def _unsupported_upgrade_warning(self) -> None:
        self.is_to_end = True
        self.cycle.keep_alive = False
        self.cycle.transport = cast("asyncio.Transport", _Lingering(self.transport, self._late))

    def _late(self) -> None:
        self.loop.call_later(self.LINGERS_S, self.transport.close)


class _Lingering:
    """A transport that is closed a little later."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._transport = transport
        self.close = close

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class CertificateHttp(OneProtocolHttp):
    """`shown` is the certificate (DER) of the connection, empty where there is none."""

    shown = b""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        tls_object = cast("ssl.SSLObject | None", transport.get_extra_info("ssl_object"))
        self.shown = (tls_object.getpeercert(binary_form=True) if tls_object else None) or b""
        self.app_state = {**self.app_state, CLIENT_CERTIFICATE: self.shown}
