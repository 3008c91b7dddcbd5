"""Finds programs that run already, by their mark or by their folder, and ends them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path

# In the environment of a child and of all below it: known by this, wherever they have gone.
MARK = "HOSTSVC_CHILD"


def marked(mark: str) -> list[int]:
    """Every program with that mark, whoever its parent is by now; none where there is no /proc."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError):
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def working_in(directory: Path, programs: Collection[str]) -> list[int]:
    """Pids of those programs (base names) whose working directory, or command line, is there."""
    if sys.platform != "linux":
        return _by_command_line(directory, programs)
    found = []
    wanted = str(directory.resolve())
    for pid in _pids():
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/cwd") == wanted and _command(pid) in programs:
                found.append(pid)
    return found


def leaders(pids: Collection[int]) -> list[int]:
    """Those whose parent is not among them; all of them where there is no /proc."""
    return [pid for pid in pids if (fields := _stat(pid)) is None or int(fields[1]) not in pids]


def end(pids: Collection[int], steps: Collection[tuple[signal.Signals, float]]) -> bool:
    """Signal them in steps, each with seconds to wait; True once none is left."""
    for number, seconds in steps:
        for pid in pids:
            send(pid, number)
        deadline = time.monotonic() + seconds
        while any(exists(pid) for pid in pids):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return True
    return False


def kill_family(leader: int, mark: str) -> None:
    """Kill the leader's group, and those with its mark who had left it."""
    send(leader, signal.SIGKILL, group=True)
    for pid in marked(mark):
        send(pid, signal.SIGKILL)


def send(pid: int, number: signal.Signals, *, group: bool = False) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        (os.killpg if group else os.kill)(pid, number)


def exists(pid: int) -> bool:
    """Whether it still runs: one that only waits to be reaped does not."""
    if sys.platform != "linux":
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            return True
        return False
    fields = _stat(pid)
    return fields is not None and fields[0] not in "ZX"


def _pids() -> list[int]:
    if sys.platform != "linux":
        return []
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/pid/stat from the third on (the second may hold anything)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()


def _by_command_line(directory: Path, programs: Collection[str]) -> list[int]:
    listing = subprocess.run(
        ["ps", "-axo", "pid=,command="], capture_output=True, text=True, check=False
    )
    found = []
    for line in listing.stdout.splitlines():
        pid, _, command = line.strip().partition(" ")
        if str(directory) in command and Path(command.split(" ")[0]).name in programs:
            found.append(int(pid))
    return found
