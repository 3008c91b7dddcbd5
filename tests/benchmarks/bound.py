"""`python -m tests.benchmarks.bound PLAN`: the lower bound. One asyncio process that does what the
relay promises with nothing between: raw psycopg on the relay's own tables and chain, three commits,
one pooled mTLS connection, sign and verify. It knows only the benchmark's messages.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import uvloop

from tenants.ids import new_id
from tests.benchmarks import wire
from tests.benchmarks.plan import (
    OPERATOR,
    Plan,
    Point,
    Side,
    TenantSite,
    client_context,
    read,
    server_context,
)
from tests.benchmarks.statements import Hop, Instructed, Store, acknowledged, redeclaration
from tests.benchmarks.wire import HttpClient, HttpServer, Line, Signer

CONNECTIONS = 8
REDECLARATION = "/NESO_Redeclaration"


@dataclass(slots=True)
class Party:
    """A tenant with what speaking for it takes: its key, and one connection to the peer."""

    site: TenantSite
    signer: Signer
    client: HttpClient
    posting: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class Holding:
    """A control point, the last number it was given, and what it has yet to acknowledge."""

    party: Party
    point: Point
    given: int = 0
    transport: asyncio.Transport | None = None
    sent: dict[int, tuple[UUID, datetime]] = field(default_factory=dict)

    @property
    def endpoint(self) -> UUID:
        return UUID(self.point.endpoint)

    @property
    def operator(self) -> UUID:
        return UUID(self.party.site.operator)

    def next_number(self) -> int:
        self.given += 1
        return self.given

    def write(self, content: bytes) -> None:
        if self.transport is not None:
            self.transport.write(content)


class Bound:
    def __init__(self, plan: Plan, store: Store, parties: list[Party]) -> None:
        self._store = store
        self._peer = Signer.load(plan.peer_signing, OPERATOR)
        self._trusted = {self._peer.thumbprint: self._peer}
        self._url = f"https://127.0.0.1:{plan.ports.peer}{REDECLARATION}"
        self._parties = {party.site.participant_id: party for party in parties}
        self.holdings = {
            point.name: Holding(party, point) for party in parties for point in party.site.points
        }
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def redeclare(self, holding: Holding, line: Line) -> None:
        """A control point's message: stored, acknowledged, posted, answered, and its RESULT."""
        party, unit, name = holding.party, line.data[:9].strip(), holding.point.name
        hop = Hop(
            party.site.uuid, holding.endpoint, holding.operator, unit, line.number, line.content
        )
        await self._store.commit(hop.take())
        holding.write(wire.ack(name, line.number))
        reference = str(hop.delivery)
        payload = redeclaration(name, unit, reference, line.data)
        sealed = wire.seal(payload, reference, party.signer, OPERATOR)
        await self._store.commit(hop.claim(payload, sealed, self._url))
        sent_at = datetime.now(UTC)
        async with party.posting:
            status, answer = await party.client.post(REDECLARATION, sealed)
        opened, _ = wire.open_sealed(answer, self._trusted)
        receipt = json.loads(opened)
        assert status == 200, answer
        assert receipt["inReplyTo"] == reference, answer
        given, verdict = holding.next_number(), f"{'OK':<6}{'OK':<4}{'':<80}"
        told = wire.edl(name, "RESULT", 0, verdict, line.number)
        numbered = wire.edl(name, "RESULT", given, verdict, line.number)
        await self._store.commit(hop.settle(answer, sent_at, told, numbered, given))
        holding.sent[given] = (hop.result_delivery, datetime.now(UTC))
        holding.write(numbered)

    async def acknowledge(self, holding: Holding, number: int) -> None:
        delivery, sent_at = holding.sent.pop(number)
        await self._store.commit(acknowledged(holding.party.site.uuid, delivery, sent_at))

    async def instruct(self, _path: str, body: bytes) -> tuple[int, bytes]:
        """The operator's message: opened, stored, on its link, answered."""
        payload, header = wire.open_sealed(body, self._trusted)
        said = json.loads(payload)
        party, holding = self._parties[header["aud"]], self.holdings[said["controlPoint"]]
        reference, given = str(new_id()), holding.next_number()
        receipt = {
            "type": "receipt",
            "messageId": reference,
            "sentAt": wire.stamp(),
            "profile": "host-1",
            "inReplyTo": said["messageId"],
            "status": "RECEIVED",
            "errors": [],
        }
        numbered = wire.edl(holding.point.name, "BOAI", given, _boai(said))
        instructed = Instructed(
            party.site.uuid,
            holding.endpoint,
            holding.operator,
            said["bmUnit"],
            said["acceptanceNumber"],
            said["messageId"],
            payload,
            body,
            new_id(),
        )
        answer = json.dumps(receipt).encode()
        await self._store.commit(instructed.commit(answer, numbered, given))
        holding.sent[given] = (instructed.delivery, datetime.now(UTC))
        holding.write(numbered)
        return 200, wire.seal(answer, reference, party.signer, OPERATOR)


class LinkServer(asyncio.Protocol):
    """A control point's link."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound
        self._buffer = b""
        self._holding: Holding | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for content in lines:
            self._on(wire.parse(content + b"\n"))

    def _on(self, line: Line) -> None:
        if line.type == "HELLO":
            name = line.content[:6].decode().strip()
            self._holding = self._bound.holdings[name]
            self._holding.transport = self._transport
            self._transport.write(wire.edl(name, "READY", 0, f"{'host-1':<12}{0:08d}"))
        elif line.type == "MEL" and self._holding:
            self._bound.spawn(self._bound.redeclare(self._holding, line))
        elif line.type == "ACK" and self._holding:
            self._bound.spawn(self._bound.acknowledge(self._holding, line.in_reply_to))


def _boai(said: dict[str, Any]) -> str:
    def moment(text: str) -> str:
        return text[:4] + text[5:7] + text[8:10] + text[11:13] + text[14:16]

    flags = ("emergencyFlag", "soFlag", "storFlag", "rrFlag")
    head = f"{said['bmUnit']:<9}{said['acceptanceNumber']:>10}{moment(said['acceptanceTime'])}"
    groups = "".join(
        f"{moment(level['timeFrom'])}{level['levelFrom']:>6}"
        f"{moment(level['timeTo'])}{level['levelTo']:>6}"
        for level in said["levels"]
    )
    yes_no = "".join("Y" if said[flag] else "N" for flag in flags)
    return f"{head}{yes_no}{len(said['levels']):>4}{groups}"


async def main(plan: Plan) -> None:
    store = await Store.open(plan.database, CONNECTIONS)
    parties = []
    for site in plan.of(Side.BOUND):
        client = await HttpClient.connect(plan.ports.peer, client_context(plan, site.client))
        parties.append(Party(site, Signer.load(site.signing, site.participant_id), client))
        for point in site.points:
            await store.make_link(site.uuid, UUID(point.endpoint))
    bound = Bound(plan, store, parties)
    loop = asyncio.get_running_loop()
    context, ports = server_context(plan, plan.host), plan.ports
    await loop.create_server(lambda: LinkServer(bound), "127.0.0.1", ports.bound_edl, ssl=context)
    await loop.create_server(
        lambda: HttpServer(bound.instruct), "127.0.0.1", ports.bound_inbound, ssl=context
    )
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(read(Path(sys.argv[1]))))
