"""Sessions of Debian's own clients with the file servers."""

from __future__ import annotations

import ftplib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.files.rig import Point, Servers, open_point, until
from tests.people import Person

OsTool = Callable[[str], str]
CONTENT = b"MEL,ALITA,X-1,2026-11-22 10:00,1,2026-11-22 10:30,1\r\n" * 50


@pytest.fixture
def local(tmp_path: Path) -> Path:
    file = tmp_path / "local"
    file.write_bytes(CONTENT)
    return file


def test_a_file_is_left_by_sftp_with_a_key(
    os_tool: OsTool, files: Servers, hers: Point, local: Path
) -> None:
    os_tool("sftp")
    files.woken.clear()
    done = files.by_sftp(
        hers,
        f"put {local} /outgoing/ALITA_000001.tmp",
        "rename /outgoing/ALITA_000001.tmp /outgoing/ALITA_000001.sub",
        "ls -l /outgoing",
    )
    assert done.returncode == 0, done.stderr
    assert "ALITA_000001.sub" in done.stdout
    assert (hers.directories.outgoing / "ALITA_000001.sub").read_bytes() == CONTENT
    until(lambda: (hers.tenant_id, hers.endpoint_id) in files.woken)


def test_a_file_is_left_by_sftp_with_a_password(
    os_tool: OsTool, files: Servers, hers: Point, local: Path
) -> None:
    os_tool("sftp")
    done = files.by_sftp(hers, f"put {local} outgoing/by-password.tmp", password=hers.password)
    assert done.returncode == 0, done.stderr
    assert (hers.directories.outgoing / "by-password.tmp").read_bytes() == CONTENT


def test_a_file_is_left_and_a_reply_fetched_and_removed_by_lftp(
    os_tool: OsTool, files: Servers, hers: Point, local: Path, tmp_path: Path
) -> None:
    os_tool("lftp")
    (hers.directories.incoming / "ALITA_000002.ack").write_bytes(b"* reply\r\n")
    done = files.by_lftp(
        hers,
        f"put {local} -o outgoing/ALITA_000002.tmp",
        "mv outgoing/ALITA_000002.tmp outgoing/ALITA_000002.sub",
        "cls -1 outgoing",
        f"get incoming/ALITA_000002.ack -o {tmp_path}/ack",
        "rm incoming/ALITA_000002.ack",
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert (hers.directories.outgoing / "ALITA_000002.sub").read_bytes() == CONTENT
    assert (tmp_path / "ack").read_bytes() == b"* reply\r\n"
    assert not list(hers.directories.incoming.iterdir())


def test_a_wrong_password_is_refused_and_told_to_the_tenant(
    os_tool: OsTool, files: Servers, hers: Point
) -> None:
    os_tool("sftp")
    assert files.by_sftp(hers, "ls", password="wrong").returncode != 0
    assert "Login failed" in files.by_lftp(hers, "ls", password="wrong").stderr
    told = until(lambda: [r for r in hers.told("refused") if b'"reason":"wrong password"' in r][1:])
    assert hers.username.encode() in told[0]


def test_an_unknown_name_is_refused_as_a_wrong_password_is(files: Servers, hers: Point) -> None:
    other = Point(hers.tenant_id, hers.endpoint_id, hers.login_id, "edt-none", "x", hers.key)
    with pytest.raises(ftplib.error_perm, match="530") as unknown:
        files.ftp(other)
    wrong = Point(hers.tenant_id, hers.endpoint_id, hers.login_id, hers.username, "x", hers.key)
    with pytest.raises(ftplib.error_perm, match="530") as known:
        files.ftp(wrong)
    assert str(unknown.value) == str(known.value)


def test_another_tenants_key_opens_nothing(
    os_tool: OsTool, files: Servers, hers: Point, his: Point
) -> None:
    os_tool("sftp")
    swapped = Point(his.tenant_id, his.endpoint_id, his.login_id, his.username, "", hers.key)
    assert files.by_sftp(swapped, "ls").returncode != 0
    until(lambda: [record for record in his.told("refused") if b"no key fits" in record])


def test_two_tenants_do_not_see_each_other(
    os_tool: OsTool, files: Servers, hers: Point, his: Point, local: Path
) -> None:
    os_tool("sftp")
    assert files.by_sftp(hers, f"put {local} outgoing/hers-alone.tmp").returncode == 0
    seen = files.by_sftp(his, "ls -la outgoing", "ls -la /", "ls -la ../..")
    assert seen.returncode == 0, seen.stderr
    assert "hers" not in seen.stdout
    assert str(hers.tenant_id) not in seen.stdout
    assert "hers-alone" not in files.by_lftp(his, "ls outgoing", "ls /").stdout


def test_a_revoked_login_ends_open_sessions_within_seconds(
    files: Servers, alice: Person, tmp_path: Path
) -> None:
    point = open_point(alice, tmp_path, "revoked")
    session = files.ftp(point)
    session.voidcmd("NOOP")
    point.revoke()

    def is_cut() -> bool:
        try:
            session.voidcmd("NOOP")
        except (EOFError, OSError):
            return True
        return False

    until(is_cut, 5)
    with pytest.raises(ftplib.error_perm, match="530"):
        files.ftp(point)


def test_a_change_of_networks_ends_sessions_from_elsewhere(
    os_tool: OsTool, files: Servers, alice: Person, tmp_path: Path
) -> None:
    os_tool("sftp")
    point = open_point(alice, tmp_path, "networks", networks=["127.0.0.0/8"])
    assert files.by_sftp(point, "ls").returncode == 0
    session = files.ftp(point)
    point.set(settings={"networks": ["192.0.2.0/24"]})

    def is_cut() -> bool:
        try:
            session.voidcmd("NOOP")
        except (EOFError, OSError):
            return True
        return False

    until(is_cut, 5)
    assert files.by_sftp(point, "ls").returncode != 0
    until(lambda: [r for r in point.told("refused") if b"network it is not meant for" in r])


def test_ftp_in_the_clear_is_for_points_that_are_set_to_it_and_their_networks(
    os_tool: OsTool, files: Servers, alice: Person, hers: Point, local: Path, tmp_path: Path
) -> None:
    os_tool("lftp")
    with pytest.raises(ftplib.error_perm, match="TLS is needed"):
        files.ftp(hers, tls=False)
    anywhere = open_point(alice, tmp_path, "anywhere", "ftp")
    with pytest.raises(ftplib.error_perm, match="TLS is needed"):
        files.ftp(anywhere, tls=False)
    point = open_point(alice, tmp_path, "tunnel", "ftp", networks=["127.0.0.1/32"])
    done = files.by_lftp(point, f"put {local} -o outgoing/A_000001.sub", tls=False)
    assert done.returncode == 0, done.stderr
    assert (point.directories.outgoing / "A_000001.sub").read_bytes() == CONTENT


def test_data_does_not_go_in_the_clear_beside_a_control_connection_under_tls(
    files: Servers, hers: Point
) -> None:
    session = files.ftp(hers)
    assert isinstance(session, ftplib.FTP_TLS)
    session.prot_c()
    with pytest.raises(ftplib.error_perm, match="data channel"):
        session.retrlines("LIST", lambda _: None)
    session.close()


def test_a_name_for_the_clear_opens_no_clear_data_for_another(
    files: Servers, alice: Person, hers: Point, tmp_path: Path
) -> None:
    point = open_point(alice, tmp_path, "tunnel again", "ftp", networks=["127.0.0.1/32"])
    session = ftplib.FTP_TLS(context=files.tls(), timeout=20)
    session.connect("127.0.0.1", files.ftps)
    assert session.sendcmd(f"USER {point.username}").startswith("331")
    session.auth()
    session.login(hers.username, hers.password)
    with pytest.raises(ftplib.error_perm, match="data channel"):
        session.retrlines("LIST", lambda _: None)
    session.close()


def test_too_many_sessions_of_one_point_are_refused(
    files: Servers, alice: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.conf.settings.FILES_SESSIONS", 2)
    point = open_point(alice, tmp_path, "crowded")
    held = [files.ftp(point) for _ in range(2)]
    with pytest.raises((ftplib.Error, EOFError, OSError)):
        files.ftp(point).voidcmd("NOOP")
    for session in held:
        session.quit()

    def is_free() -> bool:
        try:
            files.ftp(point).quit()
        except (ftplib.Error, EOFError, OSError):
            return False
        return True

    until(is_free)
    until(lambda: [r for r in point.told("refused") if b"too many file sessions" in r])
