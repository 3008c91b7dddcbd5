"""POST and PUT over pooled mutual TLS: one pool for each TLS identity, no redirects, no retries, a
bounded answer. Where a connection may lead is looked at when it is made, and a kept one costs
nothing more.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import urllib3
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
    SSLError,
)

from messaging.transports.base import Answered, Refused, Unanswered, Unreachable
from messaging.transports.connecting import Guard, connect
from tenants.cache import Bounded
from tenants.crash import sending

ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes of the longest answer the wire format knows."""

READ_BYTES = 64 * 1024
CONNECT_SECONDS = 5.0
_POOL_CONNECTIONS = 32

_pools: Bounded[Hashable, urllib3.PoolManager] = Bounded(1024)


def _guarded_pool(guard: Guard) -> type[urllib3.HTTPSConnectionPool]:
    """Pools whose connections go where `guard` lets them, and nowhere else. The address is pinned;
    TLS and its check of the host's name go by the name, as ever.
    """

    class GuardedConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            seconds = self.timeout if isinstance(self.timeout, int | float) else CONNECT_SECONDS
            return connect(
                guard, self._dns_host, self.port or 443, seconds, self.socket_options or ()
            )

    class GuardedPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = GuardedConnection

    return GuardedPool


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    context: ssl.SSLContext,
    identity: Hashable,
    seconds: float,
    guard: Guard | None = None,
    method: str = "POST",
    limit: int = ANSWER_LIMIT,
    step: str | None = None,
) -> Answered:
    """Posts, or puts, and reads the whole answer within `seconds`. Raises Unreachable, Refused or
    Unanswered.

    Connections are kept per `identity`, which must change with the certificate or the authorities
    in `context`. Without a `guard` the vendor's networks count. An answer of more than `limit`
    bytes is none. `step` is the sending's name (see tenants.crash).
    """
    if not url.startswith("https://"):
        raise Unreachable("the host connects by https:// and no other way")
    deadline = time.monotonic() + seconds
    guarded = guard or Guard.of_vendor()
    pool = _pools.get((identity, guarded), lambda: _pool(context, guarded))
    timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), total=seconds)
    try:
        with sending(step):
            response = pool.request(
                method,
                url,
                body=body,
                headers=dict(headers),
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            return _read(response, deadline, limit)
    except (NewConnectionError, ConnectTimeoutError, LocationValueError) as error:
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


def _pool(context: ssl.SSLContext, guard: Guard) -> urllib3.PoolManager:
    manager = urllib3.PoolManager(
        num_pools=64, maxsize=_POOL_CONNECTIONS, block=False, ssl_context=context
    )
    # Without plain HTTP: there is no other way out.
    manager.pool_classes_by_scheme = {"https": _guarded_pool(guard)}
    return manager


def _read(response: urllib3.BaseHTTPResponse, deadline: float, limit: int) -> Answered:
    try:
        body = _whole_body(response, deadline, limit)
    except Unanswered:
        response.close()
        raise
    finally:
        response.release_conn()
    headers = {name.lower(): value for name, value in response.headers.itermerged()}
    at = datetime.now(UTC)
    return Answered(
        response.status, headers, body, at, _seconds(headers.get("retry-after", ""), at)
    )


def _whole_body(response: urllib3.BaseHTTPResponse, deadline: float, limit: int) -> bytes:
    """In pieces, since the library's time limit is for each read: a trickle must end as well."""
    parts, size = [], 0
    while part := response.read1(READ_BYTES):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise Unanswered("the answer is too long")
        if time.monotonic() > deadline:
            raise Unanswered("the answer was not whole in time")
    return b"".join(parts)


def _seconds(value: str, at: datetime) -> float | None:
    """Of a Retry-After: a number of them, or until a date (RFC 9110, 10.2.3)."""
    if value.isascii() and value.isdigit() and len(value) < 9:
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        return max((until - at).total_seconds(), 0.0) if until.tzinfo else None
    except (ValueError, TypeError, OverflowError):
        return None


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
