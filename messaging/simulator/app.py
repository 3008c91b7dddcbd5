"""Wires the simulator together, starts and stops it, and is its command line."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import ssl
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TextIO

from aiohttp import web

from messaging.simulator.asking import own_callers_only
from messaging.simulator.book import Book
from messaging.simulator.config import Config
from messaging.simulator.control import Control, check_loopback
from messaging.simulator.dispatch import Dispatch
from messaging.simulator.drills.actions import Scenario
from messaging.simulator.drills.day import DayPlayer
from messaging.simulator.drills.day_file import BadDay, DayFile, load_day
from messaging.simulator.drills.desk import Desk
from messaging.simulator.drills.lines import BadScenario
from messaging.simulator.drills.player import ScenarioPlayer, Stage
from messaging.simulator.drills.rotation import Rotation
from messaging.simulator.drills.scenario_file import parse_scenario
from messaging.simulator.driver import Driver
from messaging.simulator.faults import FaultBoard
from messaging.simulator.http import problems
from messaging.simulator.later import LaterReceipts
from messaging.simulator.ledger import Ledger
from messaging.simulator.live import LiveConfig
from messaging.simulator.options import ConfigError
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
DAY_VARIABLE = "HOSTSVC_SIMULATOR_DAY"


class Simulator:
    """Start it, read the ports it got (a configured 0 means any), stop it."""

    def __init__(
        self, path: Path, *, day: DayFile | None = None, scenario: Scenario | None = None
    ) -> None:
        self._live = LiveConfig(path)
        config = self._live.current
        self._stopping = asyncio.Event()
        self._tls = make_server_context(config)
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
        app.on_response_prepare.append(self._date)
        for route in routes:
            app.router.add_post(f"/{route.service}", self._reception.receive(route))
        return app

    async def _date(self, request: web.Request, response: web.StreamResponse) -> None:
        """By the operator's clock, as everything it writes."""
        response.headers["Date"] = format_datetime(self._clock.now(), usegmt=True)

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


@dataclass(frozen=True, slots=True)
class Start:
    """What the command line asks for. `day` is a CSV or a folder with one; with `check`, scenario
    files are read and nothing is started."""

    config: Path | None
    scenario: Path | None = None
    day: Path | None = None
    check: tuple[Path, ...] = ()


async def run(simulator: Simulator) -> None:
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="the configuration file (JSON)")
    parser.add_argument("--scenario", type=Path, help="a scenario to play from the start (TOML)")
    parser.add_argument(
        "--day",
        type=Path,
        default=os.environ.get(DAY_VARIABLE) or None,
        help=f"a day of acceptances: boalf.csv or its folder (default: ${DAY_VARIABLE})",
    )
    parser.add_argument(
        "--check", type=Path, nargs="+", default=[], help="only read these scenarios"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="simulator", description=__doc__)
    add_arguments(parser)
    wanted = parser.parse_args(arguments)
    return serve(Start(wanted.config, wanted.scenario, wanted.day, tuple(wanted.check)))


def serve(wanted: Start) -> int:
    """Runs until SIGTERM or SIGINT; 2 where the configuration, a file or a port can't be used; 1
    where a checked scenario has faults."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr
    )
    if wanted.check:
        return max(_check(path) for path in wanted.check)
    try:
        simulator = _make(wanted)
        asyncio.run(run(simulator))
    except (ConfigError, BadDay, OSError, UnicodeDecodeError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    except BadScenario as error:
        _tell(wanted.scenario, error, sys.stderr)
        return 2
    return 0


def _make(wanted: Start) -> Simulator:
    if wanted.config is None:
        raise ConfigError("--config is missing")
    scenario = None
    if wanted.scenario is not None:
        scenario = parse_scenario(wanted.scenario.read_text("utf-8"))
    day = None if wanted.day is None else load_day(wanted.day)
    return Simulator(wanted.config, day=day, scenario=scenario)


def _check(path: Path) -> int:
    try:
        scenario = parse_scenario(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    except BadScenario as error:
        _tell(path, error, sys.stdout)
        return 1
    lasts = timedelta(seconds=round(scenario.ends / scenario.speed))
    print(f"{path}: {scenario.name}, {len(scenario.happenings)} happenings, lasts {lasts}")
    return 0


def _tell(path: Path | None, error: BadScenario, out: TextIO) -> None:
    for fault in error.faults:
        print(f"{path}:{fault.line}: {fault.text}", file=out)
