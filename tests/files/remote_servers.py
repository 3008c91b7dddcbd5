"""Servers of tenants' own: SFTP and FTPS, on plain directories, with nothing of the host's; and
endpoints that lead to them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from hostsvc.supervisor import free_ports
from messaging.rehearsal.authority import Authority
from messaging.relay.from_trading_point import Arrived, Filed
from messaging.relay.register import FILE_PROTOCOL
from tenants import endpoints, remote_secrets
from tenants.audit.models import Entry
from tenants.credentials import THE_HOST
from tenants.endpoints import Draft
from tenants.models import Endpoint, Environment
from tenants.remote_secrets import Secret
from tenants.scope import tenant_scope
from tests.people import Person

USER, PASSWORD = "host", "made-up-for-the-test"


@dataclass(frozen=True, slots=True)
class OwnServer:
    """`host_key` or `ca` is what it is known by."""

    root: Path
    address: str
    host_key: str = ""
    ca: str = ""

    @property
    def settings(self) -> dict[str, object]:
        known = {"host_key": self.host_key} if self.host_key else {"ca": self.ca}
        set_to = {"mode": "client", "user": USER, "poll_seconds": 5, "still_seconds": 0}
        return {**set_to, **known}

    def names(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.root / folder).iterdir())


def directories(root: Path) -> Path:
    for name in ("outgoing", "incoming", "archive"):
        (root / name).mkdir(parents=True, exist_ok=True)
    return root


def led_to(own: OwnServer, person: Person, password: str = PASSWORD, **more: Any) -> Endpoint:
    """An endpoint of the person's whose files are there."""
    with tenant_scope(person.tenant_id):
        name = f"own {own.address}"
        transport = own.address.partition(":")[0]
        told = {**own.settings, **more}
        draft = Draft(name, FILE_PROTOCOL, transport, Environment.SIMULATOR, own.address, told)
        row = endpoints.add(draft)
        remote_secrets.keep(row, Secret(password), by=THE_HOST)
        return row


def alarms(person: Person) -> list[bytes]:
    with tenant_scope(person.tenant_id):
        rows = Entry.objects.filter(event="alarmed").order_by("seq")
        return [bytes(record) for record in rows.values_list("record", flat=True)]


class Taken:
    """Takes whatever comes, as the relay does."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.contents: list[bytes] = []

    def __call__(self, arrived: Arrived) -> Filed:
        self.names.append(arrived.name)
        self.contents.append(arrived.path.read_bytes())
        return Filed(f"{arrived.name}.{arrived.arrived_at:%Y%m%dT%H%M%SZ}")


class _OneUser(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


@contextmanager
def own_sftp(root: Path, key: asyncssh.SSHKey | None = None, port: int = 0) -> Iterator[OwnServer]:
    """With a key of its own, or the one given."""
    directories(root)
    key = key or asyncssh.generate_private_key("ssh-ed25519")
    port = port or free_ports(1)[0]
    loop = asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        listener = await asyncssh.create_server(
            _OneUser,
            "127.0.0.1",
            port,
            server_host_keys=[key],
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(root).encode()),
        )
        started.set()
        await stop.wait()
        listener.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    try:
        assert started.wait(20)
        public = key.export_public_key("openssh").decode().strip()
        told = " ".join(public.split()[:2])
        yield OwnServer(root, f"sftp://127.0.0.1:{port}", host_key=told)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()


@contextmanager
def own_ftps(root: Path, folder: Path) -> Iterator[OwnServer]:
    directories(root)
    authority = Authority("of a tenant")
    authority.issue("server").write(folder / "own.pem", folder / "own.key")
    users = DummyAuthorizer()
    users.add_user(USER, PASSWORD, str(root), perm="elradfmw")
    handler = type(
        "OwnHandler",
        (TLS_FTPHandler,),
        {
            "authorizer": users,
            "certfile": str(folder / "own.pem"),
            "keyfile": str(folder / "own.key"),
            "tls_control_required": True,
            "tls_data_required": True,
            "auth_failed_timeout": 0,
        },
    )
    server = FTPServer(("127.0.0.1", 0), handler, ioloop=IOLoop())
    thread = threading.Thread(
        target=lambda: server.serve_forever(timeout=0.1, handle_exit=False), daemon=True
    )
    thread.start()
    try:
        yield OwnServer(root, f"ftps://127.0.0.1:{server.address[1]}", ca=authority.pem)
    finally:
        server.ioloop.call_later(0, server.close_all)
        thread.join(20)
