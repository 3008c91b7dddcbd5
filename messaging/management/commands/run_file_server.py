"""Runs the SFTP and FTPS servers in the foreground."""

from __future__ import annotations

import asyncio
from typing import Any

from django.core.management.base import BaseCommand

from messaging.files import server
from tenants.checks import refuse_unsafe_start


class Command(BaseCommand):
    help = "Runs the SFTP and FTPS servers that trading points leave and fetch files at."
    # The start's own checks are all of them, and tell of a refusal as the rest of the log is told.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unsafe_start()
        asyncio.run(server.run())
