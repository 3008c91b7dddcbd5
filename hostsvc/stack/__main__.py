"""`python -m hostsvc.stack`: starts the stack, shows it at work, and stops it all on Ctrl-C. With
`--demo`, one rehearsal.
"""

from __future__ import annotations

import argparse
import os
import sys

from hostsvc.embedded import EmbeddedError
from hostsvc.stack import parts
from hostsvc.stack.layout import ROOT, Layout, lay_out, write_environment
from hostsvc.stack.servers import BadServer, find_servers
from hostsvc.supervisor import Child, StartError, Supervisor

DISPATCH_EVERY = 8.0
"""Seconds between the simulator's own dispatches in `make run`."""


def main() -> int:
    arguments = _parser().parse_args()
    os.chdir(ROOT)
    var = ROOT / "var"

    def children() -> list[Child]:
        layout = lay_out(var)
        try:
            servers = find_servers(var)
        except (EmbeddedError, BadServer) as error:
            raise StartError(str(error)) from None
        environment = layout.environment(servers.urls)
        write_environment(layout, environment)
        return _children(layout, environment, servers.children, demo=arguments.demo)

    return Supervisor(children, var / "stack.lock").run()


def _children(
    layout: Layout, environment: dict[str, str], servers: tuple[Child, ...], *, demo: bool
) -> list[Child]:
    steps = parts.steps(layout, environment, None if demo else DISPATCH_EVERY)
    found = [*servers, *steps, *parts.services(layout, environment)]
    return found if demo else [*found, parts.control_points(layout, environment)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hostsvc.stack", description=__doc__)
    parser.add_argument("--demo", action="store_true", help="one scripted rehearsal, then stop")
    return parser


if __name__ == "__main__":
    sys.exit(main())
