"""Answers to "is it ready?" for a child; each returns at once, within a second at worst."""

from __future__ import annotations

import http.client
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT = 1.0


def tcp_ready(host: str, port: int) -> bool:
    """Whether something listens there."""
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT):
            return True
    except OSError:
        return False


def http_ready(url: str, *, context: ssl.SSLContext | None = None) -> bool:
    """Whether a GET is answered below 400; proxies and redirects are not followed."""
    parts = urlsplit(url)
    host = parts.hostname or "127.0.0.1"
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT, context=context)
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT)
    )
    try:
        path = parts.path or "/"
        connection.request("GET", f"{path}?{parts.query}" if parts.query else path)
        return connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def file_ready(path: Path) -> bool:
    """Whether the file is there; remove it before the start, or an old one will do."""
    return path.exists()
