"""Which database, and which of its roles, Django works as in a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.db import connections

from tenants.changes import WATCH
from tests.servers import TestServers


def point_django_at(servers: TestServers, database: str, role: str = "app") -> None:
    """Every connection opened from now on is to `database` as `role`."""
    parts = urlsplit(servers.url(role, database))
    let_go()
    changes: dict[str, Any] = {
        "NAME": database,
        "USER": parts.username,
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname,
        "PORT": str(parts.port),
    }
    connections["default"].settings_dict.update(changes)
    settings.DATABASES["default"].update(changes)
    settings.DATABASE_ROLE = role
    settings.REDIS_URL = servers.redis


def let_go() -> None:
    """Nothing of this process is connected to the database any more."""
    WATCH.stop()
    connections.close_all()


@contextmanager
def as_role(role: str, servers: TestServers, database: str) -> Iterator[None]:
    """Django works as another role meanwhile."""
    point_django_at(servers, database, role)
    try:
        yield
    finally:
        point_django_at(servers, database)
