"""One child as it lives: its start, readiness, end, next try and killing."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable

from hostsvc.supervisor.child import Child, ChildState, Event, EventKind, Status
from hostsvc.supervisor.kin import MARK, kill_family, send
from hostsvc.supervisor.spawn import spawn
from hostsvc.supervisor.words import cause, size, tail

FIRST_DELAY, LONGEST_DELAY = 0.2, 5.0
# Having lived this long, a child that ends is tried again as if for the first time.
SETTLED_SECONDS = 30.0
READY_POLL = 0.02
# One that cannot say when it is ready, and has lived this long, was at least no misspelt command.
ALIVE_SECONDS = 0.25


class Ward:
    """The mutable side of a Child; every method returns at once."""

    def __init__(self, child: Child, tell: Callable[[Event], None]) -> None:
        self.child = child
        self.tell = tell
        self.mark = secrets.token_hex(8)
        self.status = Status.WAITING
        self.since = time.monotonic()
        self.restarts = 0
        self.exit_code: int | None = None
        self.running: subprocess.Popen[bytes] | None = None
        self._delay = FIRST_DELAY
        self._next_start = 0.0
        self._slow = False
        self._trouble = ""
        self._log_from = 0
        self._stop_at: float | None = None

    @property
    def state(self) -> ChildState:
        pid = self.running.pid if self.running else None
        return ChildState(self.child.name, self.status, pid, self.restarts, self.since)

    def start(self) -> int | None:
        """Start it and give its pid; None when it cannot be started, which counts as its end."""
        self._slow = False
        self._trouble = ""
        try:
            self.running = self._spawn()
        except OSError as error:
            self._trouble = f"could not be started: {error}"
            self._after_end()
            return None
        self._become(Status.STARTING)
        self._tell(EventKind.STARTED, f"pid {self.running.pid}")
        return self.running.pid

    def _spawn(self) -> subprocess.Popen[bytes]:
        child = self.child
        child.log.parent.mkdir(parents=True, exist_ok=True)
        self._log_from = size(child.log)
        return spawn(
            child.argv,
            log=child.log,
            env=({} if child.whole_env else inherited()) | dict(child.env) | {MARK: self.mark},
            death_signal=child.stop_signal,
            identity=child.identity,
            cwd=child.cwd,
        )

    def check_ready(self) -> None:
        """From STARTING to READY when it says so; once too late, that is told."""
        if self.status is not Status.STARTING or self.child.once:
            return
        if self._seems_ready():
            self._become(Status.READY)
            self._tell(EventKind.READY)
        elif self.is_late() and not self._slow:
            self._slow = True
            self._tell(EventKind.SLOW, f"not ready after {self.child.ready_seconds:.0f} s")

    def _seems_ready(self) -> bool:
        if self.child.ready is not None:
            return self.child.ready()
        return time.monotonic() - self.since > ALIVE_SECONDS

    def is_late(self) -> bool:
        waited = time.monotonic() - self.since
        return self.status is Status.STARTING and waited > self.child.ready_seconds

    def check_end(self) -> int | None:
        """The pid that has ended, its group being killed with it; None while it runs."""
        if self.running is None or not has_ended(self.running.pid):
            return None
        pid = self.running.pid
        # Before it is reaped its number is its own, so that no stranger's group can be hit.
        kill_family(pid, self.mark)
        self.exit_code = self.running.wait()
        self.running = None
        self._after_end()
        return pid

    def _after_end(self) -> None:
        if self._stop_at is not None:
            self._become(Status.STOPPED)
            self._tell(EventKind.STOPPED)
        elif self.child.once and self.exit_code == 0:
            self._become(Status.ENDED)
            self._tell(EventKind.READY)
        elif self.child.restart and not self.child.once:
            self._plan_restart()
        else:
            self._become(Status.ENDED)
            self._tell(EventKind.ENDED, self.how_it_ended())

    def _plan_restart(self) -> None:
        if time.monotonic() - self.since > SETTLED_SECONDS:
            self._delay = FIRST_DELAY
        self._tell(EventKind.ENDED, f"{self.how_it_ended()}; starting again in {self._delay:g} s")
        self._next_start = time.monotonic() + self._delay
        self._delay = min(2 * self._delay, LONGEST_DELAY)
        self._become(Status.RESTARTING)

    def is_due(self) -> bool:
        return self.status is Status.RESTARTING and time.monotonic() >= self._next_start

    def restart(self) -> int | None:
        self.restarts += 1
        return self.start()

    def ask_to_stop(self) -> None:
        self._stop_at = time.monotonic()
        if self.running is None:
            if self.status is Status.RESTARTING:
                self._become(Status.STOPPED)
            return
        self._tell(EventKind.STOPPING)
        send(self.running.pid, self.child.stop_signal)

    def kill_if_late(self, *, at_once: bool) -> None:
        """Kill it and everything seen below it, once its time to stop is over."""
        if self.running is None or self._stop_at is None:
            return
        if at_once or time.monotonic() - self._stop_at > self.child.stop_seconds:
            self._tell(EventKind.KILLED, "it did not stop in time")
            kill_family(self.running.pid, self.mark)

    def how_it_ended(self) -> str:
        if self._trouble:
            return self._trouble
        code = self.exit_code or 0
        if code < 0:
            return f"by {signal.Signals(-code).name}"
        why = cause(self.last_words(lines=40))
        return f"with code {code} ({why})" if why else f"with code {code}"

    def last_words(self, lines: int = 12) -> str:
        """The end of what it has written since its last start."""
        return tail(self.child.log, lines, since=self._log_from)

    def _become(self, status: Status) -> None:
        self.status = status
        self.since = time.monotonic()

    def _tell(self, kind: EventKind, detail: str = "") -> None:
        self.tell(Event(kind, self.child.name, detail))


def has_ended(pid: int) -> bool:
    """Whether our child has ended, without reaping it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def inherited() -> dict[str, str]:
    """Our environment for a child; without compiled modules each start takes four times as long."""
    return {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
