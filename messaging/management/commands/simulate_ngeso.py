"""Runs the bundled system operator to rehearse against; everything it does is in
messaging.simulator."""

from __future__ import annotations

from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandParser

from messaging.simulator.command import Start, add_arguments, serve

_log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Run an NGESO to rehearse against, until SIGTERM; --check only reads scenario files."
    # It needs no database and no settings of the host, whose peer it is.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = Start(
            options["config"], options["scenario"], options["day"], tuple(options["check"])
        )
        code = serve(wanted, _log.info)
        if code:
            raise SystemExit(code)
