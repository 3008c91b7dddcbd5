"""Enrols a tenant from a plan in a file, all of it or nothing. Its own keys come later, and never
from a file: the tenant makes or uploads them by the API.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from messaging.relay.register import LEGACY_PROTOCOL, OPERATOR_PROTOCOL
from tenants.directory import AlreadyKnown
from tenants.first_owner import mint_owner_key
from tenants.onboarding import plans
from tenants.onboarding.enrol import enrol

_BY = "enrol_tenant"
_USUAL = plans.Usual((OPERATOR_PROTOCOL, "https"), (LEGACY_PROTOCOL, "tcp"))


class Command(BaseCommand):
    help = "Enrols a tenant from a TOML or JSON file; docs/security.md shows one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("plan", type=Path, help="the file")
        parser.add_argument("--check", action="store_true", help="say what is wrong, and no more")
        parser.add_argument(
            "--owner",
            nargs=2,
            metavar=("NAME", "EMAIL"),
            help="adds the first owner, and prints a key of theirs for the API",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        owner = options["owner"]
        try:
            plan = plans.read(options["plan"], _USUAL)
            if options["check"]:
                self.stdout.write("Nothing is wrong with the plan.")
                return
            if owner:
                validate_email(owner[1])
            with transaction.atomic():
                tenant_id = enrol(plan, by=_BY)
                key = mint_owner_key(tenant_id, *owner, by=_BY) if owner else ""
        except plans.BadPlan as error:
            raise CommandError(f"Nothing was enrolled.\n{error}") from None
        except ValidationError:
            raise CommandError(f"Nothing was enrolled: {owner[1]} is no e-mail address.") from None
        except (AlreadyKnown, IntegrityError) as error:
            told = str(error).splitlines()[0]
            raise CommandError(f"Nothing was enrolled: {told}.") from None
        self.stdout.write(f"{plan.name} is enrolled as {tenant_id}.")
        self.stdout.write(
            "It can send nothing before it has keys for signing and for its TLS client: they are"
            " made or uploaded by its API."
        )
        if key:
            self.stdout.write(f"The first key of {owner[0]}: {key}")
