"""What was stored before certificates had a whole life goes on in it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest

from tenants.ids import new_id
from tests.keys.papers import ROOT, Paper, issue
from tests.servers import ROOT as PROJECT
from tests.servers import TestServers

BEFORE = "0003"
ALICE, BOB = UUID(int=1), UUID(int=2)


@pytest.fixture(scope="module")
def empty(servers: TestServers) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(servers.admin, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} OWNER hostsvc_owner")
        place = urlsplit(servers.admin)._replace(path=f"/{name}").geturl()
        with psycopg.connect(place, autocommit=True) as inside:
            roles = PROJECT / "hostsvc" / "database" / "roles.sql"
            inside.execute(roles.read_bytes())
        try:
            yield name
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def migrate(servers: TestServers, database: str, *until: str) -> None:
    names = {**os.environ, **servers.environment(database), "HOSTSVC_DATABASE_ROLE": "owner"}
    command = [sys.executable, "-W", "ignore", "manage.py", "migrate", "--verbosity=0", *until]
    subprocess.run(command, cwd=PROJECT, env=names, check=True)


def insert(session: psycopg.Connection, table: str, **values: Any) -> UUID:
    values = {"id": new_id(), **values}
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    session.execute(
        f"INSERT INTO tenants_{table} ({names}) VALUES ({marks})".encode(), list(values.values())
    )
    row_id: UUID = values["id"]
    return row_id


def certificate(
    session: psycopg.Connection, tenant: UUID, purpose: str, state: str, **more: Any
) -> UUID:
    paper: Paper = issue(ROOT)
    return insert(
        session,
        "certificate",
        tenant_id=tenant,
        purpose=purpose,
        state=state,
        fingerprint=paper.fingerprint,
        pem=paper.pem,
        not_before=paper.certificate.not_valid_before_utc,
        not_after=paper.certificate.not_valid_after_utc,
        **more,
    )


def test_rows_of_before_get_their_environment_state_and_due_date(
    servers: TestServers, empty: str
) -> None:
    migrate(servers, empty, "tenants", BEFORE)
    rows: dict[str, UUID] = {}
    with psycopg.connect(servers.url("staff", empty)) as session:
        paper = issue(ROOT)
        peer = insert(
            session,
            "peer",
            name="NESO",
            environment="production",
            participant_id="NGESO",
            is_default=False,
            ca="",
        )
        pinned = {"peer_id": peer, "purpose": "SIGNING", "state": "ACTIVE", "pem": paper.pem}
        insert(session, "peercertificate", fingerprint=paper.fingerprint, **pinned)
        for tenant, environment in ((ALICE, "production"), (BOB, "test")):
            session.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant)])
            of = {"name": str(tenant), "participant_id": "X", "trading_agent": ""}
            insert(
                session,
                "tenant",
                **{**of, "id": tenant, "state": "ACTIVE", "created_at": datetime.now(UTC)},
            )
            place = {"tenant_id": tenant, "protocol": "edl", "transport": "tcp", "address": ""}
            more = {"environment": environment, "settings": "{}", "state": "ACTIVE"}
            point = insert(session, "endpoint", name="CP", **place, **more)
            insert(session, "endpoint", name="SO", **{**place, "peer_id": peer}, **more)
            key = {"private_key": b"sealed"}
            mine = f"{environment} "
            rows[mine + "signing"] = certificate(session, tenant, "SIGNING", "ACTIVE", **key)
            rows[mine + "gone"] = certificate(session, tenant, "SIGNING", "REVOKED", **key)
            for name in ("older", "newer"):
                link = {"endpoint_id": point}
                row = certificate(session, tenant, "CONTROL_POINT", "ACTIVE", **link)
                rows[mine + name] = row
    migrate(servers, empty)
    with psycopg.connect(servers.url("staff", empty)) as session:
        found = {
            row[0]: row[1:]
            for row in session.execute(
                "SELECT c.id, environment, state, private_key IS NULL, held_since IS NOT NULL,"
                " d.due_at IS NOT NULL FROM tenants_certificate c"
                " LEFT JOIN tenants_certificatedue d ON d.certificate_id = c.id"
            )
        }
        ends = session.execute("SELECT not_after FROM tenants_peercertificate").fetchall()
    for environment in ("production", "test"):
        told = {
            name: found[rows[f"{environment} {name}"]]
            for name in ("signing", "gone", "older", "newer")
        }
        assert told == {
            "signing": (environment, "ACTIVE", False, True, True),
            "gone": (environment, "REVOKED", True, True, False),
            "older": (environment, "RETIRING", True, True, True),
            "newer": (environment, "ACTIVE", True, True, True),
        }
    assert ends == [(paper.certificate.not_valid_after_utc,)]
    with psycopg.connect(servers.url("app", empty)) as session:
        unseen = session.execute("SELECT count(*) FROM tenants_certificate").fetchone()
    assert unseen == (0,), "the wall stands again"
