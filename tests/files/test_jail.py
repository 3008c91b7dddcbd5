"""What a tenant's machine can't do with the file servers: get out, make links or directories,
change the archive, write beyond the quota, or have half a file taken.
"""

from __future__ import annotations

import asyncio
import ftplib
import io
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import asyncssh
import pytest

from messaging.files.jail import Spot, spot_of
from messaging.files.uploads import LONGEST_NAME
from tests.files.rig import Point, Servers, collected, open_point, until
from tests.people import Person

T = TypeVar("T")
OsTool = Callable[[str], str]
NAME = "ALITA_000001.sub"


def speak(files: Servers, point: Point, work: Callable[[asyncssh.SFTPClient], Awaitable[T]]) -> T:
    """An SFTP session of a client that keeps to no rules."""

    async def session() -> T:
        async with (
            asyncssh.connect(
                "127.0.0.1",
                files.sftp,
                username=point.username,
                password=point.password,
                client_keys=None,
                known_hosts=str(files.known_hosts),
                config=None,
            ) as connection,
            connection.start_sftp_client() as client,
        ):
            return await work(client)

    return asyncio.run(asyncio.wait_for(session(), 60))


def refused(files: Servers, point: Point, work: Callable[[asyncssh.SFTPClient], object]) -> str:
    async def attempt(client: asyncssh.SFTPClient) -> str:
        with pytest.raises(asyncssh.SFTPError) as refusal:
            await work(client)  # type: ignore[misc]
        return str(refusal.value)

    return speak(files, point, attempt)


@pytest.fixture
def point(files: Servers, alice: Person, tmp_path: Path) -> Point:
    made = open_point(alice, tmp_path, f"jail {tmp_path.name}")
    made.directories.make()
    return made


@pytest.mark.parametrize(
    ("path", "spot"),
    [
        ("/", Spot(())),
        ("", Spot(())),
        (".", Spot(())),
        ("../../..", Spot(())),
        ("outgoing/../../../../outgoing", Spot(("outgoing",))),
        ("/archive/bad/./x", Spot(("archive", "bad"), "x")),
        ("//incoming//x", Spot(("incoming",), "x")),
        ("outgoing/../incoming/x", Spot(("incoming",), "x")),
    ],
)
def test_a_path_is_looked_up_in_the_tree(path: str, spot: Spot) -> None:
    assert spot_of(path) == spot


@pytest.mark.parametrize(
    "path",
    [
        "/x",
        "/taking",
        "/../etc/passwd",
        "/etc/passwd",
        "outgoing/x/y",
        "outgoing/x/../../taking/y",
        "archive/worse/x",
        "outgoing/a\0b",
        "outgoing/a\nb",
        "outgoing/" + "x" * (LONGEST_NAME + 1),
        "outgoing/\u2028",
    ],
)
def test_what_is_not_in_the_tree_is_nowhere(path: str) -> None:
    with pytest.raises(OSError, match=r"no such file|printable"):
        spot_of(path)


def test_there_is_no_way_out_by_sftp(
    os_tool: OsTool, files: Servers, point: Point, tmp_path: Path
) -> None:
    os_tool("sftp")
    secret = tmp_path / "secret"
    secret.write_text("nothing for tenants")
    host_key = files.folder / "files" / "ssh_host_ed25519_key"
    assert host_key.exists()
    for path in (
        *(str(secret), str(host_key), "/etc/passwd", "../../../../../../etc/passwd"),
        *("outgoing/../../../ssh_host_ed25519_key", "/taking", "outgoing/../taking"),
        *(f"../../{point.tenant_id}", "//etc//passwd"),
    ):
        done = files.by_sftp(point, f"get {path} {tmp_path}/got")
        assert done.returncode != 0, path
        assert not (tmp_path / "got").exists()
        assert files.by_sftp(point, f"put {secret} {path}").returncode != 0, path
    for command in (
        *("mkdir outgoing/x", "mkdir x", "rmdir outgoing", "rm archive/x", "rename outgoing x"),
        *(f"ln -s {secret} outgoing/link", f"ln {secret} outgoing/link", "symlink / outgoing/link"),
        *("rename incoming outgoing", "rename outgoing ../out"),
    ):
        assert files.by_sftp(point, command).returncode != 0, command
    assert not list(point.directories.outgoing.iterdir())


def test_there_is_no_way_out_by_ftp(files: Servers, point: Point) -> None:
    session = files.ftp(point)
    for path in ("/etc/passwd", "../../../../etc/passwd", "/taking", "outgoing/../../taking"):
        with pytest.raises(ftplib.error_perm):
            session.retrbinary(f"RETR {path}", lambda _: None)
        with pytest.raises(ftplib.error_perm):
            session.storbinary(f"STOR {path}", io.BytesIO(b"x"))
        with pytest.raises(ftplib.error_perm):
            session.sendcmd(f"CWD {path}")
    for command in (
        *("MKD outgoing/x", "RMD outgoing", "DELE archive/x", "SITE CHMOD 777 outgoing"),
        *("STOU", "PORT 127,0,0,1,0,22", "EPRT |1|127.0.0.1|22|"),
    ):
        with pytest.raises(ftplib.error_perm):
            session.sendcmd(command)
    session.close()


def test_a_link_that_got_there_by_other_means_is_not_followed(
    files: Servers, point: Point, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("nothing for tenants")
    (point.directories.outgoing / "link").symlink_to(tmp_path / "secret")

    async def read(client: asyncssh.SFTPClient) -> None:
        await client.open("outgoing/link")

    async def write(client: asyncssh.SFTPClient) -> None:
        await client.open("outgoing/link", "wb")

    assert refused(files, point, read)
    assert refused(files, point, write)
    assert (tmp_path / "secret").read_text() == "nothing for tenants"


def test_the_archive_is_read_and_no_more(files: Servers, point: Point) -> None:
    (point.directories.archive / "kept").write_bytes(b"kept")

    async def read(client: asyncssh.SFTPClient) -> bytes:
        async with client.open("archive/kept", "rb") as file:
            return await file.read()

    assert speak(files, point, read) == b"kept"
    works: list[Callable[[asyncssh.SFTPClient], Awaitable[object]]] = [
        lambda client: client.remove("archive/kept"),
        lambda client: client.rename("archive/kept", "outgoing/kept"),
        lambda client: client.posix_rename("archive/kept", "archive/other"),
        lambda client: client.rename("outgoing/x", "archive/x"),
        lambda client: client.truncate("archive/kept", 0),
        lambda client: client.symlink("kept", "archive/link"),
        lambda client: client.link("archive/kept", "outgoing/kept"),
    ]
    for work in works:
        refused(files, point, work)
    assert (point.directories.archive / "kept").read_bytes() == b"kept"


def test_there_is_no_shell_and_no_forwarding(files: Servers, point: Point) -> None:
    async def attempt() -> None:
        async with asyncssh.connect(
            "127.0.0.1",
            files.sftp,
            username=point.username,
            password=point.password,
            client_keys=None,
            known_hosts=str(files.known_hosts),
            config=None,
        ) as connection:
            for command in ("id", "scp -t /", None):
                with pytest.raises(asyncssh.ChannelOpenError):
                    await connection.create_process(command)
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection("127.0.0.1", files.ftps)

    asyncio.run(asyncio.wait_for(attempt(), 30))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.FILES_QUOTA_MB", 4)
    monkeypatch.setattr("django.conf.settings.FILES_QUOTA", 3)


def left(point: Point) -> int:
    return sum(path.stat().st_size for path in point.directories.outgoing.iterdir())


@pytest.fixture
def huge(tmp_path: Path) -> Path:
    """A gigabyte that takes no room."""
    file = tmp_path / "huge"
    with file.open("wb") as out:
        out.truncate(2**30)
    return file


@pytest.mark.usefixtures("small")
def test_a_huge_file_stops_at_the_quota_by_sftp(
    os_tool: OsTool, files: Servers, point: Point, huge: Path
) -> None:
    os_tool("sftp")
    done = files.by_sftp(point, f"put {huge} outgoing/huge.tmp")
    assert done.returncode != 0
    assert "huge.tmp" in done.stderr
    assert left(point) == 0


@pytest.mark.usefixtures("small")
def test_a_huge_file_stops_at_the_quota_by_lftp(
    os_tool: OsTool, files: Servers, point: Point, huge: Path
) -> None:
    os_tool("lftp")
    done = files.by_lftp(point, f"put {huge} -o outgoing/huge.tmp")
    assert done.returncode != 0
    assert "uota" in done.stderr
    assert left(point) == 0


@pytest.mark.usefixtures("small")
def test_a_hole_counts_as_what_it_would_hold(files: Servers, point: Point) -> None:
    async def far(client: asyncssh.SFTPClient) -> None:
        async with client.open("outgoing/hole.tmp", "wb") as file:
            await file.write(b"x", 2**40)

    assert "quota" in refused(files, point, far)
    assert left(point) == 0


@pytest.mark.usefixtures("small")
def test_there_are_only_so_many_files(files: Servers, point: Point) -> None:
    async def many(client: asyncssh.SFTPClient) -> None:
        for number in range(4):
            async with client.open(f"outgoing/{number}.tmp", "wb"):
                pass

    assert "quota" in refused(files, point, many)
    assert len(list(point.directories.outgoing.iterdir())) == 3


def test_a_file_that_is_written_still_is_not_taken(files: Servers, point: Point) -> None:
    """Nor is one that was given its final name too early."""
    taken: list[bytes] = []

    async def early(client: asyncssh.SFTPClient) -> None:
        file = await client.open("outgoing/ALITA_000001.tmp", "wb")
        await file.write(b"half")
        await client.rename("outgoing/ALITA_000001.tmp", f"outgoing/{NAME}")
        await asyncio.to_thread(collected, point, taken)
        assert taken == []
        await file.write(b", whole")
        await file.close()

    speak(files, point, early)
    collected(point, taken)
    assert taken == [b"half, whole"]


@pytest.mark.parametrize("name", [NAME, "ALITA_000001.tmp"])
def test_an_upload_that_is_broken_off_is_not_taken_for_whole(
    files: Servers, point: Point, name: str
) -> None:
    async def die(client: asyncssh.SFTPClient) -> None:
        file = await client.open(f"outgoing/{name}", "wb")
        await file.write(b"half")

    speak(files, point, die)
    until(lambda: (point.tenant_id, point.endpoint_id) in files.woken)
    until(lambda: [p for p in point.directories.outgoing.iterdir() if p.suffix == ".tmp"])
    taken: list[bytes] = []
    collected(point, taken)
    assert taken == []


def test_an_upload_that_is_closed_as_the_session_ends_is_whole(
    files: Servers, point: Point
) -> None:
    async def hurry(client: asyncssh.SFTPClient) -> None:
        file = await client.open(f"outgoing/{NAME}", "wb")
        await file.write(b"whole")
        await file.close()

    for _ in range(5):
        speak(files, point, hurry)
        assert (point.directories.outgoing / NAME).read_bytes() == b"whole"


def end(data: socket.socket, *, reset: bool) -> None:
    """As a process ends that is killed, or, with a reset, one whose answers nobody takes any more;
    TLS has no word of it.
    """
    raw = socket.socket(fileno=data.detach())
    if reset:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


@pytest.mark.parametrize(
    ("tls", "reset"), [(True, False), (True, True), (False, True)], ids=["cut", "reset", "clear"]
)
def test_a_broken_upload_by_ftp_is_not_taken_for_whole(
    files: Servers, alice: Person, tmp_path: Path, tls: bool, reset: bool
) -> None:
    """Whatever becomes of the connection that commands go by."""
    name = f"broken {tmp_path.name}"
    point = open_point(alice, tmp_path, name, "ftps" if tls else "ftp", networks=["127.0.0.0/8"])
    session = files.ftp(point, tls=tls)
    data = session.transfercmd(f"STOR outgoing/{NAME}")
    data.sendall(b"half")
    until(lambda: left(point) == len(b"half"))
    end(data, reset=reset)
    until(lambda: list(point.directories.outgoing.glob("*.broken.tmp")))
    with pytest.raises(ftplib.error_temp, match="426"):
        session.voidresp()
    session.close()
    taken: list[bytes] = []
    collected(point, taken)
    assert taken == []


def test_a_file_may_be_written_under_its_final_name_by_ftp(files: Servers, point: Point) -> None:
    files.woken.clear()
    session = files.ftp(point)
    session.storbinary(f"STOR outgoing/{NAME}", io.BytesIO(b"whole"))
    until(lambda: (point.tenant_id, point.endpoint_id) in files.woken)
    session.quit()
    taken: list[bytes] = []

    def is_taken() -> bool:
        collected(point, taken)
        return bool(taken)

    until(is_taken)
    assert taken == [b"whole"]


def test_ftp_goes_on_with_an_upload_where_it_was(files: Servers, point: Point) -> None:
    session = files.ftp(point)
    session.storbinary("STOR outgoing/x.tmp", io.BytesIO(b"01234"))
    session.voidcmd("TYPE I")
    session.storbinary("STOR outgoing/x.tmp", io.BytesIO(b"56789"), rest=5)
    session.storbinary("APPE outgoing/x.tmp", io.BytesIO(b"end"))
    session.quit()
    assert (point.directories.outgoing / "x.tmp").read_bytes() == b"0123456789end"


def test_a_second_rename_takes_nothing_else_along(files: Servers, point: Point) -> None:
    async def twice(client: asyncssh.SFTPClient) -> None:
        for content in (b"first", b"second"):
            async with client.open("outgoing/x.tmp", "wb") as file:
                await file.write(content)
            await client.posix_rename("outgoing/x.tmp", f"outgoing/{NAME}")
        async with client.open("outgoing/x.tmp", "wb") as file:
            await file.write(b"third")
        with pytest.raises(asyncssh.SFTPError):
            await client.rename("outgoing/x.tmp", f"outgoing/{NAME}")

    speak(files, point, twice)
    taken: list[bytes] = []
    collected(point, taken)
    assert taken == [b"second"]
