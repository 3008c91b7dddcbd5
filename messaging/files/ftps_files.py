"""The files of a trading point as the FTP server (pyftpdlib) sees them: all that it does to one
goes through the jail.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable
from typing import Any
from typing import Protocol as Shape

from pyftpdlib.filesystems import AbstractedFS

from messaging.files.jail import Jail, refusal, spot_of
from messaging.files.uploads import Upload


class Client(Shape):
    """The connection that asks, once it is logged in."""

    @property
    def jail(self) -> Jail | None: ...
    def began(self, path: str, upload: Upload) -> None: ...


class JailedFilesystem(AbstractedFS):
    """Paths here are those that the client sees; each operation looks them up in the jail."""

    def __init__(self, root: str, cmd_channel: Client) -> None:
        super().__init__(root, cmd_channel)
        self._client = cmd_channel

    @property
    def _jail(self) -> Jail:
        assert self._client.jail is not None
        return self._client.jail

    def ftp2fs(self, ftppath: str) -> str:
        return str(self.ftpnorm(ftppath))

    def fs2ftp(self, fspath: str) -> str:
        return fspath

    def validpath(self, path: str) -> bool:
        return True

    def realpath(self, path: str) -> str:
        return path

    def open(self, filename: str, mode: str) -> Any:
        spot = spot_of(filename)
        if mode == "rb":
            return _Reading(self._jail.read(spot), filename)
        upload = self._jail.write(spot, create=mode != "r+b", empty=mode == "wb")
        self._client.began(filename, upload)
        return _Writing(upload, filename, upload.size if mode == "ab" else 0)

    def chdir(self, path: str) -> None:
        spot = spot_of(path)
        if not self._jail.is_folder(spot):
            raise refusal(errno.ENOTDIR, "not a directory")
        self.cwd = spot.path

    def listdir(self, path: str) -> list[str]:
        return self._jail.names(spot_of(path))

    def remove(self, path: str) -> None:
        self._jail.remove(spot_of(path))

    def rename(self, src: str, dst: str) -> None:
        self._jail.rename(spot_of(src), spot_of(dst), replaces=True)

    def stat(self, path: str) -> os.stat_result:
        return self._jail.status(spot_of(path))

    lstat = stat

    def isfile(self, path: str) -> bool:
        return self._is(path, stat.S_ISREG)

    def isdir(self, path: str) -> bool:
        return self._is(path, stat.S_ISDIR)

    def islink(self, path: str) -> bool:
        return False

    def getsize(self, path: str) -> int:
        return self.stat(path).st_size

    def getmtime(self, path: str) -> float:
        return self.stat(path).st_mtime

    def lexists(self, path: str) -> bool:
        return self._is(path, lambda _: True)

    def get_user_by_uid(self, uid: int) -> str:
        return "trading"

    def get_group_by_gid(self, gid: int) -> str:
        return "point"

    def mkdir(self, path: str) -> None:
        raise refusal(errno.EACCES, "directories are the host's")

    rmdir = mkdir

    def _is(self, path: str, holds: Callable[[int], bool]) -> bool:
        try:
            return holds(self.stat(path).st_mode)
        except OSError:
            return False


class _Reading(io.FileIO):
    """A file that is being read, under the name that the client knows."""

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__(descriptor, "rb")
        self.name = name


class _Writing:
    """As much of a file as pyftpdlib asks of one. Whether it is complete is said afterwards."""

    def __init__(self, upload: Upload, name: str, at: int) -> None:
        self.name = name
        self.closed = False
        self._upload = upload
        self._at = at
        self._is_dropped = False

    def drop(self) -> None:
        """Whatever comes from now on is not wanted."""
        self._is_dropped = True

    def write(self, data: bytes) -> int:
        if self._is_dropped:
            return len(data)
        written = self._upload.write(data, self._at)
        self._at += written
        return written

    def seek(self, offset: int) -> int:
        self._at = offset
        return offset

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._upload.settle()
