"""Files on a tenant's own server: fetched once, moved to the archive there after they were taken,
replies brought there; and servers that are away, or are not who they should be.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from django.db import connection

from messaging.files import collecting, fetching
from messaging.models import FetchDue
from messaging.probing.report import Colour
from messaging.probing.run import run
from messaging.rehearsal.authority import Authority
from messaging.relay.file_places import place_of
from messaging.relay.from_trading_point import Arrived, Filed
from messaging.relay.register import FILE_PROTOCOL
from messaging.transports import files, remote_files, remote_ftps, remote_sftp
from messaging.transports.base import Refused, TransportError, Unreachable
from messaging.transports.connecting import Forbidden, Guard
from messaging.transports.directories import Directories
from messaging.transports.remote_files import Remote, connected
from tenants import endpoints, remote_secrets
from tenants.clock import now
from tenants.credentials import THE_HOST
from tenants.endpoints import BadEndpoint, Draft
from tenants.models import Endpoint, Environment, RemoteSecret
from tenants.remote_secrets import Secret
from tenants.scope import tenant_scope
from tests.files.remote_servers import (
    PASSWORD,
    OwnServer,
    Taken,
    alarms,
    led_to,
    own_ftps,
    own_sftp,
)
from tests.owners import living
from tests.people import Person
from tests.servers import TestServers

NAME = "ALITA_000001.sub"


pytestmark = pytest.mark.usefixtures("folder")


def put(row: Endpoint, name: str, content: bytes) -> None:
    with tenant_scope(row.tenant_id):
        place = place_of(row)
    files.put(place, name, content)


def test_what_is_there_is_taken_once_and_moved_to_the_archive_there(
    own: OwnServer, alice: Person
) -> None:
    row, taken = led_to(own, alice), Taken()
    (own.root / "outgoing" / NAME).write_bytes(b"whole")
    (own.root / "outgoing" / "ALITA_000002.tmp").write_bytes(b"half")
    for _ in range(2):
        fetching.fetch(alice.tenant_id, row.id, taken)
    assert (taken.names, taken.contents) == ([NAME], [b"whole"])
    assert own.names("outgoing") == ["ALITA_000002.tmp"]
    (archived,) = own.names("archive")
    assert archived.startswith("ALITA_000001.20")
    assert len(list(Directories.of(alice.tenant_id, row.id).archive.glob("ALITA*"))) == 1


def test_a_reply_is_brought_whole_and_again(own: OwnServer, alice: Person) -> None:
    row = led_to(own, alice)
    for content in (b"first", b"first", b"second"):
        put(row, "ALITA_000001.ack", content)
        assert (own.root / "incoming" / "ALITA_000001.ack").read_bytes() == content
    assert own.names("incoming") == ["ALITA_000001.ack"]


def test_without_an_archive_there_the_file_is_removed(own: OwnServer, alice: Person) -> None:
    row, taken = led_to(own, alice), Taken()
    (own.root / "archive").rmdir()
    (own.root / "outgoing" / NAME).write_bytes(b"whole")
    fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.names == [NAME]
    assert own.names("outgoing") == []


def test_a_file_that_was_not_taken_stays_and_is_taken_later(own: OwnServer, alice: Person) -> None:
    row, taken = led_to(own, alice), Taken()
    (own.root / "outgoing" / NAME).write_bytes(b"whole")

    def fails(arrived: Arrived) -> Filed:
        raise OSError("the disk is away")

    with pytest.raises(OSError, match="away"):
        fetching.fetch(alice.tenant_id, row.id, fails)
    assert own.names("outgoing") == [NAME]
    collecting.collect(alice.tenant_id, row.id, taken)
    fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.names == [NAME]
    assert own.names("outgoing") == []


def test_a_copy_that_a_crash_left_is_fetched_anew(own: OwnServer, alice: Person) -> None:
    row, taken = led_to(own, alice), Taken()
    directories = Directories.of(alice.tenant_id, row.id)
    directories.make()
    (own.root / "outgoing" / NAME).write_bytes(b"whole")
    (directories.fetched / f"{NAME}.tmp").write_bytes(b"wh")
    (directories.fetched / f"{NAME}.json").write_text(f'["{NAME}", 5, "x", "a"]')
    fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.contents == [b"whole"]


def test_a_wrong_password_is_refused_and_alarmed_once_until_it_is_put_right(
    own: OwnServer, alice: Person
) -> None:
    row, taken = led_to(own, alice, password="wrong"), Taken()
    before = len(alarms(alice))
    for _ in range(3):
        fetching.fetch(alice.tenant_id, row.id, taken)
    with pytest.raises(Refused):
        put(row, "ALITA_000001.ack", b"x")
    assert len(alarms(alice)) == before + 1
    with tenant_scope(alice.tenant_id):
        remote_secrets.keep(row, Secret(PASSWORD), by=THE_HOST)
    for _ in range(2):
        fetching.fetch(alice.tenant_id, row.id, taken)
    assert len(alarms(alice)) == before + 2
    assert b"fetched from again" in alarms(alice)[-1]


def test_another_server_at_the_address_is_not_spoken_to(
    own: OwnServer, alice: Person, bob: Person, tmp_path: Path
) -> None:
    with own_sftp(tmp_path / "a") as other, own_ftps(tmp_path / "b", tmp_path) as another:
        stranger = {"host_key": other.host_key} if own.host_key else {"ca": another.ca}
        row, taken = led_to(own, bob, **stranger), Taken()
    (own.root / "outgoing" / NAME).write_bytes(b"whole")
    fetching.fetch(bob.tenant_id, row.id, taken)
    with pytest.raises(Refused):
        put(row, "ALITA_000001.ack", b"x")
    assert taken.names == []
    assert own.names("incoming") == []


def test_a_server_that_is_away_is_looked_at_less_often(alice: Person, tmp_path: Path) -> None:
    with own_sftp(tmp_path / "own") as own:
        row = led_to(own, alice)
    for _ in range(2):
        fetching.fetch(alice.tenant_id, row.id, Taken())
    with pytest.raises(Unreachable):
        put(row, "ALITA_000001.ack", b"x")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_fetchdue SET failing_since = now() - interval '3 minutes',"
            " due_at = now() WHERE endpoint_id = %s",
            [row.id],
        )
        assert (alice.tenant_id, row.id) in fetching.pick(1_000)
        fetching.fetch(alice.tenant_id, row.id, Taken())
        cursor.execute(
            "SELECT extract(epoch FROM due_at - now()) FROM messaging_fetchdue"
            " WHERE endpoint_id = %s",
            [row.id],
        )
        (wait,) = cursor.fetchone()
    assert 100 < wait < 300


def test_a_server_that_a_dead_process_was_looking_at_is_looked_at_after_the_next_sweep(
    alice: Person, tmp_path: Path, servers: TestServers, database: str
) -> None:
    with own_sftp(tmp_path / "own") as own:
        row, taken = led_to(own, alice), Taken()
        (own.root / "outgoing" / NAME).write_bytes(b"whole")
        with living(servers, database) as other:
            claimed_by(other, row)
            fetching.fetch(alice.tenant_id, row.id, taken)
            assert (alice.tenant_id, row.id) not in fetching.pick(1_000)
            assert taken.names == []
        assert (alice.tenant_id, row.id) in fetching.pick(1_000)
        again = FetchDue.objects.get(endpoint_id=row.id)
        assert (again.owner, again.due_at <= now() + timedelta(seconds=2)) == (None, True)
        assert fetching.is_wanted(alice.tenant_id, row.id)
        fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.names == [NAME]
    assert FetchDue.objects.get(endpoint_id=row.id).owner is None
    assert not fetching.is_wanted(alice.tenant_id, row.id), "should it be handed out once more"


def test_one_that_was_frozen_until_another_looked_says_nothing_of_the_server(
    alice: Person, tmp_path: Path, servers: TestServers, database: str
) -> None:
    with own_sftp(tmp_path / "own") as own:
        row, before = led_to(own, alice), len(alarms(alice))

        def freezes(arrived: Arrived) -> Filed:
            claimed_by(other, row)
            raise Unreachable("it was away when this one was frozen")

        (own.root / "outgoing" / NAME).write_bytes(b"whole")
        with living(servers, database) as other:
            fetching.fetch(alice.tenant_id, row.id, freezes)
            found = FetchDue.objects.get(endpoint_id=row.id)
            assert (found.owner, found.failing_since) == (other, None)
    assert len(alarms(alice)) == before


def claimed_by(owner: int, row: Endpoint) -> None:
    rows = FetchDue.objects.filter(endpoint_id=row.id)
    rows.update(owner=owner, due_at=now() + fetching.LEASE)


def test_a_connection_test_logs_in_and_looks(own: OwnServer, alice: Person) -> None:
    row = led_to(own, alice)
    (own.root / "outgoing" / NAME).write_bytes(b"whole")
    report = run(alice.tenant_id, row.id, "test")
    assert [(step.name, step.colour) for step in report.steps] == [
        ("log-in", Colour.GREEN),
        ("outgoing", Colour.GREEN),
        ("incoming", Colour.GREEN),
    ]
    with tenant_scope(alice.tenant_id):
        remote_secrets.keep(row, Secret("wrong"), by=THE_HOST)
    report = run(alice.tenant_id, row.id, "test")
    assert [(step.name, step.colour) for step in report.steps] == [("log-in", Colour.RED)]
    assert own.names("outgoing") == [NAME]


def test_an_address_inside_is_not_connected_to(own: OwnServer, alice: Person) -> None:
    row = led_to(own, alice)
    with tenant_scope(alice.tenant_id):
        place = place_of(row)
    with pytest.raises(Forbidden):
        files.put(place, "ALITA_000001.ack", b"x", Guard())


def test_the_secret_lies_sealed_and_is_shown_by_no_representation(
    own: OwnServer, alice: Person
) -> None:
    row = led_to(own, alice)
    with tenant_scope(alice.tenant_id):
        stored = bytes(RemoteSecret.objects.get(endpoint=row).sealed)
        assert PASSWORD not in repr(place_of(row))
    assert PASSWORD.encode() not in stored


def test_an_endpoint_that_is_fetched_no_more_is_not_looked_at(
    own: OwnServer, alice: Person
) -> None:
    row = led_to(own, alice)
    with tenant_scope(alice.tenant_id):
        endpoints.change(Endpoint.objects.get(id=row.id), address="", settings={})
    assert row.id not in [endpoint for _, endpoint in fetching.pick(100)]


KEY = "ssh-ed25519 " + "A" * 68


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"address": ""}, "address"),
        ({"address": "https://files.example"}, "address"),
        ({"address": "sftp://user:secret@files.example"}, "address"),
        ({"address": "sftp://10.0.0.1"}, "address"),
        ({"transport": "ftps"}, "address"),
        ({"transport": "ftp", "address": "ftp://files.example"}, "address"),
        ({"settings": {"mode": "client", "user": "host"}}, "host_key"),
        ({"settings": {"mode": "client", "host_key": KEY}}, "user"),
        ({"settings": {"mode": "client", "user": "host", "host_key": "AAAA"}}, "host_key"),
        ({"settings": {"mode": "client", "user": "host", "ca": "AAAA"}}, "ca"),
        ({"settings": {"mode": "other"}, "address": ""}, "mode"),
        ({"settings": {"networks": ["10.0.0.1/8"]}, "address": ""}, "networks"),
        ({"settings": {"networks": "10.0.0.0/8"}, "address": ""}, "networks"),
        ({"settings": {"poll_seconds": 1}, "address": ""}, "poll_seconds"),
        ({"settings": {}}, "address"),
    ],
)
def test_a_wrong_set_up_is_named(changes: dict[str, Any], told: str, database: str) -> None:
    right = Draft(
        "right",
        FILE_PROTOCOL,
        "sftp",
        Environment.SIMULATOR,
        "sftp://files.example/edt",
        {"mode": "client", "user": "host", "host_key": KEY},
    )
    assert endpoints.faults_of(right) == ()
    with pytest.raises(BadEndpoint, match=told):
        endpoints.check(replace(right, **changes))


def test_a_key_is_read_as_openssh_writes_it(alice: Person, tmp_path: Path) -> None:
    """The host logs in by a private key too."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    text = key.export_private_key("openssh").decode()
    assert remote_secrets.checked_private_key(text) == text


@pytest.mark.parametrize("limit", ["session", "step"])
def test_a_server_that_gives_a_byte_now_and_then_holds_nobody_for_long(
    alice: Person, tmp_path: Path, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit == "session":
        monkeypatch.setattr(remote_files, "SESSION_SECONDS", 0.5)
    else:
        monkeypatch.setattr(remote_sftp, "STEP_SECONDS", 0.5)
    with own_sftp(tmp_path / "own") as own:
        dribbles(monkeypatch)
        row, taken = led_to(own, alice), Taken()
        (own.root / "outgoing" / NAME).write_bytes(b"x" * 10_000)
        ends(lambda: fetching.fetch(alice.tenant_id, row.id, taken))
    assert taken.names == []
    assert b"cannot be fetched from" in alarms(alice)[-1]
    assert not list(Directories.of(alice.tenant_id, row.id).fetched.iterdir())


def test_a_greeting_without_an_end_holds_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_ftps, "CONNECT_SECONDS", 0.25)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: dribble(listener.accept()[0]), daemon=True).start()
        address = f"ftps://127.0.0.1:{listener.getsockname()[1]}"
        remote = Remote(address, "host", ca=Authority("of nobody").pem)
        guard = Guard((ip_network("127.0.0.0/8"),))
        told: list[Exception] = []
        ends(lambda: told.append(failure_of(remote, guard)))
    assert isinstance(told[0], Unreachable)


def test_a_file_by_ftps_that_comes_too_slowly_is_given_up_for_now(
    alice: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_ftps(tmp_path / "own", tmp_path) as own:
        row, taken = led_to(own, alice), Taken()
        (own.root / "outgoing" / NAME).write_bytes(b"x" * 10_000)
        with monkeypatch.context() as patched:
            fetch = remote_ftps.FtpsFiles.fetch

            def slow(*asked: Any) -> None:
                patched.setattr(remote_files, "PACE_SECONDS", 0.0)
                patched.setattr(remote_files, "SLOWEST", 10**12)
                fetch(*asked)

            patched.setattr(remote_ftps.FtpsFiles, "fetch", slow)
            ends(lambda: fetching.fetch(alice.tenant_id, row.id, taken))
        assert taken.names == []
        assert b"too slow" in alarms(alice)[-1]
        fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.names == [NAME]


def failure_of(remote: Remote, guard: Guard) -> Exception:
    with pytest.raises(TransportError) as failed, connected(remote, guard):
        pass
    return failed.value


def ends(work: Callable[[], object]) -> None:
    def closing() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=closing, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


def dribbles(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SFTP server of the tenant's gives a byte at a time."""
    read: Any = asyncssh.SFTPServer.read

    async def slow(server: asyncssh.SFTPServer, file: object, offset: int, size: int) -> bytes:
        await asyncio.sleep(0.05)
        return bytes(read(server, file, offset, 1))

    monkeypatch.setattr(asyncssh.SFTPServer, "read", slow)


def dribble(peer: socket.socket) -> None:
    """A greeting that has no end, for longer than anybody waits here."""
    with peer, suppress(OSError):
        for _ in range(1_000):
            peer.sendall(b"2")
            time.sleep(0.05)
