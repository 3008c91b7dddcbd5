"""HTTP over TLS that tells the application which certificate the client showed: no ASGI server does
by itself.
"""

from __future__ import annotations

import ssl
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CLIENT_CERTIFICATE = "hostsvc.client_certificate"
"""In the scope's state: the leaf's DER, empty where none was shown."""


class CertificateHttp(HttpToolsProtocol):
    """`shown` is the certificate (DER) of the connection, empty where there is none."""

    shown = b""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        tls_object = cast("ssl.SSLObject | None", transport.get_extra_info("ssl_object"))
        self.shown = (tls_object.getpeercert(binary_form=True) if tls_object else None) or b""
        self.app_state = {**self.app_state, CLIENT_CERTIFICATE: self.shown}
