"""Django's entry for the wiring: registers the system checks."""

from __future__ import annotations

from django.apps import AppConfig


class HostsvcConfig(AppConfig):
    name = "hostsvc"

    def ready(self) -> None:
        from hostsvc import checks  # noqa: F401  (registers the checks)
