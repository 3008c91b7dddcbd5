"""The FTP server (pyftpdlib): under TLS 1.2 or later on both its connections, and in the clear only
for a trading point that is set to it and comes from its own networks. Each connection has a thread.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog
from OpenSSL import SSL
from pyftpdlib.authorizers import AuthenticationFailed
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import ThreadedFTPServer

from messaging.edge import refusals
from messaging.files.entry import BY_TLS, PLAIN, Admitted, Attempt
from messaging.files.ftps_files import JailedFilesystem
from messaging.files.greeting import Greeting
from messaging.files.jail import Jail
from messaging.files.sessions import Session, Sessions
from messaging.files.uploads import Limits, Upload
from messaging.transports.directories import Directories

LOGIN_SECONDS = 30
"""In all: a client that says this and that meanwhile has no longer."""

IDLE_SECONDS = 300
MOST_CONNECTIONS = 256
MOST_CONNECTIONS_EACH = 20
CONFIRMED_AFTER = 1.0
"""Seconds that a client stays once it has closed a data connection without TLS, whose end looks the
same where it has died.
"""

DROPPED_FOR = 3.0
"""Seconds for which what comes of a refused file is read."""

_NOT_OFFERED: Final = frozenset(
    {"MFMT", "MKD", "RMD", "SITE CHMOD", "STOU", "XMKD", "XRMD", "PORT", "EPRT", "STAT", "HELP"}
)
_log = structlog.get_logger(__name__)
_FAILED: Any = ("426 The connection failed; transfer aborted.", _log.debug)


@dataclass(frozen=True, slots=True)
class Shared:
    """What the connections of one process share. `wake` is told where a file is complete."""

    sessions: Sessions
    wake: Callable[[UUID, UUID], None]
    greeting: Greeting = field(default_factory=Greeting)


class Server(ThreadedFTPServer):
    """Listens from when it is made, and serves in a thread of its own."""

    max_cons = MOST_CONNECTIONS
    max_cons_per_ip = MOST_CONNECTIONS_EACH
    poll_timeout = 1.0
    """Seconds until a connection on which nothing happens finds that the server ends."""

    def start(self) -> threading.Thread:
        thread = threading.Thread(
            target=partial(self.serve_forever, handle_exit=False), name="ftps", daemon=True
        )
        self._running = thread
        thread.start()
        return thread

    def stop(self) -> None:
        self.close_all()

    def handle_accepted(self, sock: socket.socket, addr: tuple[Any, ...]) -> None:
        """One for which there is no room is told so before it costs a thread."""
        address = str(addr[0])
        if self.handler.shared.greeting.has_room(address):
            super().handle_accepted(sock, addr)
            return
        refusals.note("too many FTP connections without a log-in", address)
        with sock, suppress(OSError):
            sock.send(b"421 Too many connections without a log-in.\r\n")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where, under which certificate, and by which ports data goes: none means any."""

    host: str
    port: int
    certificate: Path
    key: Path
    data_ports: range
    address: str


def server(shared: Shared, where: Listening) -> Server:
    """Raises OSError, and SSL.Error where certificate and key do not fit."""
    handler = type(
        "ThisHandler",
        (Handler,),
        {
            "shared": shared,
            "ssl_context": _context(where.certificate, where.key),
            "passive_ports": list(where.data_ports) or None,
            "masquerade_address": where.address or None,
        },
    )
    return Server((where.host, where.port), handler, ioloop=IOLoop())


class _Authorizer:
    """As pyftpdlib asks for one. What may be done with which file, the jail says."""

    def validate_authentication(self, username: str, password: str, handler: Handler) -> None:
        attempt = handler.attempt(username)
        try:
            decision = attempt.by_password(password)
            admitted = decision.admitted
            if admitted is not None:
                Directories.of(admitted.tenant_id, admitted.endpoint_id).make()
        except Exception as error:
            _log.exception("a file login could not be decided")
            raise AuthenticationFailed("try again later") from error
        if admitted is None:
            handler.auth_failed_timeout = decision.wait_s
            raise AuthenticationFailed("not logged in")
        handler.admitted = admitted

    def get_home_dir(self, username: str) -> str:
        return "/"

    def get_msg_login(self, username: str) -> str:
        return "Files are left in outgoing and fetched from incoming."

    def get_msg_quit(self, username: str) -> str:
        return "Goodbye."

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        return True

    def get_perms(self, username: str) -> str:
        return "elradfwm"

    def impersonate_user(self, username: str, password: str) -> None:
        """Every client acts as the host's own account, within its jail."""

    def terminate_impersonation(self, username: str) -> None:
        """There is nothing to end."""


class _DataHandler(TLS_DTPHandler):
    """What goes wrong while a file is written is told at once, by its own words. What the client
    sends until it has heard of it is read and dropped, for a time: a connection that is reset would
    have it try again, and never hear.
    """

    _is_refused = False

    def recv(self, buffer_size: int) -> bytes:
        try:
            return bytes(super().recv(buffer_size))
        except SSL.Error:
            # Without TLS's own word for the end.
            self.close()
            return b""

    def handle_read_event(self) -> None:
        try:
            super().handle_read_event()
        except OSError as error:
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            self._refuse(cause.strerror or "the file cannot be written")

    def close(self) -> None:
        """A connection that fails, also one under TLS that just stops, was not ended by its client.
        The library takes most of these for the end of the file.
        """
        if self._is_refused:
            self._resp, self.transfer_finished = (), False
        elif self.receive and not self._closed and _is_failure(sys.exc_info()[1]):
            self._error = True
            self._resp = _FAILED
            self.transfer_finished = False
        super().close()

    def _refuse(self, reason: str) -> None:
        self._is_refused = True
        self.file_obj.drop()
        self.cmd_channel.respond(f"552 {reason[:1].upper()}{reason[1:]}.")
        self.ioloop.call_later(DROPPED_FOR, self._end, _errback=self.handle_error)

    def _end(self) -> None:
        if not self._closed:
            self._error = True
            self.close()


def _is_failure(error: BaseException | None) -> bool:
    return isinstance(error, SSL.Error | OSError) and not isinstance(error, SSL.ZeroReturnError)


class Handler(TLS_FTPHandler):
    """One connection."""

    shared: Shared
    authorizer = _Authorizer()
    dtp_handler = _DataHandler
    abstracted_fs = JailedFilesystem
    banner = "hostsvc"
    timeout = LOGIN_SECONDS
    auth_failed_timeout: float = 0
    use_sendfile = False
    tls_data_required = True
    proto_cmds = {
        name: form for name, form in TLS_FTPHandler.proto_cmds.items() if name not in _NOT_OFFERED
    }

    def __init__(self, conn: socket.socket, server: Server, ioloop: Any = None) -> None:
        self.admitted: Admitted | None = None
        self.jail: Jail | None = None
        self._raw = conn
        self._session: Session | None = None
        self._uploads: dict[str, Upload] = {}
        self._unconfirmed: list[Upload] = []
        self._is_greeting = False
        self._login_until = time.monotonic() + LOGIN_SECONDS
        super().__init__(conn, server, ioloop)

    def handle(self) -> None:
        self._is_greeting = self.shared.greeting.enter(self.remote_ip)
        super().handle()

    def attempt(self, username: str) -> Attempt:
        way = BY_TLS if self._ssl_established else PLAIN
        return Attempt(username, self.remote_ip, way)

    def ftp_AUTH(self, line: str) -> None:
        """What came in the clear behind the command is not taken for something that came under
        TLS.
        """
        super().ftp_AUTH(line)
        self.ac_in_buffer = b""

    def process_command(self, cmd: str, *args: Any, **kwargs: Any) -> None:
        if cmd == "USER":
            self.tls_data_required = bool(self._ssl_established)
            if not self._ssl_established and not self.attempt(args[0]).is_for_plain_ftp():
                self.respond("530 TLS is needed here: AUTH TLS first.")
                return
        super().process_command(cmd, *args, **kwargs)

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        self._confirm()
        if not self.authenticated and time.monotonic() > self._login_until:
            self.respond("421 No log-in in time.")
            self.close_when_done()
            return
        super().pre_process_command(line, cmd, arg)

    def on_login(self, username: str) -> None:
        who = self.admitted
        assert who is not None
        self._greeted()
        self._may_idle(IDLE_SECONDS)
        self.jail = Jail(Directories.of(who.tenant_id, who.endpoint_id), Limits.of_vendor())
        session = Session(who, self.attempt(username), self._cut)
        if self.shared.sessions.enter(session):
            self._session = session
            return
        self.attempt(username).note_too_many(who.tenant_id)
        self.respond("421 Too many sessions of this trading point.")
        self.close_when_done()

    def _may_idle(self, seconds: int) -> None:
        self.timeout = seconds
        self._idler.cancel()
        self._idler: Any = self.ioloop.call_later(
            seconds, self.handle_timeout, _errback=self.handle_error
        )

    def on_logout(self, username: str) -> None:
        self._leave()

    def close(self) -> None:
        self._greeted()
        super().close()
        for upload in (*self._uploads.values(), *self._unconfirmed):
            upload.break_off()
        if self._uploads or self._unconfirmed:
            self._wake()
        self._uploads, self._unconfirmed = {}, []
        self._leave()

    def began(self, path: str, upload: Upload) -> None:
        """A file is being written."""
        self._uploads[path] = upload

    def on_file_received(self, file: str) -> None:
        upload = self._uploads.pop(file, None)
        if upload is None:
            return
        if upload.is_final and not self._prot:
            self._unconfirmed.append(upload)
            self.ioloop.call_later(CONFIRMED_AFTER, self._confirm, _errback=self.handle_error)
            return
        upload.close()
        self._wake()

    def on_incomplete_file_received(self, file: str) -> None:
        upload = self._uploads.pop(file, None)
        if upload is not None:
            upload.break_off()
            self._wake()

    def ftp_RNTO(self, path: str) -> None:
        super().ftp_RNTO(path)
        self._wake()

    def _confirm(self) -> None:
        """The client is still there: what it left is whole."""
        confirmed, self._unconfirmed = self._unconfirmed, []
        for upload in confirmed:
            upload.close()
        if confirmed:
            self._wake()

    def _wake(self) -> None:
        if self.admitted is not None:
            self.shared.wake(self.admitted.tenant_id, self.admitted.endpoint_id)

    def _greeted(self) -> None:
        if self._is_greeting:
            self._is_greeting = False
            self.shared.greeting.leave(self.remote_ip)

    def _leave(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            self.shared.sessions.leave(session)

    def _cut(self) -> None:
        """From any thread: this connection's own finds it at its end."""
        try:
            self._raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            _log.debug("a connection had ended already")


def _context(certificate: Path, key: Path) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.use_certificate_chain_file(str(certificate))
    context.use_privatekey_file(str(key))
    context.check_privatekey()
    return context
