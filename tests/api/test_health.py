"""Alive and ready: each thing that readiness promises is broken once, and then it says so."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django.test import override_settings

from hostsvc import health
from tests.api.clients import client
from tests.roles import as_role, point_django_at
from tests.servers import TestServers


def readiness() -> tuple[int, dict[str, str]]:
    answer = client().get("/readyz")
    return answer.status_code, answer.json()["checks"]


@contextmanager
def pointed_at(servers: TestServers, database: str, **changes: str) -> Iterator[None]:
    """Django's settings for the database changed meanwhile."""
    connections.close_all()
    connections["default"].settings_dict.update(changes)
    try:
        yield
    finally:
        point_django_at(servers, database)


@contextmanager
def silent_server() -> Iterator[str]:
    """A port on which connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield str(listening.getsockname()[1])


@contextmanager
def as_owner(servers: TestServers, database: str, *statements: str) -> Iterator[None]:
    """What the statements did is undone by the ones after the first."""
    first, *rest = statements
    with psycopg.connect(servers.url("owner", database), autocommit=True) as owner:
        owner.execute(first.encode())
        try:
            yield
        finally:
            for statement in rest:
                owner.execute(statement.encode())


@pytest.mark.parametrize("role", ["app", "staff"])
def test_a_host_whose_parts_are_all_there_is_ready(
    servers: TestServers, database: str, role: str
) -> None:
    urls = "hostsvc.urls" if role == "app" else "hostsvc.urls_admin"
    with as_role(role, servers, database), override_settings(ROOT_URLCONF=urls):
        assert readiness() == (200, {"database": "ok", "broker": "ok"})


def test_it_is_alive_whatever_else_is_away(servers: TestServers, database: str) -> None:
    with pointed_at(servers, database, PORT="1"):
        assert client().get("/healthz").json() == {"status": "alive"}


def test_without_the_database_it_is_not_ready(servers: TestServers, database: str) -> None:
    with pointed_at(servers, database, PORT="1"):
        status, checks = readiness()
    assert (status, checks["broker"]) == (503, "ok")
    assert checks["database"].startswith("unreachable")


def test_without_the_broker_it_is_not_ready(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
    status, checks = readiness()
    assert (status, checks["database"]) == (503, "ok")
    assert checks["broker"].startswith("unreachable")


def test_a_server_that_never_answers_is_given_up(
    servers: TestServers, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "SECONDS", 0.5)
    with silent_server() as port:
        monkeypatch.setattr(settings, "REDIS_URL", f"redis://127.0.0.1:{port}/0")
        with pointed_at(servers, database, PORT=port):
            status, checks = readiness()
    assert (status, set(checks.values())) == (503, {"no answer within 0.5 s"})


def test_under_a_role_that_policies_do_not_bind_it_is_not_ready(
    servers: TestServers, database: str
) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(servers.admin)
    mighty: dict[str, Any] = {"USER": parts["user"], "PASSWORD": parts.get("password", "")}
    with pointed_at(servers, database, **mighty):
        status, checks = readiness()
    assert status == 503
    assert checks["database"] == "the database role is not bound by row policies"


def test_with_a_migration_missing_it_is_not_ready(servers: TestServers, database: str) -> None:
    with as_owner(
        servers,
        database,
        "UPDATE django_migrations SET name = 'x' || name WHERE app = 'messaging'",
        "UPDATE django_migrations SET name = substr(name, 2) WHERE app = 'messaging'",
    ):
        status, checks = readiness()
    assert status == 503
    assert checks["database"].endswith("migrations are not applied")


def test_without_next_months_partitions_it_is_not_ready(
    servers: TestServers, database: str
) -> None:
    with as_owner(
        servers,
        database,
        "INSERT INTO partitioned_table VALUES ('not_there')",
        "DELETE FROM partitioned_table WHERE name = 'not_there'",
    ):
        assert readiness() == (
            503,
            {"database": "partitions of next month are missing", "broker": "ok"},
        )
    assert readiness()[0] == 200
