"""Files by Debian's own clients through the running service: left, taken, submitted to the
simulated operator, and answered.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tenants.clock import now
from tests.e2e.rig import Rig

OsTool = Callable[[str], str]
LONDON = ZoneInfo("Europe/London")


@dataclass(frozen=True, slots=True)
class Client:
    """A trading point's machine, with what service.json tells it."""

    rig: Rig
    tenant: str
    folder: Path

    @property
    def username(self) -> str:
        return str(self.rig.tenant(self.tenant)["fileLogin"]["username"])

    @property
    def agent(self) -> str:
        return str(self.rig.tenant(self.tenant)["tradingAgent"])

    @property
    def unit(self) -> str:
        return self.rig.units(self.tenant)[0]

    def sftp(self, *commands: str) -> subprocess.CompletedProcess[str]:
        """With the demonstration's key, and the host key pinned."""
        told = self.rig.service["sftp"]
        hosts = self.folder / "known_hosts"
        hosts.write_text(f"[{told['host']}]:{told['port']} {told['hostKey']}\n")
        batch = self.folder / "batch"
        batch.write_text("".join(f"{command}\n" for command in commands))
        key = self.rig.path(self.rig.tenant(self.tenant)["fileLogin"]["key"])
        options = ["StrictHostKeyChecking=yes", f"UserKnownHostsFile={hosts}", "IdentitiesOnly=yes"]
        given = [part for option in options for part in ("-o", option)]
        line = ["sftp", "-F", "/dev/null", *given, "-i", str(key), "-b", str(batch)]
        place = ["-P", str(told["port"]), f"{self.username}@{told['host']}"]
        return subprocess.run(
            [*line, *place], capture_output=True, text=True, timeout=60, check=False
        )

    def lftp(self, *commands: str) -> subprocess.CompletedProcess[str]:
        """With the demonstration's password, under TLS."""
        told = self.rig.service["ftps"]
        password = self.rig.tenant(self.tenant)["fileLogin"]["password"]
        script = (
            "set cmd:fail-exit yes; set net:max-retries 1; set net:timeout 10;"
            " set ftp:ssl-force yes; set ftp:ssl-protect-data yes;"
            f" set ssl:ca-file {self.rig.path(told['ca'])};"
            f" open -u {self.username},{password} -p {told['port']} localhost;"
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

    def reply(self, name: str) -> str:
        """Fetched once it is there."""
        local = self.folder / name

        def is_fetched() -> bool:
            return self.sftp(f"get incoming/{name} {local}").returncode == 0

        self.rig.until(is_fetched)
        return local.read_text()

    def written(self, name: str, *lines: str) -> Path:
        file = self.folder / name
        file.write_text("".join(f"{line}\n" for line in lines))
        return file


def tomorrow() -> datetime:
    """The start of an operational day that is to come."""
    day = (now().astimezone(LONDON) + timedelta(days=2)).replace(
        hour=5, minute=0, second=0, microsecond=0
    )
    return day.astimezone(now().tzinfo)


def ndz(client: Client, unit: str, value: int) -> str:
    return f"NDZ,{client.agent},{unit},{tomorrow():%Y-%m-%d %H:%M},{value}"


@pytest.fixture
def alder(stack: Rig, tmp_path: Path) -> Client:
    return Client(stack, "alder", tmp_path)


@pytest.fixture
def birch(stack: Rig, tmp_path: Path) -> Client:
    return Client(stack, "birch", tmp_path)


def next_number(client: Client) -> str:
    """The number that the host expects, by what it has archived: tests share one stack."""
    listed = client.sftp("ls -1 archive").stdout.split()
    taken = [name for name in listed if name.endswith(".sub")]
    return f"{len(taken) + 1:06d}"


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
