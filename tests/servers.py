"""The PostgreSQL and Redis that tests run on, and a fresh database cloned from a migrated template
for whoever asks.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from hostsvc.embedded import EmbeddedPostgres, EmbeddedRedis

ROOT = Path(__file__).resolve().parent.parent
SHARED = "HOSTSVC_TEST_SERVERS"
TEMPLATE = "hostsvc_template"
URLS = {"app": "DATABASE_URL", "owner": "DATABASE_OWNER_URL", "staff": "DATABASE_STAFF_URL"}


@dataclass(frozen=True, slots=True)
class TestServers:
    """URLs by role, with the database's name left to `url`."""

    __test__ = False

    roles: dict[str, str]
    admin: str
    redis: str

    def url(self, role: str, database: str) -> str:
        return self.roles[role].replace("/DATABASE", f"/{database}")

    def environment(self, database: str) -> dict[str, str]:
        """What a process of ours is started with to work on `database`."""
        urls = {variable: self.url(role, database) for role, variable in URLS.items()}
        return {**urls, "REDIS_URL": self.redis, **SECRETS}


SECRETS = {
    "HOSTSVC_ENV_FILE": "/nonexistent",
    "HOSTSVC_SECRET_KEY": secrets.token_urlsafe(40),
    "HOSTSVC_MASTER_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    # Tests have their peers on this machine, which else nothing may connect to.
    "HOSTSVC_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
}


@contextmanager
def running_servers(directory: Path) -> Iterator[TestServers]:
    """Starts both, migrates the template as the owner, and stops both."""
    with (
        EmbeddedPostgres(directory / "postgres", durable=False) as postgres,
        EmbeddedRedis(directory / "redis") as redis,
    ):
        servers = TestServers(
            {role: postgres.url(role, "DATABASE") for role in ("app", "owner", "staff")},
            postgres.admin_url(),
            redis.url(),
        )
        _make_template(servers)
        yield servers


def shared_servers() -> TestServers | None:
    """Those that the runner has started for all workers."""
    told = os.environ.get(SHARED)
    return TestServers(**json.loads(told)) if told else None


def share(servers: TestServers) -> None:
    os.environ[SHARED] = json.dumps(asdict(servers))


@contextmanager
def fresh_database(servers: TestServers) -> Iterator[str]:
    """The name of a clone of the template, dropped afterwards with whoever is still connected to
    it.
    """
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(servers.admin, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER hostsvc_owner")
        try:
            yield name
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _make_template(servers: TestServers) -> None:
    with psycopg.connect(servers.admin, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")
        admin.execute(f"CREATE DATABASE {TEMPLATE} OWNER hostsvc_owner")
    template = urlsplit(servers.admin)._replace(path=f"/{TEMPLATE}").geturl()
    with psycopg.connect(template, autocommit=True) as admin:
        admin.execute((ROOT / "hostsvc" / "database" / "roles.sql").read_bytes())
    environment = os.environ | servers.environment(TEMPLATE)
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0"],
        cwd=ROOT,
        env={**environment, "HOSTSVC_DATABASE_ROLE": "owner"},
        check=True,
    )
