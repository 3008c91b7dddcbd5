"""Starts one program so that it cannot outlive us: own session, and a death signal on Linux."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")


def launched(
    argv: Sequence[str], *, death_signal: signal.Signals, identity: str = "plain"
) -> list[str]:
    """The command line that runs argv under launch.py, as a child of this very program.

    `identity` is launch.py's third argument; only Linux knows more than "plain" and "user".
    """
    if identity == "plain" and sys.platform != "linux":
        return list(argv)
    order = [str(os.getpid()), str(int(death_signal)), identity]
    return [sys.executable, "-I", "-S", str(LAUNCH), *order, *argv]


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    death_signal: signal.Signals = signal.SIGTERM,
    identity: str = "plain",
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start argv with this whole environment, its output appended to `log` (0600).

    Only from the main thread: the kernel sends the death signal when the starting *thread* ends.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("children are started from the main thread only")
    with open(log, "ab", opener=private) as output:
        return subprocess.Popen(
            launched(argv, death_signal=death_signal, identity=identity),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def private(path: str, flags: int) -> int:
    """An opener for files that only their owner may read."""
    return os.open(path, flags, 0o600)
