"""`python -m tests.benchmarks.peer PLAN`: the system operator that the relay and the bound both
post to. It opens each seal and answers with a sealed receipt, and echoes lines on another port.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import cast
from uuid import uuid4

import uvloop

from tests.benchmarks import wire
from tests.benchmarks.neighbours import DEAD, HEALTH, SLOW, SLOW_SECONDS, TROUBLE, TROUBLED
from tests.benchmarks.plan import OPERATOR, Plan, read, server_context
from tests.benchmarks.wire import HttpServer, Signer


class Echo(asyncio.Protocol):
    """Gives back what it gets: the bare cost of a message there and one back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


async def main(plan: Plan) -> None:
    own = Signer.load(plan.peer_signing, OPERATOR)
    tenants = [Signer.load(t.signing, t.participant_id) for t in plan.tenants]
    known = {signer.thumbprint: signer for signer in tenants}

    well = asyncio.Event()
    well.set()

    async def answer(path: str, body: bytes) -> tuple[int, bytes]:
        if path == TROUBLE:
            (well.clear if body == TROUBLED else well.set)()
            return 200, b""
        if not path.endswith(HEALTH) and not well.is_set():
            await _trouble(path, well)
        payload, header = wire.open_sealed(body, known)
        reference = str(uuid4())
        receipt = {
            "type": "receipt",
            "messageId": reference,
            "sentAt": wire.stamp(),
            "profile": "host-1",
            "inReplyTo": json.loads(payload)["messageId"],
            "status": "ACCEPTED",
            "errors": [],
        }
        return 200, wire.seal(json.dumps(receipt).encode(), reference, own, header["iss"])

    loop = asyncio.get_running_loop()
    context = server_context(plan, plan.peer_tls)
    port = plan.ports.peer
    await loop.create_server(lambda: HttpServer(answer), "127.0.0.1", port, ssl=context)
    await loop.create_server(Echo, "127.0.0.1", plan.ports.echo, ssl=context)
    print("ready", flush=True)
    await asyncio.Event().wait()


async def _trouble(path: str, well: asyncio.Event) -> None:
    """What was not answered while it lasted is when it is over; few are there to hear it still."""
    if path.startswith(DEAD):
        await well.wait()
    elif path.startswith(SLOW):
        await asyncio.sleep(SLOW_SECONDS)


if __name__ == "__main__":
    uvloop.run(main(read(Path(sys.argv[1]))))
