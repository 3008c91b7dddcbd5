"""`python -m tests.chaos.stack FOLDER`: the whole service in a folder of its own, with two gateways
and two workers for what is urgent, each program marked with the part that it plays.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from hostsvc.stack import parts
from hostsvc.stack.layout import lay_out, write_environment
from hostsvc.stack.servers import find_servers
from hostsvc.supervisor import Child, Supervisor, free_ports, tcp_ready

MARK = "CHAOS_PART"
"""In the environment of every program of the service's own, beside its folder."""

SECOND_GATEWAY = "gateway-2.json"
"""The file in the stack's folder that remembers its port."""

SECOND = "-2"


def main(var: Path) -> int:
    def children() -> list[Child]:
        layout = lay_out(var)
        servers = find_servers(var, {})
        environment = layout.environment(servers.urls)
        write_environment(layout, environment)
        (port,) = free_ports(1, remember=var / SECOND_GATEWAY)
        return [
            *servers.children,
            *parts.steps(layout, environment, None),
            *doubled(parts.services(layout, environment), port),
        ]

    ready = var / "ready"
    ready.unlink(missing_ok=True)
    return Supervisor(children, var / "stack.lock", on_ready=ready.touch).run()


def doubled(services: Sequence[Child], port: int) -> Iterator[Child]:
    """All of them marked, a second gateway at `port`, and a second worker."""
    for child in services:
        yield _marked(child)
        if child.name == "gateway":
            listen = {"HOSTSVC_EDL_LISTEN": f"127.0.0.1:{port}"}
            ready = partial(tcp_ready, "127.0.0.1", port)
            yield _marked(replace(_second(child, listen), ready=ready))
        elif child.name == "worker":
            argv = [word.replace("urgent@", "urgent-2@") for word in child.argv]
            yield _marked(replace(_second(child, {}), argv=argv))


def _second(child: Child, environment: dict[str, str]) -> Child:
    """Its figures are served by the first one alone."""
    kept = {name: text for name, text in child.env.items() if name != "HOSTSVC_METRICS_LISTEN"}
    name = f"{child.name}{SECOND}"
    return replace(
        child,
        name=name,
        env={**kept, **environment},
        log=child.log.with_name(f"{name}.log"),
        alongside=True,
    )


def _marked(child: Child) -> Child:
    return replace(child, env={**child.env, MARK: child.name})


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
