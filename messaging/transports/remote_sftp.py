"""A session with a tenant's SFTP server (asyncssh), for callers that are threads: each session has
an event loop of its own.
"""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import Coroutine
from typing import Any, BinaryIO, TypeVar

import asyncssh

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
    Remote,
    RemoteName,
    TooLarge,
)

T = TypeVar("T")
_ENDED = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.ConnectionLost)


class SftpFiles:
    """See RemoteFiles."""

    def __init__(self, remote: Remote, guard: Guard) -> None:
        self._remote = remote
        self._until = time.monotonic() + remote_files.SESSION_SECONDS
        self._runner = asyncio.Runner()
        try:
            self._connection, self._client = self._opened(guard)
        except BaseException:
            self._runner.close()
            raise

    def names(self, folder: str) -> list[RemoteName]:
        return self._step(self._names(self._remote.path(folder)))

    def look(self, folder: str, name: str) -> RemoteName | None:
        path = self._remote.path(folder, name)
        attributes: asyncssh.SFTPAttrs | None = self._step(self._find(path))
        return None if attributes is None else _named(name, attributes)

    def fetch(self, folder: str, name: str, into: BinaryIO, limit: int) -> None:
        """A piece is one thing asked for: a file that comes more slowly is given up."""
        path = self._remote.path(folder, name)
        file: asyncssh.SFTPClientFile = self._step(self._client.open(path, "rb"))
        size = 0
        try:
            while piece := bytes(self._step(file.read(PIECE, size))):
                size += len(piece)
                if size > limit:
                    raise TooLarge(name)
                into.write(piece)
        finally:
            self._step(file.close())

    def put(self, folder: str, name: str, content: bytes) -> None:
        path = self._remote.path(folder, name)
        self._step(self._put(path, content), len(content) / SLOWEST)

    def move(self, folder: str, name: str, to: str) -> None:
        path = self._remote.path(folder, name)
        self._step(self._client.rename(path, self._remote.path(to)))

    def remove(self, folder: str, name: str) -> None:
        self._step(self._client.remove(self._remote.path(folder, name)))

    def close(self) -> None:
        self._connection.abort()
        self._runner.close()

    def _opened(self, guard: Guard) -> tuple[asyncssh.SSHClientConnection, asyncssh.SFTPClient]:
        remote = self._remote
        try:
            trusted = [asyncssh.import_public_key(remote.host_key)]
            keys = [asyncssh.import_private_key(remote.private_key)] if remote.private_key else None
        except (asyncssh.KeyImportError, ValueError) as error:
            raise Refused(f"a key of the endpoint's cannot be read: {error}") from None
        socket = connect(guard, remote.host, remote.port, CONNECT_SECONDS)
        socket.setblocking(False)
        arriving = asyncssh.connect(
            remote.host,
            remote.port,
            sock=socket,
            config=None,
            known_hosts=(trusted, [], []),
            username=remote.user,
            password=remote.password or None,
            client_keys=keys,
            agent_path=None,
            gss_host=None,
            compression_algs=None,
            connect_timeout=CONNECT_SECONDS,
            login_timeout=CONNECT_SECONDS,
        )
        try:
            connection = self._runner.run(asyncio.wait_for(arriving, 2 * CONNECT_SECONDS))
            try:
                return connection, self._step(connection.start_sftp_client())
            except BaseException:
                connection.abort()
                raise
        except (asyncssh.HostKeyNotVerifiable, asyncssh.PermissionDenied) as error:
            raise Refused(_brief(error)) from error
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise Unreachable(_brief(error)) from error

    def _step(self, work: Coroutine[Any, Any, T] | Any, more: float = 0.0) -> T:
        """One thing asked of the server, within its time, or `more` (s), and the session's."""
        seconds = min(STEP_SECONDS + more, self._until - time.monotonic())
        try:
            done: T = self._runner.run(_within(work, seconds))
        except TransportError:
            raise
        except (*_ENDED, asyncssh.DisconnectError, OSError, TimeoutError) as error:
            raise Unanswered(_brief(error)) from error
        except asyncssh.Error as error:
            raise Refused(_brief(error)) from error
        return done

    async def _names(self, path: str) -> list[RemoteName]:
        found = []
        async for one in self._client.scandir(path):
            if _is_plain(one.attrs):
                found.append(_named(str(one.filename), one.attrs))
            if len(found) >= MOST_NAMES:
                break
        return found

    async def _find(self, path: str) -> asyncssh.SFTPAttrs | None:
        try:
            attributes = await self._client.lstat(path)
        except asyncssh.SFTPNoSuchFile:
            return None
        return attributes if _is_plain(attributes) else None

    async def _put(self, path: str, content: bytes) -> None:
        unfinished = path + UNFINISHED
        async with self._client.open(unfinished, "wb") as file:
            await file.write(content)
        try:
            await self._client.posix_rename(unfinished, path)
        except (asyncssh.SFTPOpUnsupported, asyncssh.SFTPFailure):
            # A server without this extension renames to no name that is there.
            if await self._client.exists(path):
                await self._client.remove(path)
            await self._client.rename(unfinished, path)


def _is_plain(attributes: asyncssh.SFTPAttrs) -> bool:
    return attributes.permissions is None or stat.S_ISREG(attributes.permissions)


def _named(name: str, attributes: asyncssh.SFTPAttrs) -> RemoteName:
    size = -1 if attributes.size is None else attributes.size
    return RemoteName(name, size, str(attributes.mtime))


async def _within(work: Any, seconds: float) -> Any:
    async with asyncio.timeout(seconds):
        return await work


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
