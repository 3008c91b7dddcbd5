"""The load: control points on their links and an operator that posts, in the one process that keeps
the time. The same code drives the relay and the bound.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self, cast
from uuid import uuid4

from tests.benchmarks import wire
from tests.benchmarks.plan import OPERATOR, Plan, Point, Side, TenantSite, client_context
from tests.benchmarks.wire import HttpClient, Line, Signer

PAUSE = 0.015
"""Seconds between two messages of a one-at-a-time series, for what follows an answer to be done."""

WITHIN = 15.0
"""Seconds after which a message counts as lost."""

_HEARTBEAT = 20.0
_SERVICE = "/wa/simulator/NESO_Instruction"


class Lost(Exception):
    """Something that was sent did not arrive, or was not answered as it must be."""


class LinkClient(asyncio.Protocol):
    """A control point's end of a link; it acknowledges whatever is numbered.

    `moments` has when each awaited thing came: ("ACK", our number), ("RESULT", our number) or
    ("BOAI", acceptance number).
    """

    def __init__(self, point: Point) -> None:
        self.point = point
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._awaited: dict[tuple[str, int], asyncio.Future[float]] = {}
        self._buffer = b""
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.write(wire.edl(self.point.name, "HELLO", 0, f"{'host-1':<12}{0:08d}"))

    def connection_lost(self, exc: Exception | None) -> None:
        for future in self._awaited.values():
            if not future.done():
                future.set_exception(Lost(f"{self.point.name}: the link broke"))

    def data_received(self, data: bytes) -> None:
        moment = time.perf_counter()
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for content in lines:
            self._on(wire.parse(content + b"\n"), moment)

    def expect(self, what: str, number: int) -> asyncio.Future[float]:
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._awaited[what, number] = future
        return future

    def write(self, content: bytes) -> None:
        self._transport.write(content)

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def close(self) -> None:
        self._transport.close()

    def _on(self, line: Line, moment: float) -> None:
        if line.number:
            self.write(wire.ack(self.point.name, line.number))
        match line.type:
            case "READY":
                self._number = int(line.data[12:20])
                self.ready.set_result(None)
            case "ACK":
                self._came("ACK", line.in_reply_to, moment)
            case "NACK":
                self._refused("ACK", line)
            case "RESULT" if line.data.startswith("OK"):
                self._came("RESULT", line.in_reply_to, moment)
            case "RESULT":
                self._refused("RESULT", line)
            case "BOAI":
                self._came("BOAI", int(line.data[9:19]), moment)

    def _came(self, what: str, number: int, moment: float) -> None:
        future = self._awaited.pop((what, number), None)
        if future is not None and not future.done():
            future.set_result(moment)

    def _refused(self, what: str, line: Line) -> None:
        future = self._awaited.get((what, line.in_reply_to))
        if future is not None and not future.done():
            future.set_exception(Lost(f"{self.point.name}: {line.content!r}"))


@dataclass(slots=True)
class Target:
    """One side with all its links up and as many connections for the operator to post on."""

    tenants: dict[str, TenantSite]
    links: list[LinkClient]
    posts: list[HttpClient]
    operator: Signer
    acceptance: int = 0
    turn: int = 0
    beating: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, plan: Plan, side: Side) -> Self:
        loop = asyncio.get_running_loop()
        links = []
        for tenant in plan.of(side):
            for point in tenant.points:
                _, link = await loop.create_connection(
                    lambda point=point: LinkClient(point),  # type: ignore[misc]
                    "127.0.0.1",
                    plan.edl_port(side),
                    ssl=client_context(plan, point.tls),
                    server_hostname="127.0.0.1",
                )
                await asyncio.wait_for(link.ready, WITHIN)
                links.append(link)
        context = client_context(plan, plan.peer_tls)
        posts = [await HttpClient.connect(plan.inbound_port(side), context) for _ in links]
        tenants = {point.name: tenant for tenant in plan.of(side) for point in tenant.points}
        target = cls(tenants, links, posts, Signer.load(plan.peer_signing, OPERATOR))
        target.beating = asyncio.create_task(target._beat())
        return target

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT)
            for link in self.links:
                link.write(wire.edl(link.point.name, "HBEAT", 0, ""))

    def close(self) -> None:
        if self.beating is not None:
            self.beating.cancel()
        for link in self.links:
            link.close()
        for post in self.posts:
            post.close()

    def next_link(self) -> tuple[LinkClient, HttpClient]:
        self.turn = (self.turn + 1) % len(self.links)
        return self.links[self.turn], self.posts[self.turn]

    def sealed_boa(self, link: LinkClient) -> tuple[int, bytes]:
        """An acceptance with a number of its own, ready to be posted."""
        self.acceptance += 1
        reference = str(uuid4())
        payload = json.dumps(_boa(link.point, self.acceptance, reference)).encode()
        audience = self.tenants[link.point.name].participant_id
        return self.acceptance, wire.seal(payload, reference, self.operator, audience)


@dataclass(slots=True)
class Samples:
    """Seconds, by figure."""

    ack: list[float] = field(default_factory=list)
    result: list[float] = field(default_factory=list)
    boa: list[float] = field(default_factory=list)
    burst: list[float] = field(default_factory=list)
    """Of each burst, until the last one of it is on its link."""
    burst_median: list[float] = field(default_factory=list)


async def redeclare(target: Target, samples: Samples, times: int) -> None:
    for _ in range(times):
        link, _post = target.next_link()
        ack, result = await _redeclared(link)
        samples.ack.append(ack)
        samples.result.append(result)
        await asyncio.sleep(PAUSE)


async def instruct(target: Target, samples: Samples, times: int) -> None:
    for _ in range(times):
        link, post = target.next_link()
        samples.boa.append((await _instructed(target, [(link, post)]))[0])
        await asyncio.sleep(PAUSE)


async def burst(target: Target, samples: Samples) -> None:
    taken = await _instructed(target, list(zip(target.links, target.posts, strict=True)))
    samples.burst.append(max(taken))
    samples.burst_median.append(sorted(taken)[len(taken) // 2])
    await asyncio.sleep(1.0)


async def warm(target: Target) -> None:
    """Every thread, connection and key of the other side has been used once."""
    for _ in range(3):
        await asyncio.gather(*(_redeclared(link) for link in target.links))
        await burst(target, Samples())


async def _redeclared(link: LinkClient) -> tuple[float, float]:
    number = link.next_number()
    content = wire.edl(link.point.name, "MEL", number, mel(link.point.unit, number))
    ack, result = link.expect("ACK", number), link.expect("RESULT", number)
    start = time.perf_counter()
    link.write(content)
    came = asyncio.gather(ack, result)
    try:
        acked, told = await asyncio.wait_for(came, WITHIN)
    except TimeoutError:
        raise Lost(f"{link.point.name}: no answer to redeclaration {number}") from None
    return acked - start, told - start


async def _instructed(target: Target, pairs: list[tuple[LinkClient, HttpClient]]) -> list[float]:
    """Posts one acceptance on each pair at once; seconds until each is on its link."""
    ready = [(link, post, *target.sealed_boa(link)) for link, post in pairs]
    arrivals = [link.expect("BOAI", number) for link, _, number, _ in ready]
    start = time.perf_counter()
    answers = [post.post(_SERVICE, body) for _, post, _, body in ready]
    try:
        moments = await asyncio.wait_for(asyncio.gather(*arrivals), WITHIN)
        told = await asyncio.wait_for(asyncio.gather(*answers), WITHIN)
    except TimeoutError:
        raise Lost("an instruction did not reach its link, or was not answered") from None
    if refused := [body for status, body in told if status != 200]:
        raise Lost(f"an instruction was refused: {refused[0]!r}")
    return [moment - start for moment in moments]


def mel(unit: str, level: int) -> str:
    start = datetime.now(UTC)
    end = start + timedelta(minutes=30)
    level = level % 1000
    return f"{unit:<9}{1:>4}{start:%Y%m%d%H%M}{level:>6}{end:%Y%m%d%H%M}{level:>6}"


def _boa(point: Point, number: int, reference: str) -> dict[str, object]:
    now = datetime.now(UTC)
    start = now + timedelta(minutes=2)
    level = {
        "timeFrom": f"{start:%Y-%m-%dT%H:%M}:00Z",
        "levelFrom": 0,
        "timeTo": f"{start + timedelta(minutes=10):%Y-%m-%dT%H:%M}:00Z",
        "levelTo": 50,
    }
    return {
        "type": "instruction",
        "messageId": reference,
        "sentAt": wire.stamp(),
        "profile": "host-1",
        "kind": "BOA",
        "controlPoint": point.name,
        "bmUnit": point.unit,
        "acceptanceNumber": number,
        "acceptanceTime": f"{now:%Y-%m-%dT%H:%M}:00Z",
        "emergencyFlag": False,
        "soFlag": False,
        "storFlag": False,
        "rrFlag": False,
        "levels": [level],
        "respondBy": (now + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
