"""The supervisor's end of the watchdog: keeps one running and tells it of every child."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

from hostsvc.supervisor.lock import Lock
from hostsvc.supervisor.ward import Ward

ROOT = Path(__file__).parent.parent.parent


class Guard:
    """Owns a watchdog, which also holds `lock`: as long as that is held, children may be left."""

    def __init__(self, lock: Lock) -> None:
        self.lock = lock
        self.children: dict[int, Ward] = {}
        self.watchdog: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.watchdog = subprocess.Popen(
            [sys.executable, "-m", "hostsvc.supervisor.watchdog"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            pass_fds=self.lock.descriptors,
        )
        self.lock.name(self.watchdog.pid)
        for pid in self.children:
            self._tell_of(pid)

    def check(self) -> None:
        """Start another where the watchdog has been killed."""
        if self.watchdog is not None and self.watchdog.poll() is not None:
            self._close()
            self.start()

    def add(self, pid: int, ward: Ward) -> None:
        self.children[pid] = ward
        self._tell_of(pid)

    def remove(self, pid: int) -> None:
        self.children.pop(pid, None)
        self._write(f"-{pid}")

    def stop(self) -> None:
        """With every child removed it ends at once; with some left it ends them."""
        self._close()
        if self.watchdog is not None:
            self.watchdog.wait()
            self.watchdog = None

    def _tell_of(self, pid: int) -> None:
        ward = self.children[pid]
        child = ward.child
        self._write(f"+{pid} {int(child.stop_signal)} {child.stop_seconds} {ward.mark}")

    def _write(self, line: str) -> None:
        # A broken pipe is a killed watchdog: check() starts another and tells it everything.
        if self.watchdog is not None and self.watchdog.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                self.watchdog.stdin.write(line + "\n")
                self.watchdog.stdin.flush()

    def _close(self) -> None:
        if self.watchdog is not None and self.watchdog.stdin is not None:
            with contextlib.suppress(OSError):
                self.watchdog.stdin.close()
