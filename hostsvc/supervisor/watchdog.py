"""Outlives a killed supervisor for as long as it takes to end what that one had started.

Run with -m. It reads lines from a pipe whose other end only the supervisor holds: "+PID SIGNAL
SECONDS MARK" for a child started, "-PID" for one that has ended. The end of the pipe means that
the supervisor is gone: with children left, it was killed.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hostsvc.supervisor.kin import exists, kill_family, send

POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Orphan:
    """A child, orphaned once the supervisor is gone."""

    pid: int
    stop_signal: signal.Signals
    stop_seconds: float
    mark: str


def main() -> None:
    # A signal for everyone in sight must not take the last one who can tidy up.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end(watch(sys.stdin))


def watch(lines: Iterable[str]) -> Collection[Orphan]:
    """The children that are left when the pipe closes."""
    children: dict[int, Orphan] = {}
    for line in lines:
        pid, *rest = line[1:].split()
        if line.startswith("+"):
            number, seconds, mark = rest
            signal_number = signal.Signals(int(number))
            children[int(pid)] = Orphan(int(pid), signal_number, float(seconds), mark)
        else:
            children.pop(int(pid), None)
    return children.values()


def end(orphans: Collection[Orphan]) -> None:
    """Ask each to stop, give it its time, then kill what is left of it and of its family."""
    started = time.monotonic()
    if sys.platform != "linux":  # where the kernel has not asked already
        for orphan in orphans:
            send(orphan.pid, orphan.stop_signal, group=True)
    while waiting := [orphan for orphan in orphans if exists(orphan.pid)]:
        for orphan in waiting:
            if time.monotonic() - started > orphan.stop_seconds:
                kill_family(orphan.pid, orphan.mark)
        time.sleep(POLL_SECONDS)
    for orphan in orphans:
        kill_family(orphan.pid, orphan.mark)


if __name__ == "__main__":
    main()
