"""A machine without an engine: runs the compose file's commands as plain processes.

Only what an engine would provide is put in its place: host names and ports, the folders that it
mounts, and the two images that are not ours. Commands, environments, secrets and health checks are
those of the file.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from hostsvc.embedded import EmbeddedPostgres
from hostsvc.embedded.binaries import find_postgres, find_redis
from hostsvc.embedded.postgres import ADMIN
from hostsvc.supervisor import free_ports
from hostsvc.supervisor.spawn import spawn
from tests.deploy import image
from tests.deploy.compose import Compose

READY_SECONDS = 90.0
_OUR_PORTS = {
    "web": 8000,
    "admin": 8000,
    "inbound": 8443,
    "gateway": 8100,
    "files": 8022,
    "files ftps": 8021,
}
"""By service; a further one by the service's name and a word."""

_SERVERS = {"postgres": 5432, "redis": 6379}


@dataclass(slots=True)
class Machine:
    """Services run in `folder`: `image` is the working directory, `secrets` what is mounted."""

    compose: Compose
    folder: Path
    ports: dict[str, int]
    metrics: dict[str, int]
    postgres: EmbeddedPostgres
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def image(self) -> Path:
        return self.folder / "image"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def up(self) -> None:
        """In the file's order: each as soon as what it depends on is as its condition says."""
        for name in self.compose.in_order():
            for other, wanted in self.compose.services[name].get("depends_on", {}).items():
                self._await(other, wanted["condition"])
            self._start(name)
        for name in self.running:
            if name != "migrate":
                self._await(name, "service_healthy")

    def down(self) -> dict[str, int]:
        """Stops in the opposite order, and says how each ended."""
        ends = {}
        for name in reversed(self.running):
            process = self.running[name]
            process.send_signal(signal.SIGTERM)
            grace = self.compose.services[name].get("stop_grace_period", "10s")
            ends[name] = process.wait(int(grace.removesuffix("s")))
        return ends

    def kill(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                process.kill()
                process.wait(10)

    def run(self, name: str, command: list[str], **more: Any) -> subprocess.CompletedProcess[bytes]:
        """`docker compose exec` or `run`: a command beside a service, in its environment."""
        return subprocess.run(
            self._here(name, command),
            env=self._environment(name),
            cwd=self.image,
            capture_output=True,
            check=False,
            timeout=60,
            **more,
        )

    def healthy(self, name: str) -> bool:
        kind, *check = self.compose.services[name]["healthcheck"]["test"]
        command = ["sh", "-c", *check] if kind == "CMD-SHELL" else check
        if name == "redis":
            return _answers(self.ports[name])
        return self.run(name, command).returncode == 0

    def _await(self, name: str, condition: str) -> None:
        if condition == "service_completed_successfully":
            assert self.running[name].wait(READY_SECONDS) == 0, self.log(name)
            return
        deadline = time.monotonic() + READY_SECONDS
        while not self.healthy(name):
            ended = name in self.running and self.running[name].poll() is not None
            assert not ended, f"{name} ended: {self.log(name)}"
            assert time.monotonic() < deadline, f"{name} is not healthy: {self.log(name)}"
            time.sleep(0.1)

    def _start(self, name: str) -> None:
        if name == "postgres":
            self._start_postgres()
            return
        (self.folder / f"{name}.tmp").mkdir()
        self.running[name] = spawn(
            self._here(name, self.compose.services[name]["command"]),
            log=self.folder / f"{name}.log",
            env=self._environment(name),
            cwd=self.image,
        )

    def _start_postgres(self) -> None:
        """A cluster as the image's entry point leaves it before the init folder: an administrator,
        an empty database and no role of ours. Then the init folder.
        """
        (self.folder / "postgres.tmp").mkdir()
        self.postgres.start()
        with psycopg.connect(self.postgres.admin_url(), autocommit=True) as admin:
            admin.execute("DROP DATABASE hostsvc")
            for role in ("owner", "app", "staff"):
                admin.execute(f"DROP ROLE hostsvc_{role}".encode())
            admin.execute("CREATE DATABASE hostsvc")
        done = self.make_roles()
        assert done.returncode == 0, done.stderr

    def make_roles(self) -> subprocess.CompletedProcess[bytes]:
        """The script of the init folder."""
        configs = self.compose.content["configs"]
        script = self._placed("postgres", configs["make_roles"]["content"])
        place = self.folder / "docker-entrypoint-initdb.d"
        (place / "roles").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.image / configs["roles"]["file"], place / "roles" / "roles.sql")
        (place / "make-roles.sh").write_text(script)
        return self.run("postgres", ["sh", "/docker-entrypoint-initdb.d/make-roles.sh"])

    def _here(self, name: str, command: list[str]) -> list[str]:
        return [self._placed(name, part) for part in command]

    def _placed(self, name: str, text: str) -> str:
        """With folders, addresses and ports of this machine."""
        folders = {
            "/run/secrets": self.secrets,
            "/docker-entrypoint-initdb.d": self.folder / "docker-entrypoint-initdb.d",
            "/var/lib/hostsvc/files": self.folder / "files",
            "/tmp": self.folder / f"{name}.tmp",  # noqa: S108 - the container's
        }
        mounted = rf"(?<![\w.])({'|'.join(map(re.escape, folders))})\b"
        text = re.sub(mounted, lambda match: str(folders[match[1]]), text)
        text = text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        for what, port in {**_OUR_PORTS, **_SERVERS}.items():
            if what.split()[0] == name:
                text = re.sub(rf"\b{port}\b", str(self.ports[what]), text)
        return text

    def _environment(self, name: str) -> dict[str, str]:
        programs = [
            Path(sys.executable).parent,
            find_postgres().path.parent,
            find_redis().path.parent,
        ]
        given = self.compose.services[name].get("environment", {})
        machine = {
            **(image.settings() if name not in _SERVERS else {}),
            "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
            "TMPDIR": str(self.folder / f"{name}.tmp"),
            "HOSTNAME": socket.gethostname(),
            "HOME": "/nonexistent",
        }
        placed = {key: self._placed(name, value) for key, value in given.items()}
        if "HOSTSVC_METRICS_LISTEN" in placed:
            placed["HOSTSVC_METRICS_LISTEN"] = f"127.0.0.1:{self.metrics[name]}"
        return {**machine, **placed, **(self._as_administrator() if name == "postgres" else {})}

    def _as_administrator(self) -> dict[str, str]:
        """The image trusts whoever comes by its socket; here the administrator has a password."""
        return {
            "POSTGRES_USER": ADMIN,
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.ports["postgres"]),
            "PGPASSWORD": self.postgres.secrets["admin"],
        }


def prepare(compose: Compose, folder: Path) -> Machine:
    """Lays out the image and the mounted folders; secrets are still to be put there."""
    names = [*_OUR_PORTS, *_SERVERS]
    services = list(compose.services)
    # All at once: ports that are found free apart may be the same.
    found = free_ports(len(names) + len(services))
    ports = dict(zip(names, found[: len(names)], strict=True))
    metrics = dict(zip(services, found[len(names) :], strict=True))
    postgres = EmbeddedPostgres(folder / "postgres", port=ports["postgres"], durable=False)
    machine = Machine(compose, folder, ports, metrics, postgres)
    image.lay_out(machine.image)
    subprocess.run([sys.executable, "-m", "compileall", "-q", "."], cwd=machine.image, check=True)
    machine.secrets.mkdir(mode=0o700)
    return machine


def lead_to_this_machine(machine: Machine) -> None:
    """Servers by their address here, in the URLs of the secrets."""
    for file in machine.secrets.glob("*_url"):
        text = file.read_text()
        for name, port in _SERVERS.items():
            text = text.replace(f"@{name}:{port}/", f"@127.0.0.1:{machine.ports[name]}/")
        file.write_text(text)


def _answers(port: int) -> bool:
    """What `valkey-cli ping` without a password shows; the client program is not bundled."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as link:
            link.sendall(b"PING\r\n")
            return link.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False
