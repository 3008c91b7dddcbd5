"""Runs the inbound application under uvicorn with mutual TLS, and hands it the certificate each
client showed.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, cast

import uvicorn
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from messaging.inbound.app import InboundApp, application
from messaging.inbound.guests import GUESTS
from tenants import tls


class CertificateProtocol(HttpToolsProtocol):
    """No ASGI server tells the application who the TLS client is; this one puts the DER into the
    request's state.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        tls_object = cast("ssl.SSLObject | None", transport.get_extra_info("ssl_object"))
        shown = tls_object.getpeercert(binary_form=True) if tls_object else None
        GUESTS.enter(transport, shown or b"")
        self.app_state = {**self.app_state, InboundApp.CLIENT_CERTIFICATE: shown or b""}

    def connection_lost(self, exc: Exception | None) -> None:
        GUESTS.leave(self.transport)
        super().connection_lost(exc)


def _context(*_: object) -> ssl.SSLContext:
    """Made where all TLS contexts are."""
    ca = Path(settings.INBOUND_CLIENT_CA).read_text(encoding="utf-8")
    return tls.server_context(settings.TLS_CERTIFICATE, settings.TLS_KEY, ca)


def run() -> None:
    """Serves until SIGTERM or SIGINT."""
    host, port = settings.INBOUND_LISTEN
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        http=CertificateProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=1024,
        limit_concurrency=1024,
        timeout_keep_alive=120,
        timeout_graceful_shutdown=8,
        ssl_context_factory=_context,
    )
    uvicorn.Server(config).run()
