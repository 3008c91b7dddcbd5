"""Wires the simulator together, starts and stops it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from email.utils import format_datetime
from pathlib import Path

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from messaging.simulator.asking import own_callers_only
from messaging.simulator.book import Book
from messaging.simulator.config import Config
from messaging.simulator.control import Control, check_loopback
from messaging.simulator.dialect import DIALECTS
from messaging.simulator.dispatch import Dispatch
from messaging.simulator.drills.actions import Scenario
from messaging.simulator.drills.day import DayPlayer
from messaging.simulator.drills.day_file import DayFile
from messaging.simulator.drills.desk import Desk
from messaging.simulator.drills.player import ScenarioPlayer, Stage
from messaging.simulator.drills.rotation import Rotation
from messaging.simulator.driver import Driver
from messaging.simulator.faults import FaultBoard
from messaging.simulator.http import problems
from messaging.simulator.later import LaterReceipts
from messaging.simulator.ledger import Ledger
from messaging.simulator.live import LiveConfig
from messaging.simulator.outage import Outage
from messaging.simulator.page import load_page
from messaging.simulator.posting import HostClient
from messaging.simulator.probe import Probe
from messaging.simulator.reception import Reception
from messaging.simulator.routes import Route
from messaging.simulator.sealing import Sealer
from messaging.simulator.services import AUTHENTICATE
from messaging.simulator.smp import SingleMarketsPlatform
from messaging.simulator.stamps import Clock
from messaging.simulator.tls import make_server_context, renew_server_context
from messaging.simulator.wa import WiderAccess

_SHUTDOWN_SECONDS = 0.5


def _places(route: Route) -> set[tuple[str, str]]:
    """Where a service is asked, in any profile."""
    if not route.is_wider_access:
        return {("POST", f"/{route.service}")}
    asked = (dialect.asked[route.service] for dialect in DIALECTS.values())
    return {(place.method, place.path) for place in asked}


class Simulator:
    """Start it, read the ports it got (a configured 0 means any), stop it."""

    def __init__(
        self, path: Path, *, day: DayFile | None = None, scenario: Scenario | None = None
    ) -> None:
        self._live = LiveConfig(path)
        config = self._live.current
        self._stopping = asyncio.Event()
        self._tls = make_server_context(config)
        self._shown = config.tls.certificate.read_bytes()
        self._outdated: set[RequestHandler] = set()
        faults, book, self._ledger, outage = FaultBoard(), Book(), Ledger(), Outage()
        self._clock = clock = Clock()
        sealer = Sealer(faults, clock)
        self._client = HostClient(self._live, self._ledger, sealer, clock)
        self._later = LaterReceipts(self._live, self._client, clock)
        self._dispatch = Dispatch(self._live, book, faults, self._client, clock)
        self._driver = Driver(self._live, self._dispatch, outage, clock)
        self._reception = Reception(
            self._live, self._ledger, faults, sealer, outage, clock, self._stopping
        )
        self._wa = WiderAccess(book, faults, outage, self._later, clock)
        self._smp = SingleMarketsPlatform(self._live, faults, self._client, clock)
        probe = Probe(self._live, self._client, clock)
        self._control = Control(self._live, self._dispatch, faults, self._ledger, outage, probe)
        self._rotation = Rotation(self._live)
        self._day = DayPlayer(self._live, self._dispatch, clock, day)
        stage = Stage(self._live, self._dispatch, faults, outage, clock, self._rotation, self._day)
        self._player = ScenarioPlayer(stage)
        self._desk = Desk(stage, self._ledger, self._player)
        self._scenario = scenario
        self._runners: list[web.AppRunner] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.wa_port = self.smp_port = self.control_port = 0

    async def start(self) -> None:
        config, ports = self._live.current, self._live.current.ports
        self._client.connect(config)
        self._live.listen(self._renew)
        wa = self._make_app(self._wa.routes())
        smp = self._make_app(self._smp.routes())
        smp.router.add_post(
            f"/{AUTHENTICATE}", self._reception.receive_plain(AUTHENTICATE, self._smp.authenticate)
        )
        self.wa_port = await self._serve(wa, ports.host, ports.wa, self._tls)
        self.smp_port = await self._serve(smp, ports.host, ports.smp, self._tls)
        self.control_port = await self._serve(
            self.control_app(), check_loopback(ports.host), ports.control, None
        )
        self._tasks = [
            asyncio.create_task(self._live.watch()),
            asyncio.create_task(self._driver.run()),
        ]
        if self._scenario is not None:
            self._player.start(self._scenario)

    async def stop(self) -> None:
        self._stopping.set()
        for task in self._tasks:
            task.cancel()
        await self._player.stop()
        for part in (self._day, self._rotation, self._dispatch, self._later, self._smp):
            part.stop()
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        await self._client.close()

    def control_app(self) -> web.Application:
        app = web.Application(middlewares=[problems, own_callers_only])
        for part in (self._control, self._desk, load_page()):
            part.add_to(app)
        return app

    def _make_app(self, routes: Iterable[Route]) -> web.Application:
        app = web.Application(middlewares=[problems])
        app.on_response_prepare.append(self._finish)
        for route in routes:
            receive = self._reception.receive(route)
            for method, path in _places(route):
                app.router.add_route(method, path, receive)
        return app

    async def _finish(self, request: web.Request, response: web.StreamResponse) -> None:
        """Dates it by the operator's clock, as everything it writes. A connection that was made
        under another TLS certificate ends with it, so that the next one meets the new one."""
        response.headers["Date"] = format_datetime(self._clock.now(), usegmt=True)
        if request.protocol in self._outdated:
            self._outdated.discard(request.protocol)
            response.headers["Connection"] = "close"
            response.force_close()

    async def _serve(
        self, app: web.Application, host: str, port: int, tls: ssl.SSLContext | None
    ) -> int:
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=_SHUTDOWN_SECONDS,
            keepalive_timeout=75,
            auto_decompress=False,
        )
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, host, port, ssl_context=tls, backlog=1024).start()
        return int(runner.addresses[0][1])

    def _renew(self, config: Config) -> None:
        renew_server_context(self._tls, config)
        self._client.connect(config)
        shown = config.tls.certificate.read_bytes()
        if shown != self._shown:
            self._shown = shown
            self._outdated = {
                connection
                for runner in self._runners
                for connection in (() if runner.server is None else runner.server.connections)
            }
