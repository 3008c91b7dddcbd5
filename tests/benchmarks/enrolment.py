"""`python -m tests.benchmarks.enrolment PORT...`: enrols the benchmark's tenants as the vendor's
staff, before the gateway and the inbound listener start, and writes the plan.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import django

django.setup()

from django.conf import settings  # noqa: E402

from messaging.rehearsal.authority import Authority, Issued  # noqa: E402
from messaging.relay.register import LEGACY_PROTOCOL, OPERATOR_PROTOCOL  # noqa: E402
from tenants import peers  # noqa: E402
from tenants.audit.events import THE_SERVICE  # noqa: E402
from tenants.models import Endpoint, Environment, Peer, PeerCertificate  # noqa: E402
from tenants.onboarding.enrol import (  # noqa: E402
    ControlPointPlan,
    KeyPairPlan,
    OperatorPlan,
    TenantPlan,
    enrol,
)
from tenants.scope import tenant_scope  # noqa: E402
from tests.benchmarks.neighbours import DEAD, SLOW  # noqa: E402
from tests.benchmarks.plan import (  # noqa: E402
    CONTROL_POINTS,
    Pair,
    Plan,
    Point,
    Ports,
    Side,
    TenantSite,
    write,
)

ENVIRONMENT = Environment.SIMULATOR


class Enrolment:
    """One authority for everyone in the benchmark; what it issues lies in `folder`."""

    def __init__(self, folder: Path, ports: Ports) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._ports = ports
        self._authority = Authority("hostsvc benchmark")

    def run(self) -> Plan:
        trusted = Path(settings.EDL_CLIENT_CA)
        trusted.write_text(trusted.read_text() + self._authority.pem)
        peer_tls, peer_signing = self._issue("peer-tls"), self._issue("peer-signing")
        peer = peers.register(
            "benchmark",
            ENVIRONMENT,
            self._authority.pem,
            {
                PeerCertificate.Purpose.SIGNING: [peer_signing[0].pem],
                PeerCertificate.Purpose.TLS_CLIENT: [peer_tls[0].pem],
            },
            by=THE_SERVICE,
        )
        sides = ((side, letter) for side in Side for letter in "AB")
        return Plan(
            ca=str(trusted),
            database=os.environ["DATABASE_URL"],
            ports=self._ports,
            edl=settings.EDL_LISTEN[1],
            inbound=urlsplit(settings.INBOUND_URL).port or 443,
            peer_tls=peer_tls[1],
            peer_signing=peer_signing[1],
            host=self._issue("bound")[1],
            tenants=tuple(self._tenant(peer, side, letter) for side, letter in sides),
        )

    def _tenant(self, peer: Peer, side: Side, letter: str) -> TenantSite:
        name = f"{side.value}-{letter.lower()}"
        short = side.value[0].upper() + letter
        trouble = {"A": SLOW, "B": DEAD}[letter] if side is Side.TROUBLED else ""
        signing, client = self._issue(f"{name}-signing"), self._issue(f"{name}-client")
        names = [f"{short}{number:02d}" for number in range(1, CONTROL_POINTS + 1)]
        points = {point: self._issue(point) for point in names}
        tenant_id = enrol(
            TenantPlan(
                name=name,
                participant_id=name.upper(),
                trading_agent=short,
                environment=ENVIRONMENT,
                signing=KeyPairPlan(signing[0].pem, signing[0].key),
                client=KeyPairPlan(client[0].pem, client[0].key),
                operators=(
                    OperatorPlan(peer, OPERATOR_PROTOCOL, "https", self._peer_url() + trouble),
                ),
                control_points=tuple(
                    ControlPointPlan(p, (f"{p}-1",), issued.pem, LEGACY_PROTOCOL, "tcp")
                    for p, (issued, _) in points.items()
                ),
            ),
            by=THE_SERVICE,
        )
        with tenant_scope(tenant_id):
            endpoints = {row.name: str(row.id) for row in Endpoint.objects.all()}
        return TenantSite(
            id=str(tenant_id),
            participant_id=name.upper(),
            side=side,
            operator=endpoints[peer.name],
            signing=signing[1],
            client=client[1],
            points=tuple(Point(p, f"{p}-1", endpoints[p], points[p][1]) for p in names),
        )

    def _peer_url(self) -> str:
        return f"https://127.0.0.1:{self._ports.peer}"

    def _issue(self, name: str) -> tuple[Issued, Pair]:
        issued = self._authority.issue(name)
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        issued.write(certificate, key)
        return issued, Pair(str(certificate), str(key))


if __name__ == "__main__":
    var = Path(settings.VAR_DIR)
    write(Enrolment(var / "bench", Ports(*map(int, sys.argv[1:]))).run(), var / "plan.json")
