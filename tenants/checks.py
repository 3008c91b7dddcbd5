"""Refuses to start on a set-up in which a promise would not hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db import connection

_OWN_POWERS = """
SELECT rolsuper, rolbypassrls, current_user FROM pg_roles WHERE rolname = current_user
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


def refuse_unsafe_start() -> None:
    """What every long-lived process calls first. Raises SystemExit with the reason."""
    found = checks.run_checks(tags=[checks.Tags.database], databases=["default"])
    serious = [message for message in found if message.is_serious()]
    if serious:
        raise SystemExit("\n".join(str(message) for message in serious))
