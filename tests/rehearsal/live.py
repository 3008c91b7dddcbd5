"""The stack as a person starts it: `python -m hostsvc.stack` on a terminal and in a folder of its
own, stopped with Ctrl-C.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from hostsvc.supervisor.spawn import launched
from tests.servers import ROOT

START_SECONDS = 180
STOP_SECONDS = 60
# What would lead the stack, or a command beside it, to other servers than its own.
_ELSEWHERE = ("DATABASE_", "REDIS_URL", "HOSTSVC_", "DJANGO_")
_COLUMNS, _LINES = 120, 60


def clean_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_ELSEWHERE)}
    return {**kept, **(more or {})}


def left_over(var: Path) -> list[str]:
    """Programs of a stack in that folder that still run; none is seen where there is no /proc."""
    wanted = f"HOSTSVC_VAR={var}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


class LiveStack:
    """A stack on a terminal. What it has shown is read all the time, as a person would."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self._shown = bytearray()
        self._terminal, inner = pty.openpty()
        os.set_blocking(self._terminal, True)
        self._program = subprocess.Popen(
            launched(
                [sys.executable, "-m", "hostsvc.stack", "--var", str(var)],
                death_signal=signal.SIGTERM,
            ),
            cwd=ROOT,
            env=clean_environment(
                {"TERM": "xterm-256color", "COLUMNS": str(_COLUMNS), "LINES": str(_LINES)}
            ),
            stdin=inner,
            stdout=inner,
            stderr=inner,
            preexec_fn=_own_terminal,
        )
        os.close(inner)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def shown(self) -> str:
        """All it has written so far, without colours and movements."""
        text = bytes(self._shown).decode(errors="replace")
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)

    def await_shown(self, words: str, seconds: float = START_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while words not in self.shown:
            assert self._program.poll() is None, self.shown[-3000:]
            assert time.monotonic() < deadline, self.shown[-3000:]
            time.sleep(0.1)

    def interrupt(self) -> int:
        """Ctrl-C; its exit code."""
        os.write(self._terminal, b"\x03")
        return self._program.wait(STOP_SECONDS)

    def end(self) -> None:
        """However it stands."""
        if self._program.poll() is None:
            self._program.terminate()
            self._program.wait(STOP_SECONDS)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command typed beside it, in another terminal."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=clean_environment({"HOSTSVC_ENV_FILE": str(self.var / "hostsvc.env")}),
            capture_output=True,
            text=True,
            check=False,
        )

    def _read(self) -> None:
        while True:
            try:
                read = os.read(self._terminal, 65536)
            except OSError:
                return
            if not read:
                return
            self._shown += read


def _own_terminal() -> None:
    """A session of its own, whose terminal standard input is."""
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
