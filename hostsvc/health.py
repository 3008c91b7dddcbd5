"""Whether this process lives (`/healthz`), and whether it can do its work (`/readyz`). Each answer
comes within seconds, whatever hangs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import lru_cache
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from redis.asyncio import Redis
from redis.exceptions import RedisError

SECONDS = 3.0
"""For each check; they run at once."""

_ROLE = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
_APPLIED = "SELECT app, name FROM django_migrations"
_NO_NEXT_MONTH = """
SELECT count(*) FROM partitioned_table
WHERE to_regclass(name || to_char(now() AT TIME ZONE 'UTC' + interval '1 month', '_YYYY_MM'))
    IS NULL
"""
_DJANGOS_OWN = ("context", "cursor_factory", "prepare_threshold")


class NotReady(Exception):
    """A check did not hold; the text is for whoever looks after the host and tells nothing of any
    tenant.
    """


@require_safe
async def healthz(request: HttpRequest) -> JsonResponse:
    """The process takes requests. It asks nothing of others: restarting this one would not mend
    them.
    """
    return JsonResponse({"status": "alive"})


@require_safe
async def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every check holds, else 503; `checks` says of each `ok` or what is wrong."""
    is_ready, body = await readiness()
    return JsonResponse(body, status=200 if is_ready else 503)


async def readiness() -> tuple[bool, dict[str, Any]]:
    """Whether this process can do its work, and what each check found."""
    names = ("database", "broker")
    found = await asyncio.gather(_within_time(_database()), _within_time(_broker()))
    is_ready = all(text == "ok" for text in found)
    checks = dict(zip(names, found, strict=True))
    return is_ready, {"status": "ready" if is_ready else "not ready", "checks": checks}


async def _within_time(check: Coroutine[Any, Any, None]) -> str:
    """Waits for the check and not for its cancellation, which a server that has stopped answering
    can hold up too.
    """
    task = asyncio.create_task(check)
    done, _ = await asyncio.wait({task}, timeout=SECONDS)
    if not done:
        task.cancel()
        return f"no answer within {SECONDS:g} s"
    try:
        task.result()
    except NotReady as reason:
        return str(reason)
    return "ok"


async def _database() -> None:
    """Over a connection of its own, so that a pool that is full or broken connections do not hide
    what is the matter.
    """
    values = connection.get_connection_params()
    place = {name: value for name, value in values.items() if name not in _DJANGOS_OWN}
    try:
        async with await psycopg.AsyncConnection.connect(**place, autocommit=True) as opened:
            await _role_is_bound(opened)
            await _migrations_are_applied(opened)
            await _next_month_has_its_partitions(opened)
    except psycopg.Error as error:
        raise NotReady(f"unreachable or failing: {type(error).__name__}") from None


async def _role_is_bound(opened: psycopg.AsyncConnection) -> None:
    row = await (await opened.execute(_ROLE)).fetchone()
    if row is None or row[0]:
        raise NotReady("the database role is not bound by row policies")


async def _migrations_are_applied(opened: psycopg.AsyncConnection) -> None:
    rows = await (await opened.execute(_APPLIED)).fetchall()
    if missing := len(_migrations() - set(rows)):
        raise NotReady(f"{missing} migrations are not applied")


async def _next_month_has_its_partitions(opened: psycopg.AsyncConnection) -> None:
    row = await (await opened.execute(_NO_NEXT_MONTH)).fetchone()
    if row is None or row[0]:
        raise NotReady("partitions of next month are missing")


async def _broker() -> None:
    try:
        async with Redis.from_url(settings.REDIS_URL) as broker:
            await broker.ping()
    except (RedisError, OSError) as error:
        raise NotReady(f"unreachable or failing: {type(error).__name__}") from None


@lru_cache(maxsize=1)
def _migrations() -> frozenset[tuple[str, str]]:
    """Those this code comes with."""
    return frozenset(MigrationLoader(None).disk_migrations)
