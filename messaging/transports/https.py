"""POST over pooled mutual TLS: one pool for each TLS identity, no redirects, no retries, a bounded
answer.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Hashable, Mapping
from datetime import UTC, datetime

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    SSLError,
)

from messaging.transports.base import Answered, Refused, Unanswered, Unreachable
from tenants.cache import Bounded

ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes of the longest answer the wire format knows."""

READ_BYTES = 64 * 1024
CONNECT_SECONDS = 5.0
_POOL_CONNECTIONS = 32

_pools: Bounded[Hashable, urllib3.PoolManager] = Bounded(1024)


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    context: ssl.SSLContext,
    identity: Hashable,
    seconds: float,
) -> Answered:
    """Posts and reads the whole answer within `seconds`. Raises Unreachable, Refused or Unanswered.

    Connections are kept per `identity`, which must change with the certificate or the authorities
    in `context`.
    """
    deadline = time.monotonic() + seconds
    pool = _pools.get(identity, lambda: _pool(context))
    timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), total=seconds)
    try:
        response = pool.request(
            "POST",
            url,
            body=body,
            headers=dict(headers),
            timeout=timeout,
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        return _read(response, deadline)
    except (NewConnectionError, ConnectTimeoutError) as error:
        raise Unreachable(_brief(error)) from error
    except SSLError as error:
        raise Refused(_brief(error)) from error
    except (HTTPError, OSError) as error:
        raise Unanswered(_brief(error)) from error


def let_go(identity: Hashable) -> None:
    """Forgets what is kept for `identity`, also beside something else, and with it the keys in its
    context.
    """
    _pools.drop_where(
        lambda kept: kept == identity or (isinstance(kept, tuple) and identity in kept)
    )


def _pool(context: ssl.SSLContext) -> urllib3.PoolManager:
    return urllib3.PoolManager(
        num_pools=64, maxsize=_POOL_CONNECTIONS, block=False, ssl_context=context
    )


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> Answered:
    try:
        body = _whole_body(response, deadline)
    except Unanswered:
        response.close()
        raise
    finally:
        response.release_conn()
    headers = {name.lower(): value for name, value in response.headers.items()}
    at = datetime.now(UTC)
    return Answered(response.status, headers, body, at, _seconds(headers.get("retry-after", "")))


def _whole_body(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """In pieces, since the library's time limit is for each read: a trickle must end as well."""
    parts, size = [], 0
    while part := response.read1(READ_BYTES):
        parts.append(part)
        size += len(part)
        if size > ANSWER_LIMIT:
            raise Unanswered("the answer is too long")
        if time.monotonic() > deadline:
            raise Unanswered("the answer was not whole in time")
    return b"".join(parts)


def _seconds(value: str) -> float | None:
    return float(value) if value.isascii() and value.isdigit() and len(value) < 9 else None


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
