"""Posts sealed messages to the host over pooled mTLS connections, judges the sealed answer, and
repeats what got none."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

import aiohttp

from messaging.simulator.checks.receipt import check_answer
from messaging.simulator.config import Config, Tenant
from messaging.simulator.dialect import HOST_1, Dialect
from messaging.simulator.http import MIB, join_headers
from messaging.simulator.ledger import Direction, Ledger, Role, open_exchange
from messaging.simulator.live import LiveConfig
from messaging.simulator.sealing import Sealed, Sealer
from messaging.simulator.seals import SEALS
from messaging.simulator.seals.base import Exchange, SealBroken, Wire, judge
from messaging.simulator.stamps import Clock, now
from messaging.simulator.strict_json import NotStrictJson, show
from messaging.simulator.tls import make_client_context

FRESH_SECONDS = 240
_ANSWER_SECONDS = 10
# Refusals that come without a seal; any other unsealed answer counts as none.
_UNSEALED = frozenset({401, 404, 409, 413, 415, 429, 503})
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to the host. `answered_by` is the type of a 200's payload; `again_on` the
    statuses after which the sender repeats; `persist` the seconds it keeps trying."""

    tenant: Tenant
    service: str
    url: str
    payload: bytes
    message_id: str
    answered_by: str = "receipt"
    dialect: Dialect = HOST_1
    method: str = "POST"
    again_on: Collection[int] = ()
    persist: float = FRESH_SECONDS


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """What one attempt brought. `status` is None where no answer came; `detail` says why an answer
    does not count, or what is odd about one that does."""

    status: int | None = None
    body: bytes = b""
    verified: bool = False
    unsealed: bool = False
    detail: str | None = None
    retry_after: float = 0.0

    def counts(self) -> bool:
        return self.verified or (self.unsealed and self.status in _UNSEALED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last attempt's answer, and when the first attempt left and that answer came."""

    answer: HostAnswer
    sent_at: datetime
    answered_at: datetime | None
    attempts: int

    def show(self) -> dict[str, object]:
        answer = self.answer
        return {
            "status": answer.status,
            "payload": show(answer.body) if answer.body else None,
            "verified": answer.verified,
            "detail": answer.detail,
            "attempts": self.attempts,
        }


def read_answer(
    config: Config, letter: Letter, status: int, wire: Wire, at: datetime
) -> HostAnswer:
    """Only a sealed answer to this very message is verified; its form is noted, not held against
    it."""
    seal = SEALS[letter.tenant.seal]
    if wire.content_type != seal.content_type:
        return HostAnswer(status, wire.body, unsealed=True)
    status = letter.dialect.host_status(status)
    try:
        payload, members = _open_answer(config, letter, wire, at)
    except (SealBroken, NotStrictJson) as error:
        return HostAnswer(status, wire.body, detail=str(error))
    if members.get("inReplyTo") != letter.message_id:
        return HostAnswer(status, payload, detail="inReplyTo is not the message sent")
    odd = check_answer(members, letter.answered_by, status).violations
    detail = "; ".join(f"{item.path or '/'}: {item.text}" for item in odd[:5]) or None
    return HostAnswer(status, payload, verified=True, detail=detail)


def _open_answer(
    config: Config, letter: Letter, wire: Wire, at: datetime
) -> tuple[bytes, dict[str, object]]:
    # The tenant as configured now: a certificate may have been rotated since the letter was made.
    tenant = config.tenants.get(letter.tenant.participant_id, letter.tenant)
    exchange = Exchange("ANSWER", letter.url)
    opened = SEALS[tenant.seal].open(wire, tenant.verifiers, tenant.algorithms, exchange)
    judge(opened, tenant.participant_id, config.participant_id, at)
    members = letter.dialect.read(opened.payload)
    if opened.claims.message_id not in (None, members.get("messageId")):
        raise SealBroken("jti is not the payload's messageId")
    return opened.payload, members


def address(
    config: Config, tenant: Tenant, service: str, message_id: str
) -> tuple[str, Dialect, str]:
    """Where a tenant's host is asked something: the URL, in which profile, and the method."""
    place = tenant.dialect.asking[service]
    return f"{config.host_wa_url}{place.of(message_id)}", tenant.dialect, place.method


class HostClient:
    def __init__(self, live: LiveConfig, ledger: Ledger, sealer: Sealer, clock: Clock) -> None:
        self._live = live
        self._ledger = ledger
        self._sealer = sealer
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._retired: list[aiohttp.ClientSession] = []
        self._material: tuple[bytes, ...] = ()

    def connect(self, config: Config) -> None:
        """New connections follow the configuration where its files changed; those in use may
        finish."""
        files = (config.tls.certificate, config.tls.key, config.host_ca)
        material = tuple(path.read_bytes() for path in files)
        if material == self._material:
            return
        self._material = material
        connector = aiohttp.TCPConnector(
            ssl=make_client_context(config), limit=0, keepalive_timeout=75
        )
        if self._session is not None:
            self._retired.append(self._session)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def close(self) -> None:
        for session in (*self._retired, self._session):
            if session is not None:
                await session.close()

    def seal(self, letter: Letter) -> Sealed:
        return self._sealer.close(
            self._live.current,
            letter.tenant,
            letter.service,
            letter.payload,
            letter.message_id,
            Exchange(letter.method, letter.url),
            letter.dialect,
        )

    async def post(self, letter: Letter, sealed: Sealed | None = None) -> Outcome:
        """Repeats byte for byte while the signature is fresh and signs the same payload anew after
        that, until an answer counts or `persist` seconds have passed."""
        began, attempts = now(), 0
        sealed = sealed or self.seal(letter)
        while True:
            attempts += 1
            answer = await self._attempt(letter, sealed)
            answered_at = None if answer.status is None else now()
            if answer.counts() and answer.status not in letter.again_on:
                return Outcome(answer, began, answered_at, attempts)
            pause = max(_PAUSES[min(attempts, len(_PAUSES)) - 1], answer.retry_after)
            if (now() - began).total_seconds() + pause >= letter.persist:
                return Outcome(answer, began, answered_at, attempts)
            await asyncio.sleep(pause)
            if (now() - sealed.signed_at).total_seconds() >= FRESH_SECONDS:
                sealed = self.seal(letter)

    async def _attempt(self, letter: Letter, sealed: Sealed) -> HostAnswer:
        exchange = open_exchange()
        whose = letter.tenant.participant_id
        self._ledger.record(
            exchange,
            Direction.OUT,
            Role.REQUEST,
            letter.service,
            participant_id=whose,
            payload=sealed.payload,
            fault=sealed.faults,
        )
        answer = await self._exchange(letter, sealed.wire)
        self._ledger.record(
            exchange,
            Direction.IN,
            Role.ANSWER,
            letter.service,
            participant_id=whose,
            payload=answer.body,
            status=answer.status,
            verified=answer.verified,
            detail=answer.detail,
        )
        return answer

    async def _exchange(self, letter: Letter, wire: Wire) -> HostAnswer:
        if self._session is None:
            raise RuntimeError("connect() comes first")
        headers = {**wire.headers, "Content-Type": wire.content_type}
        try:
            async with self._session.request(
                *(letter.method, letter.url),
                data=wire.body,
                headers=headers,
                allow_redirects=False,
            ) as response:
                body = await _read_bounded(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return HostAnswer(detail=f"{type(error).__name__}: {error}"[:300])
        answered = Wire(body, response.content_type, join_headers(response.headers))
        config, at = self._live.current, self._clock.now()
        answer = read_answer(config, letter, response.status, answered, at)
        retry = response.headers.get("Retry-After", "")
        return replace(
            answer, retry_after=min(int(retry), 3600) if _SECONDS.fullmatch(retry) else 0
        )


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    chunks = bytearray()
    async for chunk in response.content.iter_any():
        chunks += chunk
        if len(chunks) > MIB:
            raise ValueError(f"the answer is over {MIB} bytes")
    return bytes(chunks)
