"""A trading point's machine with Debian's own clients, sftp and lftp, on the running stack's file
servers.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tenants.clock import now
from tests.e2e.rig import Rig

OsTool = Callable[[str], str]
LONDON = ZoneInfo("Europe/London")


@dataclass(frozen=True, slots=True)
class Client:
    """A trading point's machine, with what service.json tells it; a session has `seconds`."""

    rig: Rig
    tenant: str
    folder: Path
    seconds: float = 60.0

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
            [*line, *place], capture_output=True, text=True, timeout=self.seconds, check=False
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
            timeout=self.seconds,
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


def next_number(client: Client) -> str:
    """The number that the host expects, by what it has archived: tests share one stack."""
    listed = client.sftp("ls -1 archive").stdout.split()
    taken = [name for name in listed if name.endswith(".sub")]
    return f"{len(taken) + 1:06d}"
