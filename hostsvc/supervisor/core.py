"""The supervisor itself: start in order, keep running, stop in reverse, leave nothing behind."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hostsvc.supervisor.child import Child, ChildState, Event, Status
from hostsvc.supervisor.guard import Guard
from hostsvc.supervisor.lock import Lock, LockHeld, LockUnusable
from hostsvc.supervisor.signals import Wakeup
from hostsvc.supervisor.terminal import say, say_event
from hostsvc.supervisor.ward import READY_POLL, Ward

# How long a new start waits for the children of a killed one to end.
LEFTOVER_SECONDS = 40.0


class StartError(Exception):
    """A child did not come up; the text says which and why, with the end of its log."""


class Supervisor:
    """Runs children until a signal, `stop()`, or a failure to start.

    `children` may be a function: it is called once the lock is held, and may prepare what they
    need. `tick` is called from the main loop every `tick_seconds` at the latest, `on_ready` once
    all are ready. Everything happens in the main thread.
    """

    def __init__(
        self,
        children: Sequence[Child] | Callable[[], Sequence[Child]],
        lock: Path,
        *,
        on_event: Callable[[Event], None] = say_event,
        on_ready: Callable[[], None] | None = None,
        tick: Callable[[], None] | None = None,
        tick_seconds: float = 0.25,
        title: str = "hostsvc",
    ) -> None:
        self.children = children
        self.lock = lock
        self.on_event = on_event
        self.on_ready = on_ready
        self.tick = tick
        self.tick_seconds = tick_seconds
        self.title = title
        self.wards: list[Ward] = []
        self._stages: list[list[Ward]] = []
        self._wakeup = Wakeup()
        self._guard = Guard(Lock(lock.with_name(f"{lock.name}.children")))
        self._next_tick = 0.0
        self._asked = False
        self._code = 0

    def states(self) -> list[ChildState]:
        """A row for each child, in the order of their start."""
        return [ward.state for ward in self.wards]

    def stop(self, code: int = 0) -> None:
        """Have run() stop everything and return this code; from a callback."""
        self._asked = True
        self._code = code

    def run(self) -> int:
        """Start, stay, stop; 0 after a signal or stop(), 1 when it could not start."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("a supervisor runs in the main thread only")
        try:
            with self._alone(), self._wakeup:
                self._run()
        except (LockHeld, LockUnusable, StartError) as error:
            say(f"{self.title}: {error}", stream=sys.stderr)
            return 1
        except KeyboardInterrupt:  # while waiting for a lock: nothing has been started
            return 1
        return self._code

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the locks: our own, and the one of the children that a killed run left ending."""
        own = Lock(self.lock)
        with ExitStack() as stack:
            own.acquire(
                refusal="already running here (pid {pid}): stop it first,"
                " with Ctrl-C there or kill {pid}"
            )
            stack.callback(own.release)
            self._await_leftovers()
            stack.callback(self._guard.lock.release)
            self._guard.start()
            stack.callback(self._guard.stop)
            yield

    def _await_leftovers(self) -> None:
        refusal = "the programs of a killed run have not ended yet (their watchdog is pid {pid})"
        try:
            self._guard.lock.acquire()
        except LockHeld:
            say(f"{self.title}: waiting for the programs of a killed run to end")
            self._guard.lock.acquire(LEFTOVER_SECONDS, refusal=refusal)

    def _run(self) -> None:
        try:
            children = self.children() if callable(self.children) else self.children
            self._stages = stages([Ward(child, self.on_event) for child in children])
            self.wards = [ward for stage in self._stages for ward in stage]
            for stage in self._stages:
                self._start(stage)
            if self.on_ready is not None and not self._stopping:
                self.on_ready()
            while not self._stopping:
                self._pulse()
        finally:
            self._stop_all()

    @property
    def _stopping(self) -> bool:
        return self._asked or self._wakeup.requests > 0

    def _start(self, stage: list[Ward]) -> None:
        """Start a stage and wait until all of it is ready, or raise StartError."""
        if self._stopping:
            return
        for ward in stage:
            self._note(ward, ward.start())
        while not self._stopping:
            self._pulse(first=True)
            for ward in stage:
                refuse_failure(ward)
            if all(is_up(ward) for ward in stage):
                return

    def _pulse(self, *, first: bool = False) -> None:
        """One turn of the loop: sleep a little, then see to every child."""
        starting = first or any(ward.status is Status.STARTING for ward in self.wards)
        self._wakeup.wait(READY_POLL if starting else self.tick_seconds)
        self._guard.check()
        self._bury()
        for ward in self.wards:
            if ward.is_due() and not self._stopping:
                self._note(ward, ward.restart())
            ward.check_ready()
        self._call_tick()

    def _note(self, ward: Ward, pid: int | None) -> None:
        if pid is not None:
            self._guard.add(pid, ward)

    def _bury(self) -> None:
        for ward in self.wards:
            pid = ward.check_end()
            if pid is not None:
                self._guard.remove(pid)

    def _call_tick(self) -> None:
        now = time.monotonic()
        if self.tick is not None and now >= self._next_tick:
            self._next_tick = now + self.tick_seconds
            self.tick()

    def _stop_all(self) -> None:
        """Stop stage by stage, last started first; a second request kills them all."""
        patience = max(1, self._wakeup.requests)
        for stage in reversed(self._stages):
            for ward in stage:
                ward.ask_to_stop()
            while any(ward.running for ward in stage):
                for ward in stage:
                    ward.kill_if_late(at_once=self._wakeup.requests > patience)
                self._wakeup.wait(READY_POLL)
                self._bury()
                self._call_tick()


def stages(wards: list[Ward]) -> list[list[Ward]]:
    """Those that start together, in order."""
    found: list[list[Ward]] = []
    for ward in wards:
        if ward.child.alongside and found:
            found[-1].append(ward)
        else:
            found.append([ward])
    return found


def is_up(ward: Ward) -> bool:
    if ward.child.once:
        return ward.status is Status.ENDED and ward.exit_code == 0
    return ward.status is Status.READY


def refuse_failure(ward: Ward) -> None:
    """Raise StartError for a child that ended, or is not ready in time, at the first start."""
    if is_up(ward):
        return
    if ward.status in (Status.RESTARTING, Status.ENDED):
        why = f"ended: {ward.how_it_ended()}"
    elif ward.is_late():
        why = f"was not ready within {ward.child.ready_seconds:.0f} s"
    else:
        return
    words = ward.last_words()
    ending = f"; the end of {ward.child.log}:\n{words}" if words else f"; {ward.child.log} is empty"
    raise StartError(f"{ward.child.name} {why}{ending}")
