"""Starts the stack, shows it at work, and stops it all: what `python -m hostsvc.stack` does."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from hostsvc.embedded import EmbeddedError
from hostsvc.stack import parts
from hostsvc.stack.disk import DiskWatch, too_little_to_start
from hostsvc.stack.layout import (
    ROOT,
    DamagedFile,
    Layout,
    lay_out,
    write_environment,
    write_targets,
)
from hostsvc.stack.servers import BadServer, find_servers
from hostsvc.stack.terminal import PlainTerminal, RichTerminal, Terminal
from hostsvc.stack.traffic import Traffic
from hostsvc.supervisor import Child, StartError, Status, Supervisor

DISPATCH_EVERY = 8.0
"""Seconds between the simulator's own dispatches in `make run`."""

_INTERRUPTED = 130


def run(arguments: Sequence[str]) -> int:
    """0 after Ctrl-C, or the rehearsal's own code."""
    wanted = _parser().parse_args(arguments)
    var = wanted.var.resolve()
    os.chdir(ROOT)
    stack = Stack(var, demo=wanted.demo)
    try:
        code = stack.supervisor.run()
    finally:
        stack.close()
    return stack.rehearsal_code(code) if wanted.demo else code


class Stack:
    """One run: the supervisor, what is shown of it, and, in a demonstration, how the rehearsal came
    out.
    """

    def __init__(self, var: Path, *, demo: bool) -> None:
        self._var = var
        self._demo = demo
        self._traffic: Traffic | None = None
        self._disk = DiskWatch(var)
        self.terminal: Terminal = RichTerminal() if RichTerminal.is_possible() else PlainTerminal()
        self.supervisor = Supervisor(
            self._children,
            var / "stack.lock",
            on_event=self.terminal.tell,
            on_ready=self._on_ready,
            tick=self._tick,
        )

    def close(self) -> None:
        if self._traffic is not None:
            self._traffic.stop()
        self.terminal.close()

    def rehearsal_code(self, code: int) -> int:
        """The code of a demonstration: its own, but never 0 for a rehearsal that did not come to
        its end.
        """
        ended = self._rehearsal_end()
        if code or ended is None:
            return code or _INTERRUPTED
        return ended if ended >= 0 else 1

    def _children(self) -> list[Child]:
        if words := too_little_to_start(self._var):
            raise StartError(words)
        try:
            return self._prepared()
        except (EmbeddedError, BadServer, DamagedFile) as error:
            raise StartError(str(error)) from None
        except OSError as error:
            text = f"{error.filename or self._var} cannot be used: {error.strerror or error}"
            raise StartError(text) from None

    def _prepared(self) -> list[Child]:
        layout = lay_out(self._var)
        self.terminal.begin(layout, demo=self._demo)
        servers = find_servers(self._var)
        environment = {
            **layout.environment(servers.urls),
            "HOSTSVC_ENV_FILE": str(self._var / "hostsvc.env"),
        }
        write_environment(layout, environment)
        write_targets(layout)
        if self.terminal.shows_traffic:
            self._traffic = Traffic(environment["DATABASE_STAFF_URL"])
        return _children(layout, environment, servers.children, demo=self._demo)

    def _on_ready(self) -> None:
        if self._traffic is not None:
            self._traffic.start()
        self.terminal.is_ready(self._var / "service.json")

    def _tick(self) -> None:
        if news := self._disk.news():
            self.terminal.warn(news)
        self.terminal.draw(self.supervisor.states(), self._traffic)
        ended = self._rehearsal_end()
        if ended is not None:
            self.supervisor.stop(ended)

    def _rehearsal_end(self) -> int | None:
        """With which code the rehearsal ended by itself, if it did."""
        for ward in self.supervisor.wards:
            if ward.child.name == parts.REHEARSAL and ward.status is Status.ENDED:
                return ward.exit_code
        return None


def _children(
    layout: Layout, environment: dict[str, str], servers: tuple[Child, ...], *, demo: bool
) -> list[Child]:
    steps = parts.steps(layout, environment, None if demo else DISPATCH_EVERY)
    last = parts.rehearsal if demo else parts.control_points
    return [
        *servers,
        *steps,
        *parts.services(layout, environment),
        last(layout, environment),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hostsvc.stack", description="Runs the whole service on this machine until Ctrl-C."
    )
    parser.add_argument("--demo", action="store_true", help="one scripted rehearsal, then stop")
    parser.add_argument(
        "--var",
        type=Path,
        default=ROOT / "var",
        metavar="FOLDER",
        help="where data, logs and service.json are kept (default: var in the project)",
    )
    return parser
