"""Further processes of a running stack, with settings of their own: a gateway or an inbound
application that a test may starve, flood and cut off without harm to the stack's.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hostsvc.supervisor import free_ports, tcp_ready
from tests.e2e.rig import Rig, clean_environment
from tests.servers import ROOT


@dataclass(frozen=True, slots=True)
class Beside:
    """One of them, listening on a port of this machine."""

    port: int
    process: subprocess.Popen[bytes]

    def resident(self) -> int:
        """Kilobytes of memory that it takes up."""
        return self._status("VmRSS:")

    def most_resident(self) -> int:
        """The most that it ever took up."""
        return self._status("VmHWM:")

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name))


@contextmanager
def beside(stack: Rig, command: str, listen: str, **settings: object) -> Iterator[Beside]:
    """Runs `manage.py COMMAND` on the stack's database; `listen` is the setting for its address."""
    (port,) = free_ports(1)
    changed = {name: str(value) for name, value in settings.items()}
    environment = {**clean_environment(), **stack.environment, **changed}
    with (stack.var / f"{command}-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", command],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**environment, listen: f"127.0.0.1:{port}"},
        )
    try:
        stack.until(lambda: tcp_ready("127.0.0.1", port), 60)
        yield Beside(port, process)
    finally:
        for ending in (signal.SIGTERM, signal.SIGCONT):
            process.send_signal(ending)
        process.wait(30)
