"""Wires the simulator together, starts and stops it, and is its command line."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import ssl
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from aiohttp import web

from messaging.simulator.book import Book
from messaging.simulator.config import Config
from messaging.simulator.control import Control, check_loopback
from messaging.simulator.dispatch import Dispatch
from messaging.simulator.driver import Driver
from messaging.simulator.faults import FaultBoard
from messaging.simulator.http import problems
from messaging.simulator.later import LaterReceipts
from messaging.simulator.ledger import Ledger
from messaging.simulator.live import LiveConfig
from messaging.simulator.options import ConfigError
from messaging.simulator.outage import Outage
from messaging.simulator.posting import HostClient
from messaging.simulator.probe import Probe
from messaging.simulator.reception import Reception
from messaging.simulator.routes import Route
from messaging.simulator.sealing import Sealer
from messaging.simulator.services import AUTHENTICATE
from messaging.simulator.smp import SingleMarketsPlatform
from messaging.simulator.tls import make_server_context, renew_server_context
from messaging.simulator.wa import WiderAccess

_SHUTDOWN_SECONDS = 0.5


class Simulator:
    """Start it, read the ports it got (a configured 0 means any), stop it."""

    def __init__(self, path: Path) -> None:
        self._live = LiveConfig(path)
        config = self._live.current
        self._stopping = asyncio.Event()
        self._tls = make_server_context(config)
        faults, book, self._ledger, outage = FaultBoard(), Book(), Ledger(), Outage()
        sealer = Sealer(faults)
        self._client = HostClient(self._live, self._ledger, sealer)
        self._later = LaterReceipts(self._live, self._client)
        self._dispatch = Dispatch(self._live, book, faults, self._client)
        self._driver = Driver(self._live, self._dispatch, outage)
        self._reception = Reception(
            self._live, self._ledger, faults, sealer, outage, self._stopping
        )
        self._wa = WiderAccess(book, faults, outage, self._later)
        self._smp = SingleMarketsPlatform(self._live, faults, self._client)
        probe = Probe(self._live, self._client)
        self._control = Control(self._live, self._dispatch, faults, self._ledger, outage, probe)
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
        control = web.Application(middlewares=[problems])
        self._control.add_to(control)
        self.wa_port = await self._serve(wa, ports.host, ports.wa, self._tls)
        self.smp_port = await self._serve(smp, ports.host, ports.smp, self._tls)
        self.control_port = await self._serve(
            control, check_loopback(ports.host), ports.control, None
        )
        self._tasks = [
            asyncio.create_task(self._live.watch()),
            asyncio.create_task(self._driver.run()),
        ]

    async def stop(self) -> None:
        self._stopping.set()
        for task in self._tasks:
            task.cancel()
        for part in (self._dispatch, self._later, self._smp):
            part.stop()
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        await self._client.close()

    def _make_app(self, routes: Iterable[Route]) -> web.Application:
        app = web.Application(middlewares=[problems])
        for route in routes:
            app.router.add_post(f"/{route.service}", self._reception.receive(route))
        return app

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


async def run(path: Path) -> None:
    simulator = Simulator(path)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await simulator.start()
        print(_ready_line(simulator), flush=True)
        await stop.wait()
    finally:
        await simulator.stop()


def _ready_line(simulator: Simulator) -> str:
    return (
        f"NGESO simulator ready: wa port {simulator.wa_port}, smp port {simulator.smp_port}, "
        f"control port {simulator.control_port}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="simulator", description=__doc__)
    parser.add_argument("--config", required=True, type=Path, help="the configuration file (JSON)")
    return serve(parser.parse_args(arguments).config)


def serve(path: Path) -> int:
    """Runs until SIGTERM or SIGINT; 2 where the configuration or a port can't be used."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr
    )
    try:
        asyncio.run(run(path))
    except (ConfigError, OSError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    return 0
