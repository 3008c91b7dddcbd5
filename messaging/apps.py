"""Django's entry for the messaging app."""

from __future__ import annotations

from django.apps import AppConfig


class MessagingConfig(AppConfig):
    name = "messaging"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from messaging import checks  # noqa: F401 - importing it registers it
        from messaging.domain.submissions import TYPES
        from messaging.endpoint_kinds import kinds
        from tenants import bm_units
        from tenants.endpoints import register

        register(*kinds())
        bm_units.register(sorted(TYPES))
