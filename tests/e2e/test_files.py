"""Files by Debian's own clients through the running service: left, taken, submitted to the
simulated operator, and answered.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.rig import Rig
from tests.e2e.trading_point import Client, OsTool, ndz, next_number


@pytest.fixture
def alder(stack: Rig, tmp_path: Path) -> Client:
    return Client(stack, "alder", tmp_path)


@pytest.fixture
def birch(stack: Rig, tmp_path: Path) -> Client:
    return Client(stack, "birch", tmp_path)


def test_a_file_by_sftp_is_acknowledged_and_accepted(os_tool: OsTool, alder: Client) -> None:
    os_tool("sftp")
    stem = f"{alder.agent}_{next_number(alder)}"
    file = alder.written("file", ndz(alder, alder.unit, 10))
    done = alder.sftp(
        f"put {file} outgoing/{stem}.tmp", f"rename outgoing/{stem}.tmp outgoing/{stem}.sub"
    )
    assert done.returncode == 0, done.stderr
    assert alder.reply(f"{stem}.ack").endswith("END,1,0\n")
    assert alder.reply(f"{stem}.acc").endswith("END,1,1\n")
    listed = alder.sftp(f"rm incoming/{stem}.ack", f"rm incoming/{stem}.acc", "ls -1 archive")
    assert listed.returncode == 0, listed.stderr
    assert f"archive/{stem}.20" in listed.stdout


def test_a_wrong_unit_by_lftp_is_rejected_by_its_line(
    os_tool: OsTool, alder: Client, birch: Client
) -> None:
    os_tool("lftp")
    stem = f"{birch.agent}_{next_number(birch)}"
    file = birch.written(
        "file", "* of birch", ndz(birch, birch.unit, 10), ndz(birch, alder.unit, 10)
    )
    done = birch.lftp(
        f"put {file} -o outgoing/{stem}.tmp", f"mv outgoing/{stem}.tmp outgoing/{stem}.sub"
    )
    assert done.returncode == 0, done.stderr
    lines = birch.reply(f"{stem}.rej").splitlines()
    assert lines[0] == f"* reply to {stem}.sub"
    assert lines[1].startswith("REJ,3,E002,")
    assert lines[-1] == "END,2,0"


def test_a_file_that_is_too_large_is_rejected_and_kept_whole(
    os_tool: OsTool, alder: Client
) -> None:
    """`python -m tests.e2e.large_file` does it with a gigabyte."""
    os_tool("sftp")
    stem = f"{alder.agent}_{next_number(alder)}"
    file = alder.written("file", *[ndz(alder, alder.unit, 10)] * 260_000)
    size = file.stat().st_size
    assert size > 10**7
    assert alder.sftp(f"put {file} outgoing/{stem}.sub").returncode == 0
    assert alder.reply(f"{stem}.rej") == (
        f"* reply to {stem}.sub\nREJ,0,E006,,more than 10000000 bytes\nEND,0,0\n"
    )
    assert f" {size} " in alder.sftp("ls -ln archive").stdout


def test_an_ill_named_file_is_put_aside_with_an_alarm(
    os_tool: OsTool, stack: Rig, birch: Client
) -> None:
    os_tool("sftp")
    file = birch.written("file", "x")
    assert birch.sftp(f"put {file} outgoing/holiday.txt").returncode == 0
    stack.until(lambda: "holiday" in birch.sftp("ls -1 archive/bad").stdout)
    told = "SELECT 1 FROM audit_entry WHERE event = 'alarmed' AND record::text LIKE %s"
    needle = "%" + b"holiday".hex() + "%"
    stack.until(lambda: stack.query(told, needle))


def test_a_killed_file_server_is_back_with_the_same_host_key(
    os_tool: OsTool, stack: Rig, alder: Client
) -> None:
    os_tool("sftp")
    assert alder.sftp("ls").returncode == 0
    stack.kill("run_file_server")
    stack.until(lambda: alder.sftp("ls").returncode == 0)


def test_a_killed_collector_loses_nothing(os_tool: OsTool, stack: Rig, alder: Client) -> None:
    os_tool("sftp")
    stem = f"{alder.agent}_{next_number(alder)}"
    file = alder.written("file", ndz(alder, alder.unit, 20))
    stack.kill("--queues files")
    assert alder.sftp(f"put {file} outgoing/{stem}.sub").returncode == 0
    assert alder.reply(f"{stem}.ack")
    assert alder.reply(f"{stem}.acc")
