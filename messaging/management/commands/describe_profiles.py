"""Writes docs/profiles anew: every profile that comes along, as tables and as JSON Schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from messaging import profile_pages


class Command(BaseCommand):
    help = "Writes tables and JSON Schema of each profile that comes along."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--folder", type=Path, default=Path(settings.BASE_DIR) / "docs" / "profiles"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        for name in profile_pages.write(options["folder"]):
            self.stdout.write(str(options["folder"] / name))
