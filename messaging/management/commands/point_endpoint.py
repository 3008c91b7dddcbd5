"""Turns a tenant's outbound side to another peer, which is trusted as far as its CA and signers
go.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography import x509
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from messaging.rehearsal.demonstration import ENVIRONMENT, SMP_PROTOCOL
from messaging.relay.register import OPERATOR_PROTOCOL
from tenants import directory, peers
from tenants.addresses import address_fault
from tenants.models import PeerCertificate
from tenants.onboarding.enrol import point_operator

_BY = "point_endpoint"


class Command(BaseCommand):
    help = "Leads a tenant's Wider Access and SMP endpoints to another peer."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="the tenant's name")
        parser.add_argument("--wa", required=True, help="base URL of the Wider Access API")
        parser.add_argument("--smp", help="base URL of the Single Markets Platform API")
        parser.add_argument("--ca", required=True, type=Path, help="PEM: who signs its TLS server")
        parser.add_argument(
            "--signer", required=True, type=Path, help="PEM: whose signatures count as its own"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["tenant"]
        tenant_id = directory.find_tenant(directory.Known.TENANT_NAME, name.encode())
        if tenant_id is None:
            raise CommandError(f"no tenant is called {name!r}")
        ca, signer = (_certificates(options[option]) for option in ("ca", "signer"))
        with transaction.atomic():
            signers = {PeerCertificate.Purpose.SIGNING: [signer]}
            peer = peers.register(f"peer of {name}", ENVIRONMENT, ca, signers, by=_BY)
            for protocol, address in ((OPERATOR_PROTOCOL, "wa"), (SMP_PROTOCOL, "smp")):
                if options[address]:
                    point_operator(tenant_id, protocol, _url(options[address]), peer, by=_BY)
        self.stdout.write(f"{name} now leads to {options['wa']}")


def _certificates(path: Path) -> str:
    """The file's text, once it is known to hold certificates."""
    try:
        text = path.read_text(encoding="utf-8")
        x509.load_pem_x509_certificates(text.encode())
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} does not hold PEM certificates: {error}") from None
    return text


def _url(url: str) -> str:
    fault = address_fault(url.rstrip("/"))
    if fault:
        raise CommandError(f"{url}: {fault}")
    return url
