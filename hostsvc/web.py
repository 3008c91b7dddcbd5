"""`python -m hostsvc.web`: the API's process as a program of its own. It ends TLS itself where
HOSTSVC_WEB_TLS_CERTIFICATE is set; behind a proxy that does, it listens in clear.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import uvicorn
from django.conf import settings

# The peer's address is the connection's own: whose word on it is taken, the application decides.
_COMMON: dict[str, Any] = {
    "lifespan": "off",
    "proxy_headers": False,
    "access_log": False,
    "log_config": None,
    "server_header": False,
    "ws": "none",
    # Event streams do not end by themselves.
    "timeout_graceful_shutdown": 5,
}


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hostsvc.settings")
    from hostsvc.asgi import application
    from tenants.checks import refuse_unsafe_start

    refuse_unsafe_start()
    host, port = settings.WEB_LISTEN
    config = uvicorn.Config(application, host=host, port=port, **_COMMON, **_http())
    uvicorn.Server(config).run()


def _http() -> dict[str, Any]:
    """A client may show a certificate, which then chains to the bundle; who it is, is its pinned
    fingerprint.
    """
    from messaging.edge.shown import CertificateHttp, OneProtocolHttp
    from tenants import tls

    if not settings.WEB_TLS_CERTIFICATE:
        return {"http": OneProtocolHttp}

    def context(*_: object) -> ssl.SSLContext:
        ca = Path(settings.WEB_CLIENT_CA).read_text(encoding="utf-8")
        certificate, key = Path(settings.WEB_TLS_CERTIFICATE), Path(settings.WEB_TLS_KEY)
        return tls.server_context(certificate, key, ca, client_required=False)

    return {"ssl_context_factory": context, "http": CertificateHttp}


if __name__ == "__main__":
    main()
