"""Refuses to start on a set-up in which a promise would not hold: what the database must be like.
What else a production start needs is checked by the wiring.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import structlog
from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db import OperationalError, connection

from tenants.clock import now

START = "start"
"""The tag of checks that a long-lived process passes before it does anything."""

_log = structlog.get_logger(__name__)
_at_start: list[Callable[[], None]] = []

CLOCK_TOLERANCE = timedelta(seconds=5)
"""Seals hold for minutes; but deadlines are written by one clock and read by another."""

_OWN_POWERS = """
SELECT rolsuper, rolbypassrls, current_user FROM pg_roles WHERE rolname = current_user
"""
_OWN_TABLES = """
SELECT count(*), current_user FROM pg_tables
WHERE schemaname = 'public' AND pg_has_role(current_user, tableowner, 'MEMBER')
"""


@checks.register(checks.Tags.database)
def role_is_bound_by_row_policies(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """A superuser, or a role with BYPASSRLS, would see every tenant's rows whatever the policies
    say.
    """
    if not databases:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_OWN_POWERS)
        is_superuser, bypasses, name = cursor.fetchone()
    if not is_superuser and not bypasses:
        return []
    hint = "Use the roles of hostsvc/database/roles.sql."
    text = f"the database role {name} is not bound by row policies"
    return [checks.Critical(text, hint=hint, id="hostsvc.E001")]


@checks.register(checks.Tags.database)
def role_owns_no_table(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Who owns a table can take its policies and its guards away. Only migrations run as the
    owner.
    """
    if not databases or settings.DATABASE_ROLE == "owner":
        return []
    with connection.cursor() as cursor:
        cursor.execute(_OWN_TABLES)
        owned, name = cursor.fetchone()
    if not owned:
        return []
    hint = "Give each process the URL of its own role (hostsvc/database/roles.sql)."
    text = f"the database role {name} owns {owned} tables, or belongs to a role that does"
    return [checks.Critical(text, hint=hint, id="hostsvc.E002")]


@checks.register(checks.Tags.database)
def clock_agrees_with_the_databases(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    if not databases or settings.MODE != "production":
        return []
    before = now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        told = cursor.fetchone()[0]
    after = now()
    apart = max(before - told, told - after, timedelta())
    if apart <= CLOCK_TOLERANCE:
        return []
    hint = "Let both machines keep their time by NTP."
    text = f"this machine's clock and the database's are {apart.total_seconds():.0f} s apart"
    return [checks.Critical(text, hint=hint, id="hostsvc.E003")]


def at_start(work: Callable[[], None]) -> None:
    """To be done once by each long-lived process, when its checks have held."""
    _at_start.append(work)


class Refused(SystemExit):
    """The process ends with a code of 1 once the reason is told: to a person at a terminal in
    plain words, else as a line of the log.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"cannot start: {reason}")
        if not sys.stderr.isatty():
            _log.critical("cannot start", reason=reason)
            self.code = 1


def refuse_unsafe_start() -> None:
    """What every long-lived process calls first. Raises Refused."""
    try:
        found = checks.run_checks(tags=[START, checks.Tags.database], databases=["default"])
    except OperationalError as error:
        raise Refused(f"the database is out of reach: {error}") from None
    finally:
        connection.close()
    serious = [message for message in found if message.is_serious()]
    if serious:
        raise Refused("\n".join(str(message) for message in serious))
    while _at_start:
        _at_start.pop()()
