"""Lanes: for each seal tenants of the running stack, each with an operator of its own, which the
scenes of the matrix play on side by side. How a lane is enrolled is lane_enrolment's.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg

from messaging.rehearsal.control_point import ControlPoint
from messaging.simulator.app import Simulator
from messaging.simulator.faults import FaultBoard
from messaging.simulator.ledger import Ledger
from messaging.simulator.live import LiveConfig
from messaging.simulator.posting import HostAnswer, HostClient, Letter
from messaging.simulator.sealing import Sealer
from messaging.simulator.services import RESULT
from messaging.simulator.stamps import Clock
from messaging.simulator.strict_json import write
from messaging.simulator.tls import make_client_context
from tests.e2e.matrix import PARTS, Api, Message, Seal
from tests.e2e.rig import Rig

T = TypeVar("T")
Json = dict[str, Any]
WAIT_SECONDS = 90.0
"""Many lanes are at work at once."""

LOOK_AGAIN_SECONDS = 0.1
HEALTH_SECONDS = 20
"""Health is asked less often where it is not what is played: whatever says that the operator is
out has it asked a second later.
"""

HEAD = "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {type}\r\nContent-Length: {size}\r\n"
ENROL = """
import json
from pathlib import Path
from tests.e2e.lane_enrolment import enrol_lanes
enrol_lanes(Path({folder!r}), json.loads({health_seconds!r}))
"""
LEAD = """
import json
from tests.e2e.lane_enrolment import lead_lanes
lead_lanes(json.loads({urls!r}))
"""
SUSPEND = """
from tests.e2e.lane_enrolment import suspend_lanes
suspend_lanes()
"""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request the operator noted, and what it was answered; `status` is None without answer."""

    request: Json
    answer: Json | None

    @property
    def payload(self) -> Json:
        return self.request["payload"] or {}

    @property
    def digest(self) -> str:
        return str(self.request["payloadSha256"])

    @property
    def faults(self) -> list[str]:
        """What the operator was made to do wrong."""
        told = [self.request["fault"], (self.answer or {}).get("fault")]
        return [name for text in told if text for name in text.split("+")]

    @property
    def status(self) -> int | None:
        return None if self.answer is None else self.answer["status"]

    @property
    def said(self) -> Json:
        return (self.answer or {}).get("payload") or {}


@dataclass(frozen=True, slots=True)
class Operator:
    """A simulator: what it is made to do wrong, and what it noted."""

    control_url: str

    def control(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.control_url + path, data, headers, method=method)
        return _asked(request)

    def faults(self, *faults: Json) -> None:
        self.control("POST", "/faults", {"faults": list(faults)})

    def knows(self, message_id: str) -> bool:
        """Whether an instruction of that id was made, sent or not."""
        try:
            self.control("GET", f"/dispatch/{message_id}")
        except AssertionError:
            return False
        return True

    def noted(self) -> int:
        """The number of the last note."""
        return int(self.control("GET", "/health")["messages"])

    def exchanges(self, since: int, service: str, direction: str = "in") -> list[Exchange]:
        """Requests in one direction since a note, in order, with their answers."""
        rows = self.control("GET", f"/messages?since={since}")["messages"]
        rows = [row for row in rows if row["service"] == service]
        answers = {row["exchange"]: row for row in rows if row["role"] == "answer"}
        return [
            Exchange(row, answers.get(row["exchange"]))
            for row in rows
            if row["role"] == "request" and row["direction"] == direction
        ]


@dataclass(slots=True)
class Lane:
    """One tenant, its operator on either API, and its control point, which says yes to all."""

    stack: Rig
    seal: Seal
    told: Json
    wa: Operator
    smp: Operator
    client: HostClient
    live: LiveConfig
    loop: asyncio.AbstractEventLoop
    spoiling: FaultBoard
    reading: psycopg.Connection
    _posting: threading.Lock = field(default_factory=threading.Lock)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def point(self) -> str:
        return str(self.told["controlPoint"])

    @property
    def units(self) -> list[str]:
        return list(self.told["bmUnits"])

    def side_of(self, api: Api) -> Operator:
        return self.wa if api is Api.WA else self.smp

    def number(self) -> int:
        """One that this lane has not used."""
        return next(self._numbers)

    def api(self, method: str, path: str, body: Any = None, content: bytes | None = None) -> Any:
        headers = {
            "Authorization": f"Bearer {self.told['apiKey']}",
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid4()),
        }
        data = content if body is None else json.dumps(body).encode()
        url = f"{self.stack.service['api']['url']}/{path}"
        return _asked(urllib.request.Request(url, data, headers, method=method))

    def submit(self, body: Json) -> str:
        """The message's id."""
        return str(self.api("POST", "messages", body)["id"])

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """On the one connection of all lanes, as the vendor's staff, who read across tenants."""
        return self.reading.execute(statement.encode(), values).fetchall()

    @property
    def tenant_id(self) -> str:
        return str(self.told["tenantId"])

    def settled(self, message_id: str, state: str) -> None:
        """Waits until the message's delivery is in a state."""
        statement = "SELECT state FROM messaging_delivery WHERE tenant_id = %s AND message_id = %s"

        def is_so() -> bool:
            return self.query(statement, self.tenant_id, message_id) == [(state,)]

        self.until(is_so, f"{state} of {message_id}")

    def taken(self, reference: str) -> int:
        """How often the host has taken, or refused for good, what came under a messageId."""
        statement = "SELECT count(*) FROM messaging_receipt WHERE tenant_id = %s AND reference = %s"
        return int(self.query(statement, self.tenant_id, reference)[0][0])

    def post(self, service: str, payload: Json, *faults: Json) -> HostAnswer:
        """One attempt in the operator's name, sealed well or, by a fault, badly."""

        async def work() -> HostAnswer:
            self.spoiling.set(list(faults))
            return (await self.client.post(self._letter(service, payload))).answer

        with self._posting:
            return asyncio.run_coroutine_threadsafe(work(), self.loop).result(60)

    def cut_short(self, service: str, payload: Json, *, whole: bool) -> None:
        """The operator says it and goes away: after the first byte of the answer, or, where it is
        not the whole, in the middle of its own request.
        """
        letter = self._letter(service, payload)
        with self._posting:
            wire = self.client.seal(letter).wire
        url = urlsplit(letter.url)
        head = HEAD.format(
            path=url.path, host=url.netloc, type=wire.content_type, size=len(wire.body)
        )
        lines = "".join(f"{name}: {value}\r\n" for name, value in wire.headers.items())
        body = wire.body if whole else wire.body[: len(wire.body) // 2]
        context = make_client_context(self.live.current)
        with (
            socket.create_connection((url.hostname or "", url.port or 443), 30) as plain,
            context.wrap_socket(plain, server_hostname=url.hostname) as link,
        ):
            link.sendall(f"{head}{lines}\r\n".encode() + body)
            if whole:
                assert link.recv(1), "no answer"

    def _letter(self, service: str, payload: Json) -> Letter:
        config = self.live.current
        base = config.host_smp_url if service == RESULT else config.host_wa_url
        return Letter(
            config.tenants[self.told["participantId"]],
            service,
            f"{base}/{service}",
            write(payload),
            str(payload["messageId"]),
            persist=0,
        )

    def until(self, holds: Callable[[], T], what: str, seconds: float = WAIT_SECONDS) -> T:
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < deadline, f"{self.seal}: it did not come to {what}"
            time.sleep(LOOK_AGAIN_SECONDS)
        return found


def _asked(request: urllib.request.Request) -> Any:
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{request.full_url}: {error.read().decode()}") from error


Begun = tuple[Lane, tuple[Simulator, Simulator], ControlPoint]
Key = tuple[Seal, int]
"""A seal, and the part of the matrix that is played there."""


@contextmanager
def lanes_of(stack: Rig, wanted: Collection[Key]) -> Iterator[dict[Key, Lane]]:
    """A lane for each seal and part, its simulators running and its control point on its link."""
    folder = stack.var / "lanes"
    names = {key: f"{key[0]}-{key[1]}" for key in wanted}
    every = {names[seal, part]: _health_seconds(part) for seal, part in wanted}
    stack.as_staff(ENROL.format(folder=str(folder), health_seconds=json.dumps(every)))
    begun: dict[Key, Begun] = {}
    staff = stack.environment["DATABASE_STAFF_URL"]
    with psycopg.connect(staff, autocommit=True) as reading, _background() as loop:
        try:
            for key in wanted:
                work = _begin(stack, folder / names[key], key[0], loop, reading)
                begun[key] = asyncio.run_coroutine_threadsafe(work, loop).result(60)
            stack.as_staff(LEAD.format(urls=json.dumps(dict(map(_led, begun.values())))))
            yield {key: lane for key, (lane, _, _) in begun.items()}
        finally:
            stack.as_staff(SUSPEND)
            for parts in begun.values():
                asyncio.run_coroutine_threadsafe(_end(*parts), loop).result(60)


def _health_seconds(part: int) -> int:
    return 1 if Message.HEALTH in PARTS[part] else HEALTH_SECONDS


async def _begin(
    stack: Rig,
    folder: Path,
    seal: Seal,
    loop: asyncio.AbstractEventLoop,
    reading: psycopg.Connection,
) -> Begun:
    simulators = Simulator(folder / "wa.json"), Simulator(folder / "smp.json")
    for simulator in simulators:
        await simulator.start()
    live, board = LiveConfig(folder / "wa.json"), FaultBoard()
    clock = Clock()
    client = HostClient(live, Ledger(), Sealer(board, clock), clock)
    client.connect(live.current)
    told = json.loads((folder / "lane.json").read_text())
    wa, smp = (Operator(f"http://127.0.0.1:{one.control_port}") for one in simulators)
    lane = Lane(stack, seal, told, wa, smp, client, live, loop, board, reading)
    point = _control_point(stack, folder, lane.point)
    await point.start()
    await asyncio.wait_for(point.wait_ready(), WAIT_SECONDS)
    return lane, simulators, point


def _led(begun: Begun) -> tuple[str, dict[str, str]]:
    """A participant, and where its operator listens."""
    lane, (wa, smp), _ = begun
    urls = {"wa": f"https://127.0.0.1:{wa.wa_port}", "smp": f"https://127.0.0.1:{smp.smp_port}"}
    return str(lane.told["participantId"]), urls


async def _end(lane: Lane, simulators: tuple[Simulator, Simulator], point: ControlPoint) -> None:
    await point.stop()
    await lane.client.close()
    for simulator in simulators:
        await simulator.stop()


def _control_point(stack: Rig, place: Path, name: str) -> ControlPoint:
    context = ssl.create_default_context(cafile=stack.path(stack.service["inbound"]["ca"]))
    context.load_cert_chain(place / "link.pem", place / "link.key")
    edl = stack.service["edl"]
    return ControlPoint(name, edl["host"], edl["port"], context)


@contextmanager
def _background() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
