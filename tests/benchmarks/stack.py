"""`python -m tests.benchmarks.stack FOLDER`: the whole service in a folder of its own, with the
benchmark's tenants enrolled and no traffic.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hostsvc.stack import parts
from hostsvc.stack.layout import ROOT, Layout, lay_out, write_environment
from hostsvc.stack.servers import find_servers
from hostsvc.supervisor import Child, Supervisor, free_ports

_OWN_PORTS = 4


def main(var: Path) -> int:
    def children() -> list[Child]:
        layout = lay_out(var)
        servers = find_servers(var, {})
        environment = layout.environment(servers.urls)
        write_environment(layout, environment)
        return [
            *servers.children,
            *parts.steps(layout, environment, None),
            _enrolment(layout, environment),
            *parts.services(layout, environment),
        ]

    ready = var / "ready"
    ready.unlink(missing_ok=True)
    return Supervisor(children, var / "stack.lock", on_ready=ready.touch).run()


def _enrolment(layout: Layout, environment: dict[str, str]) -> Child:
    ports = free_ports(_OWN_PORTS, remember=layout.var / "bench-ports.json")
    return Child(
        name="benchmark",
        argv=[sys.executable, "-m", "tests.benchmarks.enrolment", *map(str, ports)],
        env={**environment, "HOSTSVC_DATABASE_ROLE": "staff"},
        cwd=ROOT,
        log=layout.log("benchmark"),
        once=True,
        ready_seconds=60,
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
