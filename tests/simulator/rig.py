"""Puts a simulator, a host and a client together on real sockets for the length of one test."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from messaging.simulator.app import Simulator
from messaging.simulator.drills.actions import Scenario
from messaging.simulator.drills.day_file import DayFile
from tests.simulator.cast import Cast, Pair, client_context, host_context, make_cast, write_config
from tests.simulator.peer import JOSE, Host, Seal, open_seal


@dataclass
class Answer:
    status: int
    content_type: str
    headers: Any
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Rig:
    cast: Cast
    folder: Path
    simulator: Simulator
    host: Host
    session: aiohttp.ClientSession
    operator_signing: Pair
    config: Path

    def seal(self, **changes: Any) -> Seal:
        return Seal(self.cast.alice_signing, "ALICE", **changes)

    def bob(self) -> Seal:
        return Seal(self.cast.bob_signing, "BOB")

    async def send(
        self,
        path: str,
        body: bytes,
        *,
        tls: Pair | None = None,
        content_type: str = JOSE,
        headers: dict[str, str] | None = None,
        port: int | None = None,
    ) -> Answer:
        """One POST to the operator, by default over alice's connection."""
        url = f"https://127.0.0.1:{port or self.simulator.wa_port}/{path}"
        context = client_context(self.cast, tls or self.cast.alice_tls, self.folder)
        async with self.session.post(
            url,
            data=body,
            ssl=context,
            headers={"Content-Type": content_type, **(headers or {})},
        ) as response:
            return Answer(
                response.status, response.content_type, response.headers, await response.read()
            )

    async def say(
        self, path: str, payload: dict[str, Any], status: int = 200, **options: Any
    ) -> dict[str, Any]:
        """Sends a message that is sealed right; the answer's seal is right as well and its status
        as expected."""
        answer = await self.send(path, self.seal().close(payload), **options)
        assert answer.status == status, answer.body
        said: dict[str, Any] = self.open(answer, payload["messageId"])
        return said

    def open(self, answer: Answer, in_reply_to: str | None, audience: str = "ALICE") -> Any:
        assert answer.content_type == JOSE, answer.body
        payload, _ = open_seal(answer.body, self.operator_signing, "NGESO", audience)
        assert payload["inReplyTo"] == in_reply_to
        return payload

    async def control(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        url = f"http://127.0.0.1:{self.simulator.control_port}{path}"
        async with self.session.request(method, url, json=body) as response:
            answer = await response.json(content_type=None)
            assert response.status == status, answer
            return answer

    async def fault(self, name: str, path: str = "*", **settings: Any) -> None:
        await self.control(
            "POST", "/faults", {"faults": [{"fault": name, "path": path, **settings}]}
        )

    async def messages(self) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = (await self.control("GET", "/messages"))["messages"]
        return shown


@asynccontextmanager
async def rig(
    folder: Path,
    *,
    day: DayFile | None = None,
    scenario: Scenario | None = None,
    **config: Any,
) -> AsyncIterator[Rig]:
    cast = make_cast()
    host = Host(cast)
    runner = web.AppRunner(host.app(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=host_context(cast, folder)).start()
    path = write_config(cast, folder, runner.addresses[0][1], **config)
    simulator = Simulator(path, day=day, scenario=scenario)
    await simulator.start()
    connector = aiohttp.TCPConnector(limit=0)
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            signing = config.get("operator_signing", cast.operator_signing)
            yield Rig(cast, folder, simulator, host, session, signing, path)
    finally:
        await simulator.stop()
        await runner.cleanup()
