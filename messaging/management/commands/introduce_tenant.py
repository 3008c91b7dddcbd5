"""Tells the local stack's simulated operator of a tenant that was enrolled beside the
demonstration's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from messaging.rehearsal.introductions import NotReady, introduce


class Command(BaseCommand):
    help = "Lets the simulated operator of `make run` know a tenant by its certificates and units."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="the tenant's name")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["tenant"]
        try:
            introduce(Path(settings.VAR_DIR) / "demo", name)
        except NotReady as error:
            raise CommandError(f"{error}.") from None
        except FileNotFoundError as error:
            raise CommandError(f"no stack was started here: {error}") from None
        self.stdout.write(f"The simulated operator knows {name}.")
