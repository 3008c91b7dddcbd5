"""Receives one sealed message: who, seal, repeat, content, answer, with the faults that are set in
between. What the content means is the routes'."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NoReturn, ParamSpec, TypeVar

from aiohttp import web

from messaging.simulator.certificates import fingerprint
from messaging.simulator.checks.envelope import is_uuid
from messaging.simulator.checks.findings import Code, Violation
from messaging.simulator.config import Tenant
from messaging.simulator.faults import FaultBoard
from messaging.simulator.http import (
    MIB,
    Problem,
    find_peer_certificate,
    join_headers,
    read_body,
    require_type,
)
from messaging.simulator.ledger import Ledger
from messaging.simulator.live import LiveConfig
from messaging.simulator.memory import Answer, Conflict, ReplayMemory
from messaging.simulator.outage import Outage
from messaging.simulator.payloads import out, refusal
from messaging.simulator.routes import Opening, Received, Route, check, open_wire
from messaging.simulator.sealing import Sealer
from messaging.simulator.seals import SEALS
from messaging.simulator.seals.base import Exchange, SealBroken, Wire
from messaging.simulator.stamps import Clock, now
from messaging.simulator.visits import Visit

P = ParamSpec("P")
T = TypeVar("T")
_OUTAGE_RETRY = 5
_LARGE = 256 * 1024


class Reception:
    def __init__(
        self,
        live: LiveConfig,
        ledger: Ledger,
        faults: FaultBoard,
        sealer: Sealer,
        outage: Outage,
        clock: Clock,
        stopping: asyncio.Event,
    ) -> None:
        self._live = live
        self._ledger = ledger
        self._faults = faults
        self._sealer = sealer
        self._outage = outage
        self._clock = clock
        self._stopping = stopping
        self._memory = ReplayMemory()

    def receive(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def receive(request: web.Request) -> web.StreamResponse:
            visit = Visit(request, route.service, self._live.refresh(), self._ledger)
            try:
                return await self._receive(visit, route)
            except Problem as problem:
                visit.record_answer(problem.status, b"", problem.detail)
                raise

        return receive

    def receive_plain(
        self, service: str, answer: Callable[[Tenant, bytes], bytes]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """For the one service without a seal. What is said there is secret and not kept."""

        async def receive(request: web.Request) -> web.StreamResponse:
            visit = Visit(request, service, self._live.refresh(), self._ledger)
            try:
                tenant = self._admit(visit)
                await self._hinder(visit, tenant)
                visit.record_request(b"", verified=None)
                require_type(request, "application/json")
                said = answer(tenant, await read_body(request, MIB))
            except Problem as problem:
                visit.record_answer(problem.status, b"", problem.detail)
                raise
            response = web.Response(body=said, content_type="application/json")
            return await self._deliver(visit, tenant, response, said, b"")

        return receive

    async def _receive(self, visit: Visit, route: Route) -> web.StreamResponse:
        tenant = self._admit(visit)
        if route.is_wider_access:
            _require_place(visit, tenant)
        await self._hinder(visit, tenant)
        if route.guard is not None:
            self._guard(visit, route.guard, tenant)
        opening = await self._open(visit, tenant, route.largest)
        answer = await self._answer(visit, tenant, route, opening)
        return await self._reply(visit, tenant, answer)

    def _admit(self, visit: Visit) -> Tenant:
        der = find_peer_certificate(visit.request)
        tenant = None if der is None else visit.config.find_by_fingerprint(fingerprint(der))
        if tenant is None:
            visit.record_request(b"", verified=False)
            raise Problem(401, "the client certificate is not one pinned for a tenant")
        visit.tenant = tenant
        return tenant

    async def _hinder(self, visit: Visit, tenant: Tenant) -> None:
        """The faults that come before anything is taken."""
        if fault := visit.take(self._faults, "latency", tenant):
            await asyncio.sleep(fault.whole("ms") / 1000)
        if visit.take(self._faults, "timeout_before", tenant):
            visit.record_request(b"", verified=None)
            await self._hang(visit)
        if visit.take(self._faults, "http_500", tenant):
            visit.record_request(b"", verified=None)
            raise Problem(500, "a fault that was asked for")
        if fault := visit.take(self._faults, "http_503", tenant):
            visit.record_request(b"", verified=None)
            retry = {"Retry-After": str(fault.whole("retryAfter"))}
            raise Problem(503, "a fault that was asked for", retry)

    def _guard(self, visit: Visit, guard: Callable[[Visit, Tenant], None], tenant: Tenant) -> None:
        try:
            guard(visit, tenant)
        except Problem:
            visit.record_request(b"", verified=False)
            raise

    async def _open(self, visit: Visit, tenant: Tenant, largest: int) -> Opening:
        seal = SEALS[tenant.seal]
        try:
            require_type(visit.request, seal.content_type)
            body = await read_body(visit.request, largest)
        except Problem:
            visit.record_request(b"", verified=False)
            raise
        wire = Wire(body, visit.request.content_type, join_headers(visit.request.headers))
        try:
            exchange = Exchange(visit.request.method, str(visit.request.url))
            told = (tenant, wire, exchange, visit.dialect, self._clock.now())
            return await _away(len(body), open_wire, visit.config, *told)
        except SealBroken as error:
            visit.record_request(body, verified=False)
            raise Problem(401, str(error)) from None

    async def _answer(self, visit: Visit, tenant: Tenant, route: Route, opening: Opening) -> Answer:
        visit.record_request(opening.body, verified=True)
        if self._outage.is_on() and not route.in_outage:
            visit.faults.append("outage")
            return out(opening.message_id, _OUTAGE_RETRY, self._clock.now())
        if fault := visit.take(self._faults, "r999", tenant):
            return out(opening.message_id, fault.whole("retryAfter"), self._clock.now())
        if not is_uuid(opening.message_id):
            violation = Violation("/messageId", Code.MALFORMED, "not a UUID")
            return refusal(opening.message_id[:200], (violation,), self._clock.now())
        return await self._answer_once(visit, tenant, route, opening)

    async def _answer_once(
        self, visit: Visit, tenant: Tenant, route: Route, opening: Opening
    ) -> Answer:
        try:
            slot, known = await self._memory.claim(
                tenant.participant_id, opening.message_id, opening.body
            )
        except Conflict:
            raise Problem(409, "this messageId was seen with other payload bytes") from None
        if known is not None:
            return known
        try:
            answer = await self._judge(visit, tenant, route, opening)
            self._memory.settle(slot, answer)
        finally:
            self._memory.drop(slot)
        return answer

    async def _judge(self, visit: Visit, tenant: Tenant, route: Route, opening: Opening) -> Answer:
        at = self._clock.now()
        if opening.payload is None:
            return refusal(opening.message_id, (Violation("", Code.MALFORMED, opening.fault),), at)
        refused = self._refuse(visit, tenant, opening.payload)
        if refused is not None:
            return refusal(opening.message_id, (refused,), at)
        findings = await _away(len(opening.body), check, route, tenant, opening.payload)
        if findings:
            return refusal(opening.message_id, findings.violations, at)
        service = visit.service
        return route.answer(
            Received(tenant, service, opening.message_id, opening.payload, now(), visit.faults)
        )

    def _refuse(self, visit: Visit, tenant: Tenant, payload: dict[str, object]) -> Violation | None:
        service, whose = visit.service, tenant.participant_id
        fault = self._faults.take("refuse", service, whose, payload=payload)
        if fault is None:
            return None
        visit.faults.append("refuse")
        return Violation(fault.text("errorPath"), fault.text("code"), fault.text("text"))

    async def _reply(self, visit: Visit, tenant: Tenant, answer: Answer) -> web.StreamResponse:
        sealed = self._sealer.close(
            visit.config,
            tenant,
            visit.service,
            answer.payload,
            answer.message_id,
            Exchange("ANSWER", str(visit.request.url)),
            visit.dialect,
        )
        visit.faults.extend(sealed.faults)
        headers = dict(sealed.wire.headers)
        if answer.retry_after is not None:
            headers["Retry-After"] = str(answer.retry_after)
        response = web.Response(
            status=visit.dialect.status(answer.status),
            body=sealed.wire.body,
            content_type=sealed.wire.content_type,
            headers=headers,
        )
        return await self._deliver(visit, tenant, response, sealed.wire.body, sealed.payload)

    async def _deliver(
        self, visit: Visit, tenant: Tenant, response: web.Response, body: bytes, payload: bytes
    ) -> web.StreamResponse:
        """The faults that come after everything was taken."""
        if visit.take(self._faults, "timeout_after", tenant):
            visit.record_answer(None, b"", "no answer given")
            await self._hang(visit)
        if visit.take(self._faults, "reset", tenant):
            visit.record_answer(response.status, payload, "closed in mid-answer")
            await _break_off(visit.request, response, body)
        visit.record_answer(response.status, payload, None)
        return response

    async def _hang(self, visit: Visit) -> NoReturn:
        """Says nothing until the peer goes away, the simulator stops, or ten minutes have
        passed."""
        for _ in range(6000):
            transport = visit.request.transport
            if transport is None or transport.is_closing():
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 0.1)
                break
        if visit.request.transport is not None:
            visit.request.transport.abort()
        raise asyncio.CancelledError


def _require_place(visit: Visit, tenant: Tenant) -> None:
    """A tenant's services are at the addresses of its own profile, and at no others."""
    request, place = visit.request, tenant.dialect.asked[visit.service]
    visit.dialect = tenant.dialect
    if (request.method, request.path) != (place.method, place.of(request.match_info.get("id", ""))):
        visit.record_request(b"", verified=False)
        raise Problem(404, "there is nothing at this address in the participant's profile")


async def _away(size: int, step: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """A large message is worked on beside the loop, so that small ones are still answered."""
    if size < _LARGE:
        return step(*arguments, **named)
    return await asyncio.to_thread(step, *arguments, **named)


async def _break_off(request: web.Request, whole: web.Response, body: bytes) -> NoReturn:
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError
