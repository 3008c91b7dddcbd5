"""Where the local stack keeps things, where its parts listen, and the environment they are
given.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hostsvc.supervisor import free_ports
from hostsvc.supervisor.ports import recall

ROOT = Path(__file__).resolve().parent.parent.parent

MEASURED = (
    *("gateway", "inbound", "web", "admin", "files"),
    *("worker", "worker-files", "worker-smp", "worker-webhooks", "worker-housekeeping"),
)
"""Parts that serve their figures to Prometheus, each at a port of its own."""

PORTS = (
    *("web", "admin", "edl", "inbound", "simulator_wa", "simulator_smp", "simulator_control"),
    *("sftp", "ftps"),
    *(f"metrics_{part}" for part in MEASURED),
)


class DamagedFile(Exception):
    """What the stack keeps in its folder cannot be read; the text says which file and what now."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One stack: its folder `var`, its ports on 127.0.0.1, and its secrets. `moved` are the ports
    of the last start that another program has taken meanwhile.
    """

    var: Path
    ports: dict[str, int]
    secret_key: str
    master_key: str
    moved: Mapping[str, int] = field(default_factory=dict)

    def address(self, part: str) -> str:
        return f"127.0.0.1:{self.ports[part]}"

    def url(self, part: str, scheme: str) -> str:
        return f"{scheme}://{self.address(part)}"

    def log(self, part: str) -> Path:
        return self.var / "log" / f"{part}.log"

    def environment(self, servers: dict[str, str]) -> dict[str, str]:
        """What every part is started with; `servers` names the database and the broker."""
        return {
            **servers,
            "DJANGO_SETTINGS_MODULE": "hostsvc.settings",
            "PYTHONUNBUFFERED": "1",
            "HOSTSVC_VAR": str(self.var),
            "HOSTSVC_SECRET_KEY": self.secret_key,
            "HOSTSVC_MASTER_KEY": self.master_key,
            "HOSTSVC_WEB_LISTEN": self.address("web"),
            "HOSTSVC_ADMIN_LISTEN": self.address("admin"),
            "HOSTSVC_EDL_LISTEN": self.address("edl"),
            "HOSTSVC_INBOUND_LISTEN": self.address("inbound"),
            "HOSTSVC_SFTP_LISTEN": self.address("sftp"),
            "HOSTSVC_FTPS_LISTEN": self.address("ftps"),
            "HOSTSVC_WEBHOOK_CA": str(self.var / "tls" / "ca.pem"),
            "HOSTSVC_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
        }


def lay_out(var: Path) -> Layout:
    """Makes what is missing; ports stay the same from start to start while they are free. Raises
    DamagedFile where what is kept there cannot be read.
    """
    for folder in (var, var / "log", var / "tls"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    before = dict(zip(PORTS, recall(var / "ports.json"), strict=False))
    free = free_ports(len(PORTS), remember=var / "ports.json")
    ports = dict(zip(PORTS, free, strict=True))
    moved = {part: port for part, port in before.items() if ports[part] != port}
    kept = _kept_secrets(var / "secrets.json")
    return Layout(var, ports, kept["secret"], kept["master"], moved)


def write_environment(layout: Layout, environment: dict[str, str]) -> None:
    """For commands typed beside the stack: `manage.py` reads this file."""
    lines = [f"{name}={value}" for name, value in environment.items()]
    write_private(layout.var / "hostsvc.env", "\n".join(lines) + "\n")


def write_targets(layout: Layout) -> None:
    """What a Prometheus on this machine can read as its `file_sd_configs`."""
    targets = [
        {"targets": [layout.address(f"metrics_{part}")], "labels": {"part": part}}
        for part in MEASURED
    ]
    write_private(layout.var / "metrics.json", json.dumps(targets, indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, for its owner alone (0600)."""
    partial = path.with_name(f".{path.name}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    partial.replace(path)


def _kept_secrets(path: Path) -> dict[str, str]:
    if not path.exists():
        made = {
            "secret": secrets.token_urlsafe(48),
            "master": base64.b64encode(secrets.token_bytes(32)).decode(),
        }
        write_private(path, json.dumps(made))
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {"secret": str(kept["secret"]), "master": str(kept["master"])}
    except (ValueError, KeyError, TypeError):
        raise DamagedFile(
            f"{path} is damaged: put it back, for what the database keeps sealed cannot be read"
            f" without it, or remove {path.parent} to start afresh"
        ) from None
