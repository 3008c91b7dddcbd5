"""The file servers in this process, with a trading point for a tenant, and Debian's own clients
driven as a person would.
"""

from __future__ import annotations

import asyncio
import ftplib
import os
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import connection

from hostsvc.supervisor import free_ports
from messaging.files import collecting, host_key, server
from messaging.rehearsal.authority import Authority
from messaging.relay.from_trading_point import Arrived, Filed
from messaging.relay.register import FILE_PROTOCOL
from messaging.transports.directories import Directories
from tenants import endpoints, file_logins
from tenants.audit.models import Entry
from tenants.credentials import THE_HOST
from tenants.endpoints import Draft
from tenants.models import Endpoint, Environment, FileLogin
from tenants.scope import tenant_scope
from tests.people import Person

T = TypeVar("T")
WAIT_SECONDS = 20.0


def until(holds: Callable[[], T], seconds: float = WAIT_SECONDS) -> T:
    """Waits until something is true, and gives it back."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)
    return found


@dataclass(frozen=True, slots=True)
class Point:
    """A trading point and a login at it."""

    tenant_id: UUID
    endpoint_id: UUID
    login_id: UUID
    username: str
    password: str
    key: Path

    @property
    def directories(self) -> Directories:
        return Directories.of(self.tenant_id, self.endpoint_id)

    def revoke(self) -> None:
        with tenant_scope(self.tenant_id):
            file_logins.revoke(FileLogin.objects.get(id=self.login_id), by=THE_HOST)

    def set(self, **changes: Any) -> None:
        with tenant_scope(self.tenant_id):
            endpoints.change(Endpoint.objects.get(id=self.endpoint_id), **changes)

    def told(self, event: str) -> list[bytes]:
        """Records of the tenant's chain."""
        with tenant_scope(self.tenant_id):
            rows = Entry.objects.filter(event=event).order_by("seq")
            return [bytes(record) for record in rows.values_list("record", flat=True)]


def open_point(
    person: Person, folder: Path, name: str, transport: str = "sftp", **settings: Any
) -> Point:
    key = folder / f"{name}.key".replace(" ", "-")
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(keygen, check=True)
    public = key.with_suffix(".key.pub").read_text()
    with tenant_scope(person.tenant_id):
        draft = Draft(name, FILE_PROTOCOL, transport, Environment.SIMULATOR, settings=settings)
        endpoint = endpoints.add(draft)
        made = file_logins.make(endpoint, "test", [public], by=THE_HOST)
    where = (person.tenant_id, endpoint.id, made.row.id)
    return Point(*where, made.row.username, made.password, key)


def filed(arrived: Arrived) -> Filed:
    stem = arrived.name.removesuffix(".sub")
    return Filed(f"{stem}.{arrived.arrived_at:%Y%m%dT%H%M%SZ}.sub")


def collected(point: Point, into: list[bytes]) -> None:
    def take(arrived: Arrived) -> Filed:
        into.append(arrived.path.read_bytes())
        return filed(arrived)

    collecting.collect(point.tenant_id, point.endpoint_id, take)


@dataclass(slots=True)
class Servers:
    """`woken` is told where a file was complete."""

    sftp: int
    ftps: int
    ca: Path
    known_hosts: Path
    folder: Path
    woken: list[tuple[UUID, UUID]] = field(default_factory=list)

    def by_sftp(
        self, point: Point, *commands: str, password: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`sftp` in batch mode, with the point's key or, where it is given, a password."""
        options = {
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "NumberOfPasswordPrompts": "1",
        }
        environment = dict(os.environ)
        if password is None:
            options |= {"IdentityFile": str(point.key), "BatchMode": "yes"}
        else:
            asker = self.folder / "asker"
            asker.write_text('#!/bin/sh\nprintf "%s\\n" "$FILE_PASSWORD"\n')
            asker.chmod(0o700)
            options |= {"PreferredAuthentications": "password", "PubkeyAuthentication": "no"}
            environment |= {"SSH_ASKPASS": str(asker), "SSH_ASKPASS_REQUIRE": "force"}
            environment |= {"FILE_PASSWORD": password, "DISPLAY": ":"}
        batch = self.folder / "batch"
        batch.write_text("".join(f"{command}\n" for command in commands))
        told = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        # The options are read first: a batch would else set BatchMode itself.
        line = ["sftp", "-F", "/dev/null", *told, "-o", "BatchMode=no", "-b", str(batch)]
        port = ["-P", str(self.sftp), f"{point.username}@127.0.0.1"]
        return subprocess.run(
            [*line, *port], capture_output=True, text=True, timeout=60, env=environment, check=False
        )

    def by_lftp(
        self, point: Point, *commands: str, password: str | None = None, tls: bool = True
    ) -> subprocess.CompletedProcess[str]:
        script = (
            "set net:max-retries 1; set net:timeout 10; set net:reconnect-interval-base 1;"
            " set cmd:fail-exit yes; set net:persist-retries 0;"
            f" set ftp:ssl-allow {'yes' if tls else 'no'}; set ftp:ssl-force {tls};"
            " set ftp:ssl-protect-data yes; set ssl:check-hostname no;"
            f" set ssl:ca-file {self.ca};"
            f" open -u {point.username},{password or point.password} -p {self.ftps} 127.0.0.1;"
            f" {'; '.join(commands)}; bye"
        )
        return subprocess.run(
            ["lftp", "--norc", "-c", script],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "HOME": str(self.folder)},
            check=False,
        )

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    def ftp(self, point: Point, *, tls: bool = True) -> ftplib.FTP:
        """A session by Python's own client, logged in."""
        if not tls:
            plain = ftplib.FTP(timeout=20)
            plain.connect("127.0.0.1", self.ftps)
            plain.login(point.username, point.password)
            return plain
        secure = ftplib.FTP_TLS(context=self.tls(), timeout=20)
        secure.connect("127.0.0.1", self.ftps)
        secure.login(point.username, point.password)
        secure.prot_p()
        return secure


@contextmanager
def serving(folder: Path) -> Iterator[Servers]:
    """Both servers on a thread of their own; settings are as they were afterwards."""
    authority = Authority("of the host")
    authority.issue("host").write(folder / "host.pem", folder / "host.key")
    (folder / "ca.pem").write_text(authority.pem)
    sftp, ftps = free_ports(2)
    wanted = {
        "FILES_DIR": folder / "files",
        "SFTP_LISTEN": ("127.0.0.1", sftp),
        "FTPS_LISTEN": ("127.0.0.1", ftps),
        "TLS_CERTIFICATE": folder / "host.pem",
        "TLS_KEY": folder / "host.key",
    }
    before = {name: getattr(settings, name) for name in wanted}
    for name, value in wanted.items():
        setattr(settings, name, value)
    hosts = folder / "known_hosts"
    hosts.write_text(f"[127.0.0.1]:{sftp} {host_key.public_key()}\n")
    servers = Servers(sftp, ftps, folder / "ca.pem", hosts, folder)
    loop = asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with server.serving(lambda *who: servers.woken.append(who)):
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    try:
        assert started.wait(20)
        yield servers
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()
        connection.close()
        for name, value in before.items():
            setattr(settings, name, value)
