"""`python -m tests.chaos.points_stack FOLDER`: the end-to-end tests' stack, each of its processes
armed: it dies where the folder of its name in `crash` says, and notes there what it came by.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from hostsvc.stack import parts
from hostsvc.stack.layout import lay_out, write_environment
from hostsvc.stack.servers import find_servers
from hostsvc.supervisor import Child, Supervisor
from messaging.relay.crash_points import Kind

CRADLE = "tests.chaos.points_cradle"
KINDS = frozenset(kind.value for kind in Kind)


def orders(var: Path, kind: str) -> Path:
    """The folder where orders for a kind of process are left."""
    return var / "crash" / kind


def visits(var: Path, kind: str) -> Path:
    """Where it notes what it came by."""
    return var / "crash" / f"{kind}.visits"


def authority(var: Path) -> Path:
    """Of the receivers of webhooks."""
    return var / "crash" / "receivers.pem"


def armed(children: Iterable[Child], var: Path) -> list[Child]:
    """The children, those of the table's kinds armed, and in a cradle: they die so often."""
    return [_armed(child, var) if child.name in KINDS else child for child in children]


def _armed(child: Child, var: Path) -> Child:
    more = {
        "HOSTSVC_CRASH_AT": f"@{orders(var, child.name)}",
        "HOSTSVC_CRASH_VISITS": str(visits(var, child.name)),
        "HOSTSVC_WEBHOOK_CA": str(authority(var)),
    }
    orders(var, child.name).mkdir(exist_ok=True)
    python, *argv = child.argv
    return replace(child, argv=[python, "-m", CRADLE, *argv], env={**child.env, **more})


def main(var: Path) -> int:
    def children() -> list[Child]:
        layout = lay_out(var)
        servers = find_servers(var, {})
        environment = layout.environment(servers.urls)
        write_environment(layout, environment)
        return [
            *servers.children,
            *parts.steps(layout, environment, None),
            *armed(parts.services(layout, environment), var),
        ]

    (var / "crash").mkdir(exist_ok=True)
    ready = var / "ready"
    ready.unlink(missing_ok=True)
    return Supervisor(children, var / "stack.lock", on_ready=ready.touch).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
