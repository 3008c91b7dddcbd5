"""A session with a tenant's FTP server under explicit TLS, on the control and on every data
connection.
"""

from __future__ import annotations

import ftplib
import io
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, TypeVar

from messaging.transports import remote_files
from messaging.transports.base import Refused, TransportError, Unanswered, Unreachable
from messaging.transports.connecting import Guard, connect
from messaging.transports.directories import UNFINISHED
from messaging.transports.remote_files import (
    CONNECT_SECONDS,
    MOST_NAMES,
    PIECE,
    STEP_SECONDS,
    Remote,
    RemoteName,
    TooLarge,
    tls_of,
)

T = TypeVar("T")
_FAILURES: tuple[type[Exception], ...] = (ftplib.Error, OSError, EOFError, ValueError)


class _Client(ftplib.FTP_TLS):
    """Speaks on a connection that was made elsewhere; data connections resume its TLS session, as
    many servers want, and go to the address it went to, whatever the server says. Both end with the
    session's time.
    """

    _watch: threading.Timer | None = None
    _reins: tuple[socket.socket, ...] = ()
    """By which its connections can be ended, whatever became of the sockets that were made."""

    def begin(self, made: socket.socket, host: str) -> None:
        self._reins = (made.dup(),)
        self._watch = threading.Timer(remote_files.SESSION_SECONDS, self.cut)
        self._watch.daemon = True
        self._watch.start()
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

    def let_go(self) -> None:
        """After the last word."""
        if self._watch is not None:
            self._watch.cancel()
        for one in self._reins:
            one.close()


class FtpsFiles:
    """See RemoteFiles."""

    def __init__(self, remote: Remote, guard: Guard) -> None:
        self._remote = remote
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
        return self._step(lambda: self._names(self._remote.path(folder)))

    def fetch(self, folder: str, name: str, into: BinaryIO, limit: int) -> None:
        size = 0

        def take(piece: bytes) -> None:
            nonlocal size
            size += len(piece)
            if size > limit:
                raise TooLarge(name)
            into.write(piece)

        path = self._remote.path(folder, name)
        self._step(lambda: self._client.retrbinary(f"RETR {path}", take, PIECE))

    def put(self, folder: str, name: str, content: bytes) -> None:
        path = self._remote.path(folder, name)
        unfinished = path + UNFINISHED
        self._step(lambda: self._client.storbinary(f"STOR {unfinished}", io.BytesIO(content)))
        try:
            self._step(lambda: self._client.rename(unfinished, path))
        except Refused:
            self._step(lambda: self._client.delete(path))
            self._step(lambda: self._client.rename(unfinished, path))

    def move(self, folder: str, name: str, to: str) -> None:
        path = self._remote.path(folder, name)
        try:
            self._step(lambda: self._client.rename(path, self._remote.path(to)))
        except Refused:
            self._step(lambda: self._client.delete(path))

    def close(self) -> None:
        self._client.let_go()
        self._client.close()

    def _log_in(self, made: socket.socket) -> None:
        remote = self._remote
        try:
            self._client.begin(made, remote.host)
            self._client.auth()
            self._client.login(remote.user, remote.password)
            self._client.prot_p()
        except (ssl.SSLError, ftplib.error_perm) as error:
            raise Refused(_brief(error)) from error
        except _FAILURES as error:
            raise Unreachable(_brief(error)) from error

    def _names(self, path: str) -> list[RemoteName]:
        found = []
        for name, facts in self._client.mlsd(path, ["type", "size", "modify"]):
            if facts.get("type") == "file":
                size = facts.get("size", "0")
                length = int(size) if size.isdigit() else 0
                found.append(RemoteName(name, length, facts.get("modify", "")))
            if len(found) >= MOST_NAMES:
                break
        return found

    def _step(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (TransportError, TooLarge):
            raise
        except ftplib.error_perm as error:
            raise Refused(_brief(error)) from error
        except _FAILURES as error:
            raise Unanswered(_brief(error)) from error


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
