"""POST over pooled mutual TLS: one pool for each TLS identity, no redirects, no retries, a bounded
answer.
"""

from __future__ import annotations

import ssl
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
        return _read(response)
    except (NewConnectionError, ConnectTimeoutError) as error:
        raise Unreachable(_brief(error)) from error
    except SSLError as error:
        raise Refused(_brief(error)) from error
    except (HTTPError, OSError) as error:
        raise Unanswered(_brief(error)) from error


def _pool(context: ssl.SSLContext) -> urllib3.PoolManager:
    return urllib3.PoolManager(
        num_pools=64, maxsize=_POOL_CONNECTIONS, block=False, ssl_context=context
    )


def _read(response: urllib3.BaseHTTPResponse) -> Answered:
    try:
        body = response.read(ANSWER_LIMIT + 1)
        if len(body) > ANSWER_LIMIT:
            response.close()
            raise Unanswered("the answer is too long")
    finally:
        response.release_conn()
    headers = {name.lower(): value for name, value in response.headers.items()}
    at = datetime.now(UTC)
    return Answered(response.status, headers, body, at, _seconds(headers.get("retry-after", "")))


def _seconds(value: str) -> float | None:
    return float(value) if value.isascii() and value.isdigit() and len(value) < 9 else None


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
