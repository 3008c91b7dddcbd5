"""The files on a tenant's own server: by SFTP with its host key pinned, or by FTPS with the
authority of its certificate pinned. Where a connection may lead is looked at when it is made.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from messaging.transports.base import Unanswered, Unreachable
from messaging.transports.connecting import Guard

CONNECT_SECONDS = 10.0
STEP_SECONDS = 15.0
"""For any one thing asked of the server, and for the next bytes of a file."""

SLOWEST = 16 * 1024
"""Bytes a second that a file, or a list of files, must come by: a server that says a little now and
then keeps within every limit of a step, and would hold a worker for days.
"""

PACE_SECONDS = 10.0
"""After which a file is held against the slowest pace."""

SESSION_SECONDS = 300.0
"""For all that is done in one session, bytes of files and all."""

PIECE = int(SLOWEST * STEP_SECONDS)
MOST_NAMES = 10_000
"""Names of one directory that are looked at."""

_PORTS = {"sftp": 22, "ftps": 21}


@dataclass(frozen=True, slots=True)
class Remote:
    """A tenant's server: its base URL, who the host is there, and what the server is known by:
    `host_key` is a public key in OpenSSH's form, `ca` an authority's certificate as PEM.

    The host logs in by `password`, by `private_key` (PEM or OpenSSH), or both.
    """

    address: str
    user: str
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    host_key: str = ""
    ca: str = ""

    @property
    def scheme(self) -> str:
        return urlsplit(self.address).scheme

    @property
    def host(self) -> str:
        return urlsplit(self.address).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or _PORTS[self.scheme]

    @property
    def base(self) -> str:
        """The folder below which the directories are; empty is where a login arrives."""
        return unquote(urlsplit(self.address).path).rstrip("/")

    def path(self, *parts: str) -> str:
        return "/".join((self.base, *parts)) if self.base else "/".join(parts)


@dataclass(frozen=True, slots=True)
class RemoteName:
    """`modified` is what the server says of it, by which one file is told from the next; `size` is
    -1 where it says none.
    """

    name: str
    size: int
    modified: str

    def is_as(self, other: RemoteName | None) -> bool:
        """Whether it is the same file, under whatever name."""
        return other is not None and (self.size, self.modified) == (other.size, other.modified)


class TooLarge(Exception):
    """A file has more bytes than were to be fetched."""


class Pace:
    """Of one file, or one list of files, that is coming."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._size = 0

    def take(self, count: int) -> None:
        """So many bytes more. Raises Unanswered where it comes too slowly."""
        self._size += count
        took = time.monotonic() - self._began
        if took > PACE_SECONDS and self._size < SLOWEST * took:
            raise Unanswered(f"{self._size} bytes came in {took:.0f} s, which is too slow")


class RemoteFiles(Protocol):
    """An open session. Each method raises Unreachable, Refused or Unanswered."""

    def names(self, folder: str) -> list[RemoteName]:
        """Plain files of a directory."""

    def look(self, folder: str, name: str) -> RemoteName | None:
        """What is there under that name now."""

    def fetch(self, folder: str, name: str, into: BinaryIO, limit: int) -> None:
        """Piece by piece. Raises TooLarge beyond `limit` bytes."""

    def put(self, folder: str, name: str, content: bytes) -> None:
        """Under an unfinished name first; replaces what is there."""

    def move(self, folder: str, name: str, to: str) -> None:
        """To another path below the base."""

    def remove(self, folder: str, name: str) -> None: ...

    def close(self) -> None: ...


@contextmanager
def connected(remote: Remote, guard: Guard) -> Iterator[RemoteFiles]:
    """A session, closed at the end. Raises Unreachable or Refused."""
    # Each brings a library that most processes have no use for.
    if remote.scheme == "sftp":
        from messaging.transports.remote_sftp import SftpFiles

        files: RemoteFiles = SftpFiles(remote, guard)
    elif remote.scheme == "ftps":
        from messaging.transports.remote_ftps import FtpsFiles

        files = FtpsFiles(remote, guard)
    else:
        raise Unreachable("the host connects by sftp:// or ftps:// and no other way")
    try:
        yield files
    finally:
        files.close()


def tls_of(remote: Remote) -> ssl.SSLContext:
    """Trusts the pinned authority and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=remote.ca)
    return context
