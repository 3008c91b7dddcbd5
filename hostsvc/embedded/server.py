"""What the embedded servers share: a folder of their own, its lock, a child, readiness, an end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from hostsvc.embedded.errors import EmbeddedError
from hostsvc.supervisor.child import Child
from hostsvc.supervisor.kin import end, leaders, send, working_in
from hostsvc.supervisor.lock import Lock, LockHeld, LockUnusable
from hostsvc.supervisor.ports import free_ports, is_free, loopback_answers
from hostsvc.supervisor.spawn import spawn
from hostsvc.supervisor.words import size, tail

READY_SECONDS = 60.0
LOG_LIMIT = 8 * 2**20
PORT_TAKEN = "ddress already in use"
# What a server needs to run; nothing of ours (PGDATA, say) may change what it does.
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")


class EmbeddedServer(ABC):
    """A server on 127.0.0.1 that lives in `directory` and dies with this program.

    Either `start()` it here (from the main thread), or `prepare()` it and give `child()` to a
    supervisor; in both cases `stop()` ends it and gives the directory back.
    """

    name: ClassVar[str]
    programs: ClassVar[Sequence[str]]
    steps: ClassVar[Sequence[tuple[signal.Signals, float]]]

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        self.directory = directory.absolute()
        self.log = self.directory / f"{self.name}.log"
        self.wanted_port = port
        self.port = 0
        self.running: subprocess.Popen[bytes] | None = None
        self.lock = Lock(self.directory / "lock")
        self._log_from = 0

    @abstractmethod
    def arrange(self) -> None:
        """Bring the files in the directory into a state from which the program starts."""

    @abstractmethod
    def argv(self) -> list[str]:
        """The server's command line, without launch.py."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers, and is set up."""

    @property
    @abstractmethod
    def home(self) -> Path:
        """The server's working directory, by which an orphan of it is known."""

    def identity_word(self) -> str:
        return "plain"

    @property
    def env(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return {"PATH": os.defpath, **kept, "LC_ALL": "C", "TZ": "UTC"}

    def prepare(self) -> None:
        """Take the directory, end an orphan in it, lay out files, choose a port; start nothing."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.lock.acquire(refusal=f"{self.name} in {self.directory} is in use by pid {{pid}}")
        except (LockHeld, LockUnusable) as error:
            raise EmbeddedError(str(error)) from None
        except OSError as error:
            raise self._unusable(error) from error
        try:
            self._prepare()
        except BaseException:
            self.lock.release()
            raise

    def _prepare(self) -> None:
        if not loopback_answers():
            raise EmbeddedError(
                f"{self.name} cannot be reached: nothing answers at 127.0.0.1, so this machine's"
                " loopback interface is down (on Linux, as root: ip link set lo up)"
            )
        self.end_orphans()
        try:
            self._shorten_log()
            self.port = self._choose_port()
            self.arrange()
        except OSError as error:
            raise self._unusable(error) from error

    def start(self) -> None:
        """Prepare, start, wait until it answers; raises EmbeddedError and then leaves nothing."""
        self.prepare()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        for _ in range(5):
            self._log_from = size(self.log)
            self.running = spawn(
                self.argv(),
                log=self.log,
                env=self.env,
                death_signal=self.steps[0][0],
                identity=self.identity_word(),
            )
            if self._await_ready(self.running):
                return
            if self.wanted_port is not None or PORT_TAKEN not in self._last_words():
                break
            self.port = self._choose_port(again=True)
            self.arrange()
        raise EmbeddedError(f"{self.name} did not start; the end of its log:\n{self._last_words()}")

    def _await_ready(self, running: subprocess.Popen[bytes]) -> bool:
        """True when it answers, False when it ended; raises when it does neither in time."""
        deadline = time.monotonic() + READY_SECONDS
        while running.poll() is None:
            if self.ready():
                return True
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"{self.name} was not ready within {READY_SECONDS:.0f} s;"
                    f" the end of its log:\n{self._last_words()}"
                )
            time.sleep(0.01)
        return False

    def _last_words(self) -> str:
        return tail(self.log, since=self._log_from)

    def child(self) -> Child:
        """For a supervisor, after prepare(): it starts, watches, restarts and stops it."""
        return Child(
            name=self.name,
            argv=tuple(self.argv()),
            log=self.log,
            env=self.env,
            whole_env=True,
            identity=self.identity_word(),
            ready=self.ready,
            ready_seconds=READY_SECONDS,
            stop_signal=self.steps[0][0],
            stop_seconds=self.steps[0][1],
        )

    def stop(self) -> None:
        """End it in bounded time; again, or when it never started, it does nothing."""
        running, self.running = self.running, None
        try:
            if running is not None:
                self._stop(running)
        finally:
            self.lock.release()

    def _stop(self, running: subprocess.Popen[bytes]) -> None:
        for number, seconds in self.steps:
            send(running.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(seconds)
                break
        else:
            send(running.pid, signal.SIGKILL, group=True)
            running.wait()
        self.end_orphans()

    def end_orphans(self) -> None:
        """End whatever a killed program left running on this directory, which we hold locked."""
        first = leaders(working_in(self.home, self.programs))
        # PostgreSQL's parts each read a signal in their own way: only their parent is asked. More
        # than one without a parent among them means that it is gone.
        if len(first) == 1:
            end(first, self.steps)
        left = working_in(self.home, self.programs)
        if not end(left, [(signal.SIGKILL, 5.0)]):
            raise EmbeddedError(f"an earlier {self.name} does not end (pid {left[0]})")

    def _choose_port(self, *, again: bool = False) -> int:
        if self.wanted_port is not None:
            if not is_free(self.wanted_port):
                raise EmbeddedError(f"port {self.wanted_port}, wanted for {self.name}, is taken")
            return self.wanted_port
        memory = self.directory / "port"
        if again:
            memory.unlink(missing_ok=True)
        return free_ports(1, remember=memory)[0]

    def _shorten_log(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))

    def _unusable(self, error: OSError) -> EmbeddedError:
        reason = error.strerror or str(error)
        return EmbeddedError(f"{error.filename or self.directory} is not usable: {reason}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
