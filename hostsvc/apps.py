"""Django's entry for the wiring: makes our Celery application the one that tasks are sent
through, and the staff's groups once the database is migrated.
"""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate

from hostsvc.staff_groups import make_groups


class HostsvcConfig(AppConfig):
    name = "hostsvc"

    def ready(self) -> None:
        from hostsvc import checks  # noqa: F401  (registers the checks)
        from hostsvc.celery import app

        app.set_default()
        # The last of the applications: by then every permission there is has been made.
        post_migrate.connect(make_groups, sender=list(apps.get_app_configs())[-1])
