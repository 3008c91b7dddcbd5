"""Those who have not logged in: how many there may be, for how long, and that none of them keeps
others waiting.
"""

from __future__ import annotations

import asyncio
import ftplib
import socket
import threading
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from django.db import connection

from messaging.files import entry, ftps, greeting, sftp
from messaging.files.greeting import Greeting
from tests.files.rig import Point, Servers, serving, until


def test_one_place_has_so_much_room_and_all_have_so_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(greeting, "UNKNOWN_LIMIT_EACH", 2)
    monkeypatch.setattr(greeting, "UNKNOWN_LIMIT", 3)
    here = Greeting()
    assert [here.enter("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert here.enter("192.0.2.2")
    assert not here.has_room("192.0.2.3")
    assert not here.enter("192.0.2.3")
    here.leave("192.0.2.1")
    assert here.enter("192.0.2.3")
    assert len(here) == 3


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::2:3", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_what_one_site_has_is_one_place(
    first: str, second: str, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greeting, "UNKNOWN_LIMIT_EACH", 1)
    here = Greeting()
    assert here.enter(first)
    assert here.enter(second) is not same


def said(connection: socket.socket) -> bytes:
    """Its first words, or none where it is closed."""
    connection.settimeout(20)
    try:
        return connection.recv(100)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("way", ["sftp", "ftps"])
def test_connections_that_do_not_log_in_are_bounded_and_those_that_have_are_not(
    files: Servers, hers: Point, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greeting, "UNKNOWN_LIMIT_EACH", 3)
    port, hello = (files.sftp, b"SSH-2.0") if way == "sftp" else (files.ftps, b"220 ")
    inside = files.ftp(hers) if way == "ftps" else None
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
    assert all(said(one).startswith(hello) for one in silent)
    with socket.create_connection(("127.0.0.1", port)) as further:
        assert not said(further).startswith(hello)
    silent.pop().close()

    def has_room() -> bool:
        with socket.create_connection(("127.0.0.1", port)) as further:
            return said(further).startswith(hello)

    until(has_room)
    for one in silent:
        one.close()
    if inside is not None:
        inside.voidcmd("NOOP")
        inside.quit()


def test_a_client_that_talks_and_does_not_log_in_is_cut_off(
    files: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ftps, "LOGIN_SECONDS", 0)
    session = ftplib.FTP(timeout=20)
    session.connect("127.0.0.1", files.ftps)
    with pytest.raises(ftplib.error_temp, match="421"):
        session.sendcmd("FEAT")
    with pytest.raises((EOFError, ConnectionError)):
        session.sendcmd("NOOP")
    session.close()


def test_a_connection_that_has_not_logged_in_does_not_hold_up_the_end(
    tmp_path: Path, database: str
) -> None:
    with serving(tmp_path) as running:
        silent = socket.create_connection(("127.0.0.1", running.ftps))
        assert said(silent).startswith(b"220 ")
    assert said(silent) == b""
    silent.close()
    its_threads = [one for one in threading.enumerate() if "127.0.0.1" in one.name]
    for thread in its_threads:
        thread.join(10)
    assert not [one for one in its_threads if one.is_alive()]


def by_password(files: Servers, point: Point, password: str) -> Any:
    return asyncssh.connect(
        "127.0.0.1",
        files.sftp,
        username=point.username,
        password=password,
        client_keys=None,
        known_hosts=str(files.known_hosts),
        config=None,
        agent_path=None,
        kbdint_auth=False,
    )


def test_refusals_that_are_kept_back_keep_nobody_else_waiting(
    files: Servers, hers: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than the server has threads."""
    monkeypatch.setattr(entry, "REFUSED_AFTER", 60.0)
    monkeypatch.setattr(greeting, "UNKNOWN_LIMIT_EACH", 100)

    async def guess() -> None:
        async with by_password(files, hers, "wrong"):
            raise AssertionError("it was let in")

    def decided() -> int:
        try:
            return sum(b"wrong password" in record for record in hers.told("refused"))
        finally:
            if threading.current_thread() is not threading.main_thread():
                connection.close()

    async def attempt() -> None:
        async with asyncio.TaskGroup() as group:
            guesses = [group.create_task(guess()) for _ in range(20)]
            await asyncio.to_thread(until, lambda: decided() >= before + len(guesses))
            async with by_password(files, hers, hers.password):
                assert not any(one.done() for one in guesses)
            for one in guesses:
                one.cancel()

    before = decided()
    asyncio.run(asyncio.wait_for(attempt(), 50))


def test_no_more_keys_and_passwords_are_looked_at_than_a_few(
    files: Servers, hers: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right one after them is refused, too."""
    monkeypatch.setattr(sftp, "MOST_TRIES", 2)
    keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(2)]
    right = asyncssh.read_private_key(hers.key)

    async def attempt(offered: list[asyncssh.SSHKey]) -> None:
        async with asyncssh.connect(
            "127.0.0.1",
            files.sftp,
            username=hers.username,
            client_keys=offered,
            known_hosts=str(files.known_hosts),
            config=None,
            agent_path=None,
            preferred_auth="publickey",
        ):
            pass

    asyncio.run(asyncio.wait_for(attempt([right]), 20))
    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(asyncio.wait_for(attempt([*keys, right]), 20))
