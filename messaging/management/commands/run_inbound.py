"""Runs the listener for the system operator in the foreground."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from messaging.inbound import server
from messaging.relay import connections
from tenants.checks import refuse_unsafe_start
from tenants.scope import reconnecting


class Command(BaseCommand):
    help = "Runs the inbound API that the system operator posts to, with mutual TLS."
    # The start's own checks are all of them, and tell of a refusal as the rest of the log is told.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unsafe_start()
        # Whatever the operator sent until now came to nobody.
        reconnecting(connections.every_one_is_broken)
        server.run()
