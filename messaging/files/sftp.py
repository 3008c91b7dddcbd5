"""The SFTP server (asyncssh): who is let in, and the protocol's operations on a jail. No shell, no
commands, no forwarding: there is nothing here but files.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast
from uuid import UUID

import asyncssh
import asyncssh.packet
import asyncssh.sftp
import structlog
from asyncssh import SFTPAttrs, SFTPName

from messaging.edge import refusals
from messaging.files.entry import BY_SSH, Admitted, Attempt, Decision
from messaging.files.greeting import Greeting
from messaging.files.jail import Jail, refusal, spot_of
from messaging.files.sessions import Session, Sessions
from messaging.files.uploads import Limits, Upload
from messaging.transports.directories import Directories, settle

LOGIN_SECONDS = 30
IDLE_SECONDS = 900
MOST_TRIES = 20
"""Keys and passwords that are looked at on one connection; what comes after them is refused."""

MOST_OPEN = 16
"""Files that one session has open."""

MOST_CHANNELS = 4
_APPEND = asyncssh.FXF_APPEND

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class House:
    """What the connections of one process share. `wake` is told where a file is complete; neither
    it nor a log-in may keep the event loop waiting, so they are done by `threads`.
    """

    threads: Executor
    sessions: Sessions
    wake: Callable[[UUID, UUID], None]
    greeting: Greeting = field(default_factory=Greeting)

    async def aside(self, work: Callable[..., T], *details: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self.threads, partial(work, *details)
        )


class Doorkeeper(asyncssh.SSHServer):
    """One connection, until it is let in and until it ends."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._username = ""
        self._tried_keys = False
        self._tries = 0
        self._is_greeting = False
        self._admitted: Admitted | None = None
        self._session: Session | None = None
        self.channels = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._address = str((conn.get_extra_info("peername") or ("unknown",))[0])
        self._is_greeting = self._house.greeting.enter(self._address)
        if not self._is_greeting:
            refusals.note("too many SSH connections without a log-in", self._address)
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._greeted()
        if self._session is not None:
            self._house.sessions.leave(self._session)
        elif self._tried_keys and self._admitted is None:
            self._house.threads.submit(self._attempt().note_no_key)

    def begin_auth(self, username: str) -> bool:
        """Every name is asked for a password or a key, known or not."""
        self._username = username
        return True

    def password_auth_supported(self) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    async def validate_password(self, username: str, password: str) -> bool:
        return await self._decide(self._attempt().by_password, password)

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self._tried_keys = True
        return await self._decide(self._attempt().by_key, key.public_data)

    def auth_completed(self) -> None:
        self._greeted()
        assert self._admitted is not None
        loop = asyncio.get_running_loop()

        def close() -> None:
            loop.call_soon_threadsafe(self._connection.abort)

        session = Session(self._admitted, self._attempt(), close)
        if self._house.sessions.enter(session):
            self._session = session
            return
        self._house.threads.submit(self._attempt().note_too_many, self._admitted.tenant_id)
        self._connection.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, "too many sessions")

    def serve(self, channel: asyncssh.SSHServerChannel[bytes]) -> JailedServer:
        """A channel on which files are asked for."""
        assert self._admitted is not None
        self.channels += 1
        if self.channels > MOST_CHANNELS:
            self._connection.abort()
        who = self._admitted
        directories = Directories.of(who.tenant_id, who.endpoint_id)
        return JailedServer(channel, Jail(directories, Limits.of_vendor()), self._house, who)

    def _attempt(self) -> Attempt:
        return Attempt(self._username, self._address, BY_SSH)

    async def _decide(self, ask: Callable[[Any], Decision], shown: Any) -> bool:
        self._tries += 1
        if self._tries > MOST_TRIES:
            return False
        try:
            decision = await self._house.aside(ask, shown)
            admitted = decision.admitted
            if admitted is not None:
                where = Directories.of(admitted.tenant_id, admitted.endpoint_id)
                await self._house.aside(where.make)
        except Exception:
            # The database or the disk is away: nobody is let in, and the client may try again.
            _log.exception("a file login could not be decided")
            return False
        await asyncio.sleep(decision.wait_s)
        self._admitted = admitted or self._admitted
        return admitted is not None

    def _greeted(self) -> None:
        if self._is_greeting:
            self._is_greeting = False
            self._house.greeting.leave(self._address)


class JailedServer(asyncssh.SFTPServer):
    """The operations, as asyncssh asks for them one after the other. An OSError is told to the
    client by its kind.
    """

    def __init__(
        self,
        channel: asyncssh.SSHServerChannel[bytes],
        jail: Jail,
        house: House,
        who: Admitted,
    ) -> None:
        super().__init__(channel)
        self._jail = jail
        self._house = house
        self._who = who
        self._open = 0
        self._is_ending = False

    def ends(self) -> None:
        """The session is over: what is closed from now on was not closed by the client."""
        self._is_ending = True

    def format_user(self, uid: int | None) -> str:
        return "trading"

    def format_group(self, gid: int | None) -> str:
        return "point"

    def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> Upload | Reading:
        if self._open >= MOST_OPEN:
            raise refusal(errno.EMFILE, "too many open files")
        spot = spot_of(_text(path))
        opened: Upload | Reading
        if not pflags & asyncssh.FXF_WRITE:
            opened = Reading(self._jail.read(spot))
        elif pflags & asyncssh.FXF_READ:
            raise refusal(errno.EACCES, "a file is read or written, not both")
        else:
            opened = self._jail.write(
                spot,
                create=bool(pflags & asyncssh.FXF_CREAT),
                empty=bool(pflags & asyncssh.FXF_TRUNC),
                exclusive=bool(pflags & asyncssh.FXF_EXCL),
            )
            opened.appends = bool(pflags & _APPEND)
        self._open += 1
        return opened

    async def close(self, file_obj: object) -> None:
        self._open -= 1
        if isinstance(file_obj, Reading):
            os.close(file_obj.descriptor)
        elif isinstance(file_obj, Upload):
            if self._is_ending:
                file_obj.break_off()
            else:
                await self._house.aside(file_obj.close)
            self._wake()

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        if not isinstance(file_obj, Reading):
            raise refusal(errno.EBADF, "it is not open for reading")
        return os.pread(file_obj.descriptor, min(size, asyncssh.sftp.MAX_SFTP_READ_LEN), offset)

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        if not isinstance(file_obj, Upload):
            raise refusal(errno.EBADF, "it is not open for writing")
        return file_obj.write(data, file_obj.size if file_obj.appends else offset)

    def lstat(self, path: bytes) -> SFTPAttrs:
        return _attributes(self._jail.status(spot_of(_text(path))))

    stat = lstat

    def fstat(self, file_obj: object) -> SFTPAttrs:
        if isinstance(file_obj, Upload):
            return _attributes(file_obj.status())
        return _attributes(os.fstat(cast(Reading, file_obj).descriptor))

    def setstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Clients set times and modes after an upload as a matter of course: they are passed over.
        A length is not a client's to set.
        """
        self._jail.status(spot_of(_text(path)))
        _pass_over(attrs)

    lsetstat = setstat

    def fsetstat(self, file_obj: object, attrs: SFTPAttrs) -> None:
        _pass_over(attrs)

    async def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
        spot = spot_of(_text(path))
        here = _attributes(self._jail.status(spot))
        names = self._jail.names(spot)
        yield SFTPName(b".", attrs=here)
        yield SFTPName(b"..", attrs=here)
        for name in names:
            try:
                found = self._jail.status(spot_of(f"{spot.path}/{name}"))
            except FileNotFoundError:
                continue
            yield SFTPName(name.encode(), attrs=_attributes(found))

    async def remove(self, path: bytes) -> None:
        self._jail.remove(spot_of(_text(path)))

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._rename(oldpath, newpath, replaces=False)

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._rename(oldpath, newpath, replaces=True)

    async def _rename(self, old: bytes, new: bytes, *, replaces: bool) -> None:
        self._jail.rename(spot_of(_text(old)), spot_of(_text(new)), replaces=replaces)
        await self._house.aside(settle, self._jail.directories.outgoing)
        self._wake()

    def realpath(self, path: bytes) -> bytes:
        """By the letters alone; a place that can't be is told when it is asked for."""
        try:
            return spot_of(_text(path)).path.encode()
        except OSError:
            return os.path.normpath(b"/" + path.lstrip(b"/"))

    def mkdir(self, path: bytes, attrs: SFTPAttrs) -> None:
        raise refusal(errno.EACCES, "directories are the host's")

    def rmdir(self, path: bytes) -> None:
        raise refusal(errno.EACCES, "directories are the host's")

    def readlink(self, path: bytes) -> bytes:
        raise refusal(errno.EINVAL, "there are no links here")

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        raise refusal(errno.EACCES, "there are no links here")

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        raise refusal(errno.EACCES, "there are no links here")

    def statvfs(self, path: bytes) -> Any:
        raise asyncssh.SFTPOpUnsupported("the host's disk is no concern of a client's")

    def fstatvfs(self, file_obj: object) -> Any:
        raise asyncssh.SFTPOpUnsupported("the host's disk is no concern of a client's")

    async def fsync(self, file_obj: object) -> None:
        if isinstance(file_obj, Upload):
            await self._house.aside(file_obj.settle)

    def _wake(self) -> None:
        self._house.threads.submit(self._house.wake, self._who.tenant_id, self._who.endpoint_id)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A file that is being read."""

    descriptor: int


class _Handler(asyncssh.sftp.SFTPServerHandler):
    """Tells the server that the session is over before it has it close what was left open. The
    library calls `close` for both and has no word for the difference; a test holds that this one
    is heard.

    Does nothing more for a client until it has taken most of what it was told: a few bytes ask for
    megabytes, which would all be held in memory.
    """

    async def _process_packet(
        self, pkttype: int, pktid: int, packet: asyncssh.packet.SSHPacket
    ) -> None:
        await super()._process_packet(pkttype, pktid, packet)
        if self._writer is not None:
            await self._writer.drain()

    async def _cleanup(self, exc: Exception | None) -> None:
        if isinstance(self._server, JailedServer):
            self._server.ends()
        await super()._cleanup(exc)


asyncssh.sftp.SFTPServerHandler = _Handler  # type: ignore[misc]


async def listen(house: House, host: str, port: int, host_key: bytes) -> asyncssh.SSHAcceptor:
    """Takes connections until it is closed. Raises OSError."""

    def serve(channel: asyncssh.SSHServerChannel[bytes]) -> JailedServer:
        owner = channel.get_connection().get_owner()
        assert isinstance(owner, Doorkeeper)
        return owner.serve(channel)

    return await asyncssh.create_server(
        lambda: Doorkeeper(house),
        host,
        port,
        server_host_keys=[asyncssh.import_private_key(host_key)],
        server_version="hostsvc",
        sftp_factory=cast(Any, serve),
        sftp_version=3,
        allow_scp=False,
        allow_pty=False,
        agent_forwarding=False,
        x11_forwarding=False,
        kbdint_auth=False,
        host_based_auth=False,
        gss_host=None,
        compression_algs=None,
        line_editor=False,
        login_timeout=LOGIN_SECONDS,
        keepalive_interval=60,
        keepalive_count_max=IDLE_SECONDS // 60,
        encoding=None,
        reuse_address=True,
        backlog=128,
    )


def _text(path: bytes) -> str:
    try:
        return path.decode()
    except UnicodeDecodeError:
        raise refusal(errno.EINVAL, "a name is UTF-8") from None


def _attributes(found: os.stat_result) -> SFTPAttrs:
    """Of the host's own accounts nothing is told."""
    return SFTPAttrs(
        size=found.st_size,
        uid=0,
        gid=0,
        permissions=found.st_mode,
        atime=int(found.st_atime),
        mtime=int(found.st_mtime),
    )


def _pass_over(attrs: SFTPAttrs) -> None:
    if attrs.size is not None:
        raise asyncssh.SFTPOpUnsupported("a length is what was written")
