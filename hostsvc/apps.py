"""Django's entry for the wiring: makes our Celery application the one that tasks are sent
through, the staff's groups once the database is migrated, and the figures of those that serve.
"""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate

from hostsvc.staff_groups import make_groups


class HostsvcConfig(AppConfig):
    name = "hostsvc"

    def ready(self) -> None:
        from hostsvc import (
            checks,  # noqa: F401  (registers the checks)
            metrics,
        )
        from hostsvc.celery import app
        from tenants.checks import at_start

        app.set_default()
        at_start(metrics.serve)
        # The last of the applications: by then every permission there is has been made.
        post_migrate.connect(make_groups, sender=list(apps.get_app_configs())[-1])
