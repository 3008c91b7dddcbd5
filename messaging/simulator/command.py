"""The simulator's command line: what it is started with, and scenario files that are only
checked."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from messaging.simulator.app import Simulator
from messaging.simulator.drills.day_file import BadDay, load_day
from messaging.simulator.drills.lines import BadScenario
from messaging.simulator.drills.scenario_file import parse_scenario
from messaging.simulator.options import ConfigError

DAY_VARIABLE = "HOSTSVC_SIMULATOR_DAY"


@dataclass(frozen=True, slots=True)
class Start:
    """What the command line asks for. `day` is a CSV or a folder with one; with `check`, scenario
    files are read and nothing is started."""

    config: Path | None
    scenario: Path | None = None
    day: Path | None = None
    check: tuple[Path, ...] = ()


def _print(line: str) -> None:
    print(line, flush=True)


async def run(simulator: Simulator, tell: Callable[[str], object]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await simulator.start()
        tell(_ready_line(simulator))
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


def serve(wanted: Start, tell: Callable[[str], object] = _print) -> int:
    """Runs until SIGTERM or SIGINT, and tells when it is ready; 2 where the configuration, a file
    or a port can't be used; 1 where a checked scenario has faults."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr
    )
    if wanted.check:
        return max(_check(path) for path in wanted.check)
    try:
        simulator = _make(wanted)
        asyncio.run(run(simulator, tell))
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
