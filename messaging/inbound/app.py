"""The ASGI application the system operator posts to: `/wa/<environment>/<service>`. HTTP is read
and answered here, and bounded.

What a request means is decided in `exchange`, on a thread, so that no request waits for another's
database work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from django.db import Error as DatabaseError

from messaging.inbound.exchange import (
    HttpAnswer,
    HttpQuestion,
    problem,
    refuse_stranger,
    respond,
    service_at,
)
from tenants.certificates import CertificateMissing

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

THREADS = 16
BODY_WITHIN = 20.0
"""Seconds a peer may take over a request's body."""

RETRY_AFTER_S = 5

_log = structlog.get_logger(__name__)


class _TooLong(Exception):
    """More bytes than the service takes."""


class InboundApp:
    """One instance a process. `CLIENT_CERTIFICATE` in the scope is the DER that the TLS layer
    verified.
    """

    CLIENT_CERTIFICATE = "hostsvc.client_certificate"

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="inbound")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _send(send, await self._answer(scope, receive))

    async def _answer(self, scope: Scope, receive: Receive) -> HttpAnswer:
        found = service_at(scope["path"])
        if found is None:
            return problem(404, "not-found", "There is nothing at this address.")
        environment, service = found
        if scope["method"] != service.method:
            return problem(405, "method", f"This service takes {service.method}.")
        headers = _headers(scope)
        certificate = scope.get("state", {}).get(self.CLIENT_CERTIFICATE, b"")
        address = (scope.get("client") or ("", 0))[0]
        stranger = await self._on_thread(refuse_stranger, environment, certificate, address)
        if stranger is not None:
            return stranger
        try:
            body = await asyncio.wait_for(_body(receive, headers, service.max_bytes), BODY_WITHIN)
        except _TooLong:
            text = f"The body is over {service.max_bytes} bytes."
            return problem(413, "too-large", text)
        except (TimeoutError, ConnectionError):
            return problem(408, "timeout", "The body did not come in time.")
        question = HttpQuestion(
            environment,
            service.name,
            scope["path"],
            headers,
            body,
            certificate,
            address,
        )
        answer = await self._on_thread(respond, question)
        assert answer is not None
        return answer

    async def _on_thread(
        self, work: Callable[..., HttpAnswer | None], *details: Any
    ) -> HttpAnswer | None:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, work, *details)
        except CertificateMissing as error:
            _log.error("a tenant cannot sign its answers", error=str(error))
            return problem(503, "unavailable", "The host cannot answer for this participant now.")
        except DatabaseError as error:
            _log.error("the database is out of reach", error=str(error))
            title = "The host cannot store anything now."
            answer = problem(503, "unavailable", title)
            answer.headers["retry-after"] = str(RETRY_AFTER_S)
            return answer


def _headers(scope: Scope) -> dict[str, str]:
    """One that comes twice is joined (RFC 9110, 5.3), so that no seal takes either of them."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _body(receive: Receive, headers: dict[str, str], limit: int) -> bytes:
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > limit:
        raise _TooLong
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _TooLong
        if not message.get("more_body", False):
            return b"".join(parts)


async def _send(send: Send, answer: HttpAnswer) -> None:
    headers = {
        "content-type": answer.content_type,
        "content-length": str(len(answer.body)),
        **answer.headers,
    }
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    await send({"type": "http.response.body", "body": answer.body})


application = InboundApp()
