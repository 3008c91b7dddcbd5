"""Serves a process's figures to Prometheus at `/metrics`, with `/healthz` and `/readyz` beside
them, on the address HOSTSVC_METRICS_LISTEN; nowhere where that is not set.

It listens apart from what the process serves to others: the figures tell of all tenants' traffic,
and are for a network of the vendor's own.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from django.conf import settings
from prometheus_client import REGISTRY, make_wsgi_app

from hostsvc.health import readiness

_log = structlog.get_logger(__name__)

_JSON = ("Content-Type", "application/json")
_metrics: Callable[..., Iterable[bytes]] = make_wsgi_app(REGISTRY)


def serve() -> None:
    """Starts the listener on a thread, where one is wanted. OSError where its address is taken."""
    if settings.METRICS_LISTEN is None:
        return
    if settings.DATABASE_ROLE == "staff":
        from messaging.census import Census

        REGISTRY.register(Census())
    host, port = settings.METRICS_LISTEN
    server = make_server(host, port, _application, _Server, _Silent)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    _log.info("metrics are served", host=host, port=port)


def _application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    match environ.get("PATH_INFO"):
        case "/metrics":
            return _metrics(environ, start_response)
        case "/healthz":
            start_response("200 OK", [_JSON])
            return [b'{"status": "alive"}']
        case "/readyz":
            is_ready, body = asyncio.run(readiness())
            start_response("200 OK" if is_ready else "503 Service Unavailable", [_JSON])
            return [json.dumps(body).encode()]
        case _:
            start_response("404 Not Found", [_JSON])
            return [b"{}"]


class _Server(ThreadingMixIn, WSGIServer):
    """One slow scraper holds up no other, nor the end of the process."""

    daemon_threads = True
    request_queue_size = 32


class _Silent(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes come every few seconds: no line each."""
