"""Runs the EDL gateway in the foreground."""

from __future__ import annotations

from typing import Any

import uvloop
from django.core.management.base import BaseCommand

from messaging.gateway.server import GatewayServer
from tenants.checks import refuse_unsafe_start
from tenants.stalling import end_stalled_transactions

STALLS_AFTER = 2.0
"""Seconds: a gateway that freezes while it holds a link's row must not keep another from it."""


class Command(BaseCommand):
    help = "Runs the EDL gateway: the listener that control points connect to."
    # The start's own checks are all of them, and tell of a refusal as the rest of the log is told.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        end_stalled_transactions(STALLS_AFTER)
        refuse_unsafe_start()
        uvloop.run(GatewayServer().run())
