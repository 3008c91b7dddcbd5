"""Runs the bundled system operator to rehearse against; everything it does is in
messaging.simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from messaging.simulator.app import serve


class Command(BaseCommand):
    help = "Run an NGESO to rehearse against, until SIGTERM."
    # It needs no database and no settings of the host, whose peer it is.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--config", required=True, type=Path, help="configuration file (JSON)")

    def handle(self, *args: Any, **options: Any) -> None:
        code = serve(options["config"])
        if code:
            raise SystemExit(code)
