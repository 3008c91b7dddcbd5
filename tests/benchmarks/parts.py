"""The parts of the bound's work measured bare: each on its own, in the rhythm of the one-at-a-time
series, so that their sum can be held against the bound.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self, cast
from uuid import UUID

from tenants.ids import new_id
from tests.benchmarks import wire
from tests.benchmarks.load import PAUSE, mel
from tests.benchmarks.plan import OPERATOR, Plan, Side, TenantSite, client_context
from tests.benchmarks.statements import Hop, Instructed, Store, redeclaration
from tests.benchmarks.wire import HttpClient, Signer

OUT = ("link", "take", "sign", "claim", "post", "verify", "settle")
"""The parts of a redeclaration's way; those of its ACK are the first two."""

ACKNOWLEDGED = ("link", "take")
IN = ("link", "verify", "instruct")
"""The parts of an instruction's way: a message there and one back, its seal, one commit."""


class _EchoClient(asyncio.Protocol):
    def __init__(self) -> None:
        self._back: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self._back.done():
            self._back.set_result(time.perf_counter())

    def close(self) -> None:
        self._transport.close()

    async def round_trip(self, content: bytes) -> float:
        self._back = asyncio.get_running_loop().create_future()
        start = time.perf_counter()
        self._transport.write(content)
        return await self._back - start


@dataclass(slots=True)
class Parts:
    """Uses the last control point of the bound's first tenant, which nobody else uses meanwhile."""

    site: TenantSite
    store: Store
    client: HttpClient
    echo: _EchoClient
    own: Signer
    peer: Signer
    number: int = 10_000_000
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    async def connect(cls, plan: Plan) -> Self:
        site = plan.of(Side.BOUND)[0]
        context = client_context(plan, site.client)
        _, echo = await asyncio.get_running_loop().create_connection(
            _EchoClient, "127.0.0.1", plan.ports.echo, ssl=context, server_hostname="127.0.0.1"
        )
        return cls(
            site,
            await Store.open(plan.database, 1),
            await HttpClient.connect(plan.ports.peer, context),
            echo,
            Signer.load(site.signing, site.participant_id),
            Signer.load(plan.peer_signing, OPERATOR),
        )

    async def close(self) -> None:
        self.echo.close()
        self.client.close()
        await self.store.close()

    async def measure(self, times: int, *, keep: bool = True) -> None:
        for _ in range(times):
            await self._once()
            await asyncio.sleep(PAUSE)
        if not keep:
            self.seconds.clear()

    async def _once(self) -> None:
        self.number += 1
        point = self.site.points[-1]
        line = wire.edl(point.name, "MEL", self.number, mel(point.unit, self.number))
        self.seconds["link"].append(await self.echo.round_trip(line))
        endpoint, operator = UUID(point.endpoint), UUID(self.site.operator)
        hop = Hop(self.site.uuid, endpoint, operator, point.unit, self.number, line)
        await self._timed("take", self.store.commit(hop.take()))
        reference = str(hop.delivery)
        payload = redeclaration(point.name, point.unit, reference, wire.parse(line).data)
        start = time.perf_counter()
        sealed = wire.seal(payload, reference, self.own, OPERATOR)
        self.seconds["sign"].append(time.perf_counter() - start)
        await self._timed("claim", self.store.commit(hop.claim(payload, sealed, "https://peer")))
        sent_at = datetime.now(UTC)
        start = time.perf_counter()
        _, answer = await self.client.post("/NESO_Redeclaration", sealed)
        self.seconds["post"].append(time.perf_counter() - start)
        start = time.perf_counter()
        wire.open_sealed(answer, {self.peer.thumbprint: self.peer})
        self.seconds["verify"].append(time.perf_counter() - start)
        settle = hop.settle(answer, sent_at, line, line, self.number)
        await self._timed("settle", self.store.commit(settle))
        instructed = Instructed(
            self.site.uuid,
            endpoint,
            operator,
            point.unit,
            self.number,
            str(new_id()),
            payload + line,
            answer + line,
            new_id(),
        )
        work = instructed.commit(answer, line + answer, self.number)
        await self._timed("instruct", self.store.commit(work))

    async def _timed(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        start = time.perf_counter()
        await work
        self.seconds[name].append(time.perf_counter() - start)
