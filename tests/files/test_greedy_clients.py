"""Clients that ask for more than they take."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncssh
import pytest

from messaging.files import sftp
from tests.files.rig import Point, Servers

PIECE = 1024 * 1024
ASKED = 400


class _Mute(asyncssh.SSHClientSession[bytes]):
    """Asks, and takes no answer."""

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        chan.pause_reading()


def _packet(kind: int, body: bytes) -> bytes:
    return (len(body) + 1).to_bytes(4) + bytes([kind]) + body


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(4) + text


async def _ask(files: Servers, point: Point, path: str) -> None:
    """Opens a file and asks for its first piece again and again; stays for a while."""
    where: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": files.sftp,
        "known_hosts": None,
        "config": None,
    }
    who: dict[str, Any] = {
        "username": point.username,
        "password": point.password,
        "client_keys": None,
    }
    async with asyncssh.connect(**where, **who, agent_path=None) as connection:
        channel, _ = await connection.create_session(_Mute, subsystem="sftp", encoding=None)
        channel.write(_packet(1, (3).to_bytes(4)))
        reading = (1).to_bytes(4) + (0).to_bytes(4)
        channel.write(_packet(3, (1).to_bytes(4) + _text(path.encode()) + reading))
        first = _text(bytes(4)) + (0).to_bytes(8) + PIECE.to_bytes(4)
        for number in range(ASKED):
            channel.write(_packet(5, (2 + number).to_bytes(4) + first))
        await asyncio.sleep(2)


def test_what_is_asked_for_and_not_taken_is_not_read(
    files: Servers, hers: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one client has the process hold whatever it names, for as long as it likes."""
    hers.directories.make()
    (hers.directories.archive / "large.sub").write_bytes(b"x" * PIECE)
    read = sftp.JailedServer.read
    answered: list[int] = []

    def counted(server: sftp.JailedServer, file: object, offset: int, size: int) -> bytes:
        answered.append(size)
        return read(server, file, offset, size)

    monkeypatch.setattr(sftp.JailedServer, "read", counted)
    asyncio.run(_ask(files, hers, "/archive/large.sub"))
    assert 1 <= len(answered) < 20
