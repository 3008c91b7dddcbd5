"""Runs the demonstration's control points until SIGTERM; everything they do is in
messaging.rehearsal.
"""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from messaging.rehearsal.driving import drive
from messaging.rehearsal.service_file import NotRunning, Service, read_service


class Command(BaseCommand):
    help = "Connects the demonstration's control points, which redeclare and answer now and then."
    # They are a tenant's own kit: they need nothing of the host's but its address.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        var = Path(settings.VAR_DIR)
        try:
            service = read_service(var / "service.json", settings.BASE_DIR)
        except NotRunning as error:
            raise CommandError(str(error)) from None
        asyncio.run(_until_signalled(service, var / "demo" / "state"))


async def _until_signalled(service: Service, folder: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    chance = random.Random()  # noqa: S311 - what is declared when is no secret
    await drive(service, folder, stop, chance)
