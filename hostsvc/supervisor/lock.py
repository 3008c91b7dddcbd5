"""A lock file that names its holder and that a killed holder cannot leave behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path


class LockHeld(Exception):
    """Someone else holds the lock; `pid` is theirs, or None where it cannot be read."""

    def __init__(self, path: Path, pid: int | None, refusal: str) -> None:
        self.path = path
        self.pid = pid
        text = refusal.replace("{path}", str(path)).replace("{pid}", str(pid or "unknown"))
        super().__init__(text)


class LockUnusable(Exception):
    """The lock file can be neither opened nor made; the text says why."""


class Lock:
    """An exclusive flock; children do not inherit it unless handed the descriptor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor: int | None = None

    def acquire(
        self, wait_seconds: float = 0.0, *, refusal: str = "{path} is held by pid {pid}"
    ) -> None:
        """Take it, or after that long raise LockHeld with `refusal` as its text.

        LockUnusable where there is no writing the file.
        """
        descriptor = self._open()
        deadline = time.monotonic() + wait_seconds
        while not self._try(descriptor):
            if time.monotonic() >= deadline:
                pid = read_pid(descriptor)
                os.close(descriptor)
                raise LockHeld(self.path, pid, refusal)
            time.sleep(0.05)
        self.descriptor = descriptor
        self.name(os.getpid())

    def name(self, pid: int) -> None:
        """Write whose it is, for whoever is refused; on a full disk it is held all the same."""
        if self.descriptor is not None:
            with contextlib.suppress(OSError):
                os.truncate(self.descriptor, 0)
                os.pwrite(self.descriptor, f"{pid}\n".encode(), 0)

    def release(self) -> None:
        """Give it back; the file stays, since removing it would let two hold it."""
        if self.descriptor is not None:
            os.truncate(self.descriptor, 0)
            os.close(self.descriptor)
            self.descriptor = None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a child must inherit to hold the lock as well, until it ends."""
        return () if self.descriptor is None else (self.descriptor,)

    def _open(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise LockUnusable(f"{self.path} cannot be written: {error.strerror}") from error

    @staticmethod
    def _try(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def read_pid(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
    return int(text) if text.isdecimal() else None
