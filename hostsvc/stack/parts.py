"""The programs of the stack, in the order of their start, and how each says that it is ready."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from functools import partial

from hostsvc.stack.layout import MEASURED, ROOT, Layout
from hostsvc.supervisor import Child, tcp_ready

REHEARSAL = "rehearsal"
"""The name of the program whose end is the demonstration's."""
START_SECONDS = 60.0
"""For a program to listen."""
STEP_SECONDS = 300.0
"""For what is done once: a migration of a filled database on a busy machine is not hurried."""

# Each kind of work has workers of its own, so that none waits behind another: queue and threads.
_WORKERS = {
    "worker": ("urgent", 16),
    "worker-files": ("files", 4),
    "worker-smp": ("smp", 12),
    "worker-webhooks": ("webhooks", 8),
    "worker-housekeeping": ("housekeeping", 4),
}


def steps(layout: Layout, environment: dict[str, str], dispatch_every: float | None) -> list[Child]:
    """What must be done, once, before anything else runs: migrations, and the demonstration's
    tenants.
    """
    enrol = [
        "enrol_demonstration",
        f"--simulator-wa={layout.url('simulator_wa', 'https')}",
        f"--simulator-smp={layout.url('simulator_smp', 'https')}",
        f"--simulator-control={layout.url('simulator_control', 'http')}",
    ]
    if dispatch_every is not None:
        enrol.append(f"--dispatch-every={dispatch_every}")
    return [
        _command(layout, environment, "migrate", ["migrate", "--verbosity=0"], once=True),
        _command(layout, environment, "enrol", enrol, once=True),
    ]


def services(layout: Layout, environment: dict[str, str]) -> list[Child]:
    """What keeps running; all of it starts together."""
    ports = layout.ports
    beat = [
        "-m",
        *f"celery --quiet -A hostsvc beat --loglevel WARNING --schedule {layout.var}/beat".split(),
    ]
    return [
        _command(
            layout,
            environment,
            "simulator",
            ["simulate_ngeso", f"--config={layout.var}/demo/simulator.json"],
            port=ports["simulator_control"],
        ),
        _command(layout, environment, "gateway", ["run_gateway"], port=ports["edl"]),
        _command(layout, environment, "inbound", ["run_inbound"], port=ports["inbound"]),
        _command(layout, environment, "files", ["run_file_server"], port=ports["ftps"]),
        _web(layout, environment, "web", "app"),
        _web(layout, environment, "admin", "staff"),
        *(_program(layout, environment, name, _worker(*work)) for name, work in _WORKERS.items()),
        _program(layout, environment, "beat", beat),
    ]


def control_points(layout: Layout, environment: dict[str, str]) -> Child:
    """The demonstration's own control points, redeclaring and answering now and then."""
    return _command(layout, environment, "control points", ["run_control_points"])


def rehearsal(layout: Layout, environment: dict[str, str]) -> Child:
    """The script of a demonstration. It ends by itself, and begins once all else is ready."""
    staff = {**environment, "HOSTSVC_DATABASE_ROLE": "staff", "HOSTSVC_LOG_LEVEL": "ERROR"}
    child = _command(layout, staff | _terminal(), REHEARSAL, ["run_demo"])
    return replace(child, restart=False, alongside=False)


def _terminal() -> dict[str, str]:
    """What its lines are shown on in the end, which are written to its log."""
    if not sys.stdout.isatty():
        return {}
    return {"FORCE_COLOR": "1", "COLUMNS": str(shutil.get_terminal_size().columns)}


def _worker(queue: str, threads: int) -> list[str]:
    words = (
        f"celery --quiet -A hostsvc worker --pool threads --queues {queue} --hostname {queue}@%h"
        f" --concurrency {threads} --loglevel WARNING --without-gossip"
        " --without-mingle --without-heartbeat"
    )
    return ["-m", *words.split()]


def _web(layout: Layout, environment: dict[str, str], name: str, role: str) -> Child:
    port = layout.ports[name]
    argv = ["-m", "uvicorn", "hostsvc.asgi:application", "--host=127.0.0.1", f"--port={port}"]
    return _program(
        layout,
        {**environment, "HOSTSVC_DATABASE_ROLE": role},
        name,
        # Whose word on a client's address is taken, the application decides itself.
        # Event streams do not end by themselves.
        [
            *(*argv, "--lifespan=off", "--no-proxy-headers", "--no-access-log"),
            *("--log-level=warning", "--timeout-graceful-shutdown=5"),
        ],
        port=port,
    )


def _command(
    layout: Layout,
    environment: dict[str, str],
    name: str,
    argv: list[str],
    *,
    port: int | None = None,
    once: bool = False,
) -> Child:
    return _program(layout, environment, name, ["manage.py", *argv], port=port, once=once)


def _program(
    layout: Layout,
    environment: dict[str, str],
    name: str,
    argv: list[str],
    *,
    port: int | None = None,
    once: bool = False,
) -> Child:
    """A Python program of ours; `port` is where it listens once it is ready."""
    if name in MEASURED:
        environment = {
            **environment,
            "HOSTSVC_METRICS_LISTEN": layout.address(f"metrics_{name}"),
        }
    return Child(
        name=name,
        argv=[sys.executable, *argv],
        env=environment,
        cwd=ROOT,
        log=layout.log(name.replace(" ", "-")),
        ready=partial(tcp_ready, "127.0.0.1", port) if port else None,
        once=once,
        alongside=not once and name != "simulator",
        ready_seconds=STEP_SECONDS if once else START_SECONDS,
    )
