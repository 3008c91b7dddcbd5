"""Django's entry for the wiring: makes our Celery application the one that tasks are sent
through, the staff's groups once the database is migrated, and the figures of those that serve.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog
from django.apps import AppConfig, apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.migrations import Migration
from django.db.models.signals import post_migrate, pre_migrate

from hostsvc.staff_groups import make_groups

_log = structlog.get_logger(__name__)


class HostsvcConfig(AppConfig):
    name = "hostsvc"

    def ready(self) -> None:
        from hostsvc import (
            checks,  # noqa: F401  (registers the checks)
            metrics,
        )
        from hostsvc.celery import app
        from tenants.checks import at_start

        _arm()
        app.set_default()
        at_start(metrics.serve)
        # The last of the applications: by then every permission there is has been made.
        *_, last = apps.get_app_configs()
        post_migrate.connect(make_groups, sender=last)
        pre_migrate.connect(_tell_plan, sender=last)


def _tell_plan(plan: Sequence[tuple[Migration, bool]], **kwargs: object) -> None:
    """Django would say it in lines of its own. Once for all applications: each gets the whole."""
    if plan:
        _log.info("migrating", migrations=[str(migration) for migration, _ in plan])


def _arm() -> None:
    """For a rehearsal of crashes. A check refuses the start where it is asked for in production."""
    from messaging.relay import crash_points
    from tenants import crash

    if not settings.CRASH_AT or settings.MODE == "production":
        return
    visits = Path(settings.CRASH_VISITS) if settings.CRASH_VISITS else None
    try:
        crash.arm(settings.CRASH_AT, visits, crash_points.names())
    except crash.BadOrder as error:
        raise ImproperlyConfigured(f"HOSTSVC_CRASH_AT: {error}") from None
