"""A file while it is being written: within its trading point's quota, and locked, so that nobody
takes it before it is closed, whichever process that would be.

The lock is the operating system's (flock, shared by those who write): it goes with the process that
holds it, and a file of which it can be had alone has no writer left. Whether the last one came to
the end of it, its mode tells: under a final name it is marked from when it is there until it is
closed, so that what a killed process was writing is not taken for whole.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from messaging.transports.directories import UNFINISHED, Directories

LONGEST_NAME = 100
"""Bytes; with what is added to it in the directories that only the host sees, a name stays within
the file system's 255.
"""

STEP = 1024 * 1024
"""Bytes that a file may grow by before the quota is looked at anew."""

_WHOLE = 0o600
_HALF = _WHOLE | stat.S_IXUSR
"""Of a file that is being written, or whose writer died: a mode that a file has no use for."""

_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Limits:
    """What a trading point may leave in `outgoing`: bytes, and files."""

    size: int
    files: int

    @classmethod
    def of_vendor(cls) -> Limits:
        return cls(settings.FILES_QUOTA_MB * 2**20, settings.FILES_QUOTA)


class Upload:
    """An open file. Every method raises OSError; after one of `write` the file is gone."""

    def __init__(self, folder: Path, name: str, descriptor: int, limits: Limits) -> None:
        self.name = name
        self._folder = folder
        self._descriptor = descriptor
        self._limits = limits
        self._may_reach = 0
        self.is_open = True
        self.appends = False
        """Whether it is only ever written at its end."""

    @classmethod
    def begin(
        cls,
        directories: Directories,
        name: str,
        limits: Limits,
        *,
        create: bool,
        empty: bool,
        exclusive: bool,
    ) -> Upload:
        """With `empty` what was there is cut off; with `exclusive` nothing may be there."""
        folder = directories.outgoing
        flags = _WRITE | (os.O_EXCL if exclusive else 0)
        if create and not (folder / name).exists():
            files, size = count_in(folder)
            if files >= limits.files or size >= limits.size:
                raise OSError(errno.EDQUOT, f"quota: at most {_told(limits)}")
            flags |= os.O_CREAT
        descriptor = os.open(folder / name, flags, _HALF if is_final(name) else _WHOLE)
        try:
            _lock(descriptor)
            upload = cls(folder, name, descriptor, limits)
            if not upload._is_at(name):
                raise _being_taken()
            upload._mark()
            if empty:
                os.ftruncate(descriptor, 0)
        except OSError:
            os.close(descriptor)
            raise
        return upload

    @property
    def is_final(self) -> bool:
        """Whether it is written under a name that it may be taken by."""
        return is_final(self.name)

    @property
    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def status(self) -> os.stat_result:
        return os.fstat(self._descriptor)

    def write(self, data: bytes, offset: int) -> int:
        self._require_room(offset + len(data))
        self._mark()
        written = 0
        while written < len(data):
            written += os.pwrite(self._descriptor, data[written:], offset + written)
        return written

    def settle(self) -> None:
        """To the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """It is complete, as far as its writer says."""
        if self.is_open:
            self.is_open = False
            try:
                os.fsync(self._descriptor)
                if self.is_final:
                    os.fchmod(self._descriptor, _WHOLE)
                    os.fsync(self._descriptor)
            finally:
                os.close(self._descriptor)

    def break_off(self) -> None:
        """Its writer went without closing it. Under a final name it must not be taken for whole."""
        if self.is_open:
            if self.is_final and self._is_at(self.name):
                put_aside(self._folder / self.name, self._descriptor, self._folder, self.name)
            self.is_open = False
            os.close(self._descriptor)

    def _mark(self) -> None:
        """Anew with each write: another who wrote to it may have closed it."""
        if self.is_final and is_whole(self._descriptor):
            os.fchmod(self._descriptor, _HALF)

    def _require_room(self, end: int) -> None:
        """Others may write at the same time, so the quota can be passed by a step of each."""
        if end <= self._may_reach:
            return
        _, used = count_in(self._folder)
        left = self._limits.size - (used - self.size)
        if end > left:
            self._give_up()
            raise OSError(errno.EDQUOT, f"quota: at most {_told(self._limits)}")
        self._may_reach = min(end + STEP, left)

    def _give_up(self) -> None:
        """What is there of it would only fill the quota."""
        if self._is_at(self.name):
            os.unlink(self._folder / self.name)
        os.ftruncate(self._descriptor, 0)

    def _is_at(self, name: str) -> bool:
        """Whether this name is still the name of this file."""
        try:
            there = os.stat(self._folder / name, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._descriptor))


def is_name(name: str) -> bool:
    return (
        name not in (".", "..")
        and "/" not in name
        and name.isprintable()
        and 0 < len(name.encode(errors="replace")) <= LONGEST_NAME
    )


def is_final(name: str) -> bool:
    """Whether a file of this name is complete: hidden and unfinished ones are left alone."""
    return not name.startswith(".") and not name.lower().endswith(UNFINISHED)


def count_in(folder: Path) -> tuple[int, int]:
    """Plain files of a directory, and their bytes."""
    files = size = 0
    with os.scandir(folder) as entries:
        for one in entries:
            try:
                found = one.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(found.st_mode):
                files, size = files + 1, size + found.st_size
    return files, size


def is_whole(descriptor: int) -> bool:
    """Of a file that nobody writes to: whether its last writer closed it."""
    return not os.fstat(descriptor).st_mode & stat.S_IXUSR


def put_aside(path: Path, descriptor: int, folder: Path, name: str) -> None:
    """Under a name that tells that it broke off, where its trading point sees it."""
    os.rename(path, folder / f"{name}.broken{UNFINISHED}")
    os.fchmod(descriptor, _WHOLE)


def may_be_taken(descriptor: int) -> bool:
    """Locks an open file for the one who takes it; no, where somebody writes to it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _being_taken() from None


def _being_taken() -> OSError:
    return OSError(errno.EBUSY, "the file is being taken")


def _told(limits: Limits) -> str:
    return f"{limits.files} files and {limits.size // 2**20} MB wait in outgoing"
