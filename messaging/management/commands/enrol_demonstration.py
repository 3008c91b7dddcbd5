"""Enrols the demonstration's tenants and writes var/service.json; does nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from messaging.rehearsal.demonstration import Addresses, Demonstration, prepare


class Command(BaseCommand):
    help = "Enrols the demonstration's tenants and writes what is needed to connect to them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--simulator-wa", required=True, help="base URL")
        parser.add_argument("--simulator-smp", required=True, help="base URL")
        parser.add_argument("--simulator-control", required=True, help="base URL")
        parser.add_argument("--dispatch-every", type=float, help="seconds between dispatches")

    def handle(self, *args: Any, **options: Any) -> None:
        addresses = Addresses(
            edl=settings.EDL_LISTEN,
            sftp=settings.SFTP_LISTEN,
            ftps=settings.FTPS_LISTEN,
            inbound=settings.INBOUND_URL,
            api="http://{}:{}".format(*settings.WEB_LISTEN),
            admin="http://{}:{}".format(*settings.ADMIN_LISTEN),
            simulator_wa=options["simulator_wa"],
            simulator_smp=options["simulator_smp"],
            simulator_control=options["simulator_control"],
            dispatch_every=options["dispatch_every"],
        )
        demo = Demonstration(settings.BASE_DIR, Path(settings.VAR_DIR) / "demo")
        prepare(demo, Path(settings.TLS_CERTIFICATE).parent, addresses)
