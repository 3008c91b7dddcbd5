"""Django's entry for the wiring: makes our Celery application the one that tasks are sent
through.
"""

from __future__ import annotations

from django.apps import AppConfig


class HostsvcConfig(AppConfig):
    name = "hostsvc"

    def ready(self) -> None:
        from hostsvc import checks  # noqa: F401  (registers the checks)
        from hostsvc.celery import app

        app.set_default()
