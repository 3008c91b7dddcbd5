"""The ASGI application the system operator posts to: `/wa/<environment>/<service>`, and
`/smp/<environment>/TransactionResult`. HTTP is read and answered here, and bounded.

What a request means is decided in `exchange`, on a thread, so that no request waits for another's
database work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import Error as DatabaseError

from messaging.edge import refusals
from messaging.edge.allowance import Allowance, Held
from messaging.edge.shown import CLIENT_CERTIFICATE
from messaging.inbound.exchange import (
    HttpAnswer,
    HttpQuestion,
    problem,
    refuse_stranger,
    respond,
    services_at,
)
from messaging.measures import OPERATOR_ANSWERS
from messaging.protocols.base import UnknownProfile
from messaging.protocols.settings import BadSettings
from messaging.relay.crash_points import Step
from tenants.certificates import CertificateMissing
from tenants.crash import sending

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

THREADS = 16
BODY_WITHIN = 20.0
"""Seconds a peer may take over a request's body."""

UNAVAILABLE_RETRY_S = 5
TOO_MANY_RETRY_S = 1

_log = structlog.get_logger(__name__)


class _TooLong(Exception):
    """More bytes than the service takes."""


class _TooMuch(Exception):
    """More bytes than one peer may have us hold."""


@dataclass(slots=True)
class _Caller:
    """Who asks: the DER of the certificate it shows, its fingerprint, and from where. `held` are
    the bytes that its body has, or is said to have.
    """

    certificate: bytes
    fingerprint: bytes
    address: str
    held: int = 0


class InboundApp:
    """One instance a process. `CLIENT_CERTIFICATE` in the scope's state is the DER that the TLS
    layer verified, `CLIENT_FINGERPRINT` its SHA-256.
    """

    CLIENT_CERTIFICATE = CLIENT_CERTIFICATE
    CLIENT_FINGERPRINT = "hostsvc.client_fingerprint"

    def __init__(self, allowance: Allowance, held: Held) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="inbound")
        self._allowance = allowance
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        state, (host, port) = scope["state"], scope.get("client") or ("", 0)
        certificate, fingerprint = state[self.CLIENT_CERTIFICATE], state[self.CLIENT_FINGERPRINT]
        caller = _Caller(certificate, fingerprint, f"{host}:{port}")
        if not self._held.enter(fingerprint):
            await _send(send, _too_many(scope, caller, "Too many requests are under way."))
            return
        try:
            answer = await self._answer(scope, receive, caller)
        except ConnectionError:
            return
        finally:
            self._held.leave(fingerprint, caller.held)
        await _send(send, answer)

    async def _answer(self, scope: Scope, receive: Receive, caller: _Caller) -> HttpAnswer:
        """Raises ConnectionError when the peer went away, whom nobody can answer."""
        environment, services = services_at(scope["path"])
        if not services:
            return _refused(scope, caller, 404, "not-found", "There is nothing at this address.")
        taking = [service for service in services if service.method == scope["method"]]
        if not taking:
            methods = " or ".join(sorted({service.method for service in services}))
            title = f"This service takes {methods}."
            return _refused(scope, caller, 405, "method", title)
        stopped = await self._admit(scope, environment, caller)
        if stopped is not None:
            return stopped
        headers = _headers(scope)
        longest = max(service.max_bytes for service in taking)
        body = await self._body(scope, receive, headers, longest, caller)
        if isinstance(body, HttpAnswer):
            return body
        question = HttpQuestion(
            environment,
            scope["method"],
            scope["path"],
            headers,
            body,
            caller.certificate,
            caller.address,
        )
        came_at = time.monotonic()
        answer = await self._on_thread(respond, question)
        assert answer is not None
        OPERATOR_ANSWERS.labels(answer.status).observe(time.monotonic() - came_at)
        return answer

    async def _admit(self, scope: Scope, environment: str, caller: _Caller) -> HttpAnswer | None:
        """The answer to one who asks too often, or who is a stranger. One visit to a thread."""
        waits = self._allowance.spend(caller.fingerprint)

        def work() -> HttpAnswer | None:
            rest = self._allowance.renew(caller.fingerprint) if waits is None else waits
            if rest:
                return _too_many(scope, caller, "Requests come too fast.", rest)
            return refuse_stranger(environment, caller.fingerprint, caller.address)

        return work() if waits else await self._on_thread(work)

    async def _body(
        self,
        scope: Scope,
        receive: Receive,
        headers: dict[str, str],
        longest: int,
        caller: _Caller,
    ) -> bytes | HttpAnswer:
        """The whole body, or why it was not read to its end."""
        try:
            reading = self._read(receive, headers, longest, caller)
            return await asyncio.wait_for(reading, BODY_WITHIN)
        except _TooLong:
            title = f"The body is over {longest} bytes."
            return _refused(scope, caller, 413, "too-large", title)
        except _TooMuch:
            return _too_many(scope, caller, "Too many bytes are under way.")
        except TimeoutError:
            title = "The body did not come in time."
            answer = _refused(scope, caller, 408, "timeout", title)
            answer.headers["connection"] = "close"
            return answer

    async def _read(
        self, receive: Receive, headers: dict[str, str], limit: int, caller: _Caller
    ) -> bytes:
        told = headers.get("content-length", "")
        self._make_room(caller, int(told) if told.isdigit() else 0, limit)
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            self._make_room(caller, size, limit)
            if not message.get("more_body", False):
                return b"".join(parts)

    def _make_room(self, caller: _Caller, size: int, limit: int) -> None:
        """For a body that has, or is said to have, so many bytes. Raises _TooLong, _TooMuch."""
        if size > limit:
            raise _TooLong
        more = max(0, size - caller.held)
        caller.held += more
        if not self._held.hold(caller.fingerprint, more):
            raise _TooMuch

    async def _on_thread(
        self, work: Callable[..., HttpAnswer | None], *details: Any
    ) -> HttpAnswer | None:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, work, *details)
        except (CertificateMissing, BadSettings, UnknownProfile) as error:
            _log.error("a tenant cannot sign its answers", error=str(error))
            return _unavailable("The host cannot answer for this participant now.")
        except DatabaseError as error:
            _log.error("the database is out of reach", error=str(error))
            return _unavailable("The host cannot store anything now.")


def _headers(scope: Scope) -> dict[str, str]:
    """One that comes twice is joined (RFC 9110, 5.3), so that no seal takes either of them."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _refused(
    scope: Scope, caller: _Caller, status: int, code: str, title: str, retry_after: float = 0.0
) -> HttpAnswer:
    """The answer, and its one entry."""
    refusals.note(
        title,
        caller.address,
        caller.fingerprint,
        status=status,
        method=scope["method"],
        path=scope["path"],
    )
    return problem(status, code, title, retry_after)


def _too_many(
    scope: Scope, caller: _Caller, title: str, waits: float = TOO_MANY_RETRY_S
) -> HttpAnswer:
    return _refused(scope, caller, 429, "too-many", title, waits)


def _unavailable(title: str) -> HttpAnswer:
    return problem(503, "unavailable", title, UNAVAILABLE_RETRY_S)


async def _send(send: Send, answer: HttpAnswer) -> None:
    headers = {
        "content-type": answer.content_type,
        "content-length": str(len(answer.body)),
        **answer.headers,
    }
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    with sending(Step.OPERATOR_ANSWER):
        await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
        await send({"type": "http.response.body", "body": answer.body})
