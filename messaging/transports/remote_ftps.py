"""A session with a tenant's FTP server under explicit TLS, on the control and on every data
connection.
"""

from __future__ import annotations

import ftplib
import io
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, BinaryIO, TypeVar

from messaging.transports import remote_files
from messaging.transports.base import Refused, TransportError, Unanswered, Unreachable
from messaging.transports.connecting import Guard, connect
from messaging.transports.directories import UNFINISHED
from messaging.transports.remote_files import (
    CONNECT_SECONDS,
    MOST_NAMES,
    PIECE,
    SLOWEST,
    STEP_SECONDS,
    Pace,
    Remote,
    RemoteName,
    TooLarge,
    tls_of,
)

T = TypeVar("T")
_FAILURES: tuple[type[Exception], ...] = (ftplib.Error, OSError, EOFError, ValueError)


class _Client(ftplib.FTP_TLS):
    """Speaks on a connection that was made elsewhere; data connections resume its TLS session, as
    many servers want, and go to the address it went to, whatever the server says. Both end with
    the time of what is done.
    """

    _reins: tuple[socket.socket, ...] = ()
    """By which its connections can be ended, whatever became of the sockets that were made."""

    def begin(self, made: socket.socket, host: str) -> None:
        self._reins = (made.dup(),)
        self.host, self.timeout, self.sock = host, STEP_SECONDS, made
        self.af = made.family
        self.file = made.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, Any]:
        made, size = super(ftplib.FTP_TLS, self).ntransfercmd(cmd, rest)
        control_rein, *over = self._reins
        self._reins = (control_rein, made.dup())
        for one in over:
            one.close()
        control = self.sock
        session = control.session if isinstance(control, ssl.SSLSocket) else None
        wrapped = self.context.wrap_socket(made, server_hostname=self.host, session=session)
        return wrapped, size

    def cut(self) -> None:
        """From any thread: whoever waits for the server finds its connections ended. The first of
        them first, so that a file whose bytes end so is never taken for whole.
        """
        for one in self._reins:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What is done meanwhile is cut off after so long, however it is kept going."""
        watch = threading.Timer(max(seconds, 0.0), self.cut)
        watch.daemon = True
        watch.start()
        try:
            yield
        finally:
            watch.cancel()

    def let_go(self) -> None:
        """After the last word."""
        for one in self._reins:
            one.close()


class FtpsFiles:
    """See RemoteFiles."""

    def __init__(self, remote: Remote, guard: Guard) -> None:
        self._remote = remote
        self._until = time.monotonic() + remote_files.SESSION_SECONDS
        try:
            context = tls_of(remote)
        except (ssl.SSLError, ValueError) as error:
            raise Refused(f"the endpoint's authority cannot be read: {error}") from None
        made = connect(guard, remote.host, remote.port, CONNECT_SECONDS)
        self._client = _Client(context=context)
        try:
            self._log_in(made)
        except BaseException:
            made.close()
            self.close()
            raise

    def names(self, folder: str) -> list[RemoteName]:
        path = self._remote.path(folder)
        return self._step(lambda: self._names(path), math.inf)

    def look(self, folder: str, name: str) -> RemoteName | None:
        """By MLST, or, where the server has no such command, among the others."""
        try:
            told = self._step(
                lambda: self._client.sendcmd(f"MLST {self._remote.path(folder, name)}")
            )
        except Refused as error:
            if _is_unknown_command(error.__cause__):
                return next((one for one in self.names(folder) if one.name == name), None)
            return None
        lines = told.split("\n")
        found = _named(lines[1].lstrip(" ")) if len(lines) > 1 else None
        return replace(found, name=name) if found else None

    def fetch(self, folder: str, name: str, into: BinaryIO, limit: int) -> None:
        size, pace = 0, Pace()

        def take(piece: bytes) -> None:
            nonlocal size
            size += len(piece)
            pace.take(len(piece))
            if size > limit:
                raise TooLarge(name)
            into.write(piece)

        path = self._remote.path(folder, name)
        self._step(lambda: self._client.retrbinary(f"RETR {path}", take, PIECE), math.inf)

    def put(self, folder: str, name: str, content: bytes) -> None:
        path = self._remote.path(folder, name)
        unfinished = path + UNFINISHED
        self._step(
            lambda: self._client.storbinary(f"STOR {unfinished}", io.BytesIO(content)),
            2 * STEP_SECONDS + len(content) / SLOWEST,
        )
        try:
            self._step(lambda: self._client.rename(unfinished, path))
        except Refused:
            self._step(lambda: self._client.delete(path))
            self._step(lambda: self._client.rename(unfinished, path))

    def move(self, folder: str, name: str, to: str) -> None:
        path = self._remote.path(folder, name)
        self._step(lambda: self._client.rename(path, self._remote.path(to)))

    def remove(self, folder: str, name: str) -> None:
        path = self._remote.path(folder, name)
        self._step(lambda: self._client.delete(path))

    def close(self) -> None:
        self._client.let_go()
        self._client.close()

    def _log_in(self, made: socket.socket) -> None:
        remote = self._remote
        try:
            with self._client.within(self._left(2 * CONNECT_SECONDS)):
                self._client.begin(made, remote.host)
                self._client.auth()
                self._client.login(remote.user, remote.password)
                self._client.prot_p()
        except (ssl.SSLError, ftplib.error_perm) as error:
            raise Refused(_brief(error)) from error
        except _FAILURES as error:
            raise Unreachable(_brief(error)) from error

    def _names(self, path: str) -> list[RemoteName]:
        found: list[RemoteName] = []
        pace = Pace()

        def take(line: str) -> None:
            # The end of the list is waited for: the answer after it is not to be taken for another.
            pace.take(len(line))
            if len(found) < MOST_NAMES and (named := _named(line)) is not None:
                found.append(named)

        self._client.retrlines(f"MLSD {path}", take)
        return found

    def _left(self, seconds: float) -> float:
        return min(seconds, self._until - time.monotonic())

    def _step(self, work: Callable[[], T], seconds: float = 2 * STEP_SECONDS) -> T:
        """One thing asked of the server, within its time and the session's."""
        try:
            with self._client.within(self._left(seconds)):
                return work()
        except (TransportError, TooLarge):
            raise
        except ftplib.error_perm as error:
            raise Refused(_brief(error)) from error
        except _FAILURES as error:
            raise Unanswered(_brief(error)) from error


def _named(line: str) -> RemoteName | None:
    """A plain file by its facts (RFC 3659, 7.2); none where it is something else."""
    told, _, name = line.rstrip("\r\n").partition(" ")
    pairs = (fact.partition("=") for fact in told.split(";") if fact)
    facts = {fact.lower(): value for fact, _, value in pairs}
    if facts.get("type", "").lower() != "file" or not name:
        return None
    size = facts.get("size", "")
    return RemoteName(name, int(size) if size.isdigit() else -1, facts.get("modify", ""))


def _is_unknown_command(error: BaseException | None) -> bool:
    return str(error)[:3] in ("500", "502", "504")


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
