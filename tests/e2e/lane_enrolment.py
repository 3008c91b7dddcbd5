"""Enrols one tenant for each seal in a running stack, with an operator of its own: its peer in the
host's register, and the file that a simulator is started with. Run inside the stack, by `manage.py
shell`; what the scenes then play is not known here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from messaging.models import Connection
from messaging.rehearsal.authority import Authority
from messaging.rehearsal.market.trust import replay_authority
from messaging.relay import connections
from messaging.relay.register import FILE_PROTOCOL, LEGACY_PROTOCOL, OPERATOR_PROTOCOL
from messaging.relay.signing import OPERATOR
from messaging.relay.smp import logins
from tenants import api_keys, directory, endpoints, members, peers
from tenants.clock import now
from tenants.endpoints import Draft
from tenants.models import Endpoint, Environment, Peer, PeerCertificate, Tenant
from tenants.onboarding.enrol import (
    ControlPointPlan,
    KeyPairPlan,
    OperatorPlan,
    TenantPlan,
    enrol,
    point_operator,
)
from tenants.permissions import Role
from tenants.scope import tenant_scope
from tests.e2e.matrix import Seal
from tests.simulator.cast import Pair, make_pair

ENVIRONMENT = Environment.SIMULATOR
SMP_PROTOCOL = "neso-smp"
PREFIX = "LN"
UNITS = 4
ALGORITHMS = {
    Seal.JWS_JSON: "ES256",
    Seal.JWS_COMPACT: "PS256",
    Seal.JWS_DETACHED: "EdDSA",
    Seal.CONTENT_HASH: "RS256",
}
"""Each seal with a kind of key of its own; content-hash takes RSA keys only."""

ANSWER_SECONDS = 4
"""So long an answer is waited for."""


NOWHERE = "https://127.0.0.1:9"
"""Where an endpoint leads until its simulator runs."""


def enrol_lanes(folder: Path, health_seconds: dict[str, int]) -> None:
    """For each lane, named by its seal and a number, and how often it asks for Health."""
    for name, seconds in health_seconds.items():
        (folder / name).mkdir(parents=True)
        told = _enrol(folder / name, name, seconds)
        (folder / name / "lane.json").write_text(json.dumps(told))


def lead_lanes(urls: dict[str, dict[str, str]]) -> None:
    """Leads each participant's endpoints to its simulators, by the API that each serves."""
    for participant, led in urls.items():
        tenant_id = directory.find_tenant(directory.Known.PARTICIPANT, participant.encode())
        assert tenant_id is not None
        peer = Peer.objects.get(name=f"operator of {participant}")
        for protocol, api in ((OPERATOR_PROTOCOL, "wa"), (SMP_PROTOCOL, "smp")):
            point_operator(tenant_id, protocol, led[api], peer, by="lanes")
        with tenant_scope(tenant_id):
            _ask_now(Endpoint.objects.get(protocol=OPERATOR_PROTOCOL).id)


def _ask_now(endpoint_id: UUID) -> None:
    """For Health, which nobody answered until now."""
    Connection.objects.filter(endpoint_id=endpoint_id).update(ask_at=now())
    connections.hurry(endpoint_id, now())


def suspend_lanes() -> None:
    """Nothing more is asked or sent in their name."""
    for row in list(Tenant.objects.filter(name__startswith=f"lane-{PREFIX.lower()}")):
        with tenant_scope(row.id):
            Tenant.objects.filter(id=row.id).update(state=Tenant.State.SUSPENDED)


def _enrol(folder: Path, name: str, health_seconds: int) -> dict[str, Any]:
    authority = replay_authority(Path(settings.VAR_DIR))
    seal_name, _, part = name.rpartition("-")
    seal = Seal(seal_name)
    short = f"{PREFIX}{list(Seal).index(seal)}{part}"
    kind = ALGORITHMS[seal]
    operator, own = (make_pair(f"{short} {who}", kind=kind) for who in ("operator", "tenant"))
    for name, pair in (("operator-signing", operator), ("signing", own)):
        pair.save(folder, name)
    for name in ("operator-tls", "link"):
        authority.issue(f"{short} {name}").write(folder / f"{name}.pem", folder / f"{name}.key")
    (folder / "ca.pem").write_text(authority.pem)
    plan = _plan(folder, short, seal, authority, own, operator, health_seconds)
    tenant_id = enrol(plan, by="lanes")
    with tenant_scope(tenant_id):
        owner = members.add(f"Owner of {plan.name}", f"{short}@lanes.example", Role.OWNER)
        key = api_keys.mint("lane", member=owner).text
        endpoint = Endpoint.objects.get(protocol=SMP_PROTOCOL, environment=ENVIRONMENT)
        logins.set_login(endpoint.id, plan.name, f"pass-{short}", "lane")
        endpoints.add(Draft(plan.trading_agent, FILE_PROTOCOL, "sftp", ENVIRONMENT))
    for api in ("wa", "smp"):
        (folder / f"{api}.json").write_text(json.dumps(_for_simulator(folder, plan, seal)))
    (point,) = plan.control_points
    return {
        "tenant": plan.name,
        "tenantId": str(tenant_id),
        "participantId": plan.participant_id,
        "tradingAgent": plan.trading_agent,
        "apiKey": key,
        "controlPoint": point.name,
        "bmUnits": list(point.bm_units),
    }


def _plan(
    folder: Path,
    short: str,
    seal: Seal,
    authority: Authority,
    own: Pair,
    operator: Pair,
    health_seconds: int,
) -> TenantPlan:
    tls = (folder / "operator-tls.pem").read_text()
    peer = peers.register(
        f"operator of {short}",
        ENVIRONMENT,
        authority.pem,
        {
            PeerCertificate.Purpose.SIGNING: [operator.certificate_pem.decode()],
            PeerCertificate.Purpose.TLS_CLIENT: [tls],
        },
        by="lanes",
    )
    said = {"seal": seal.value, "algorithm": ALGORITHMS[seal], "answer_seconds": ANSWER_SECONDS}
    client = authority.issue(f"{short} client")
    (folder / "client.pem").write_text(client.pem)
    operators = (
        OperatorPlan(
            peer,
            OPERATOR_PROTOCOL,
            "https",
            NOWHERE,
            {**said, "health_seconds": health_seconds},
        ),
        OperatorPlan(
            peer,
            SMP_PROTOCOL,
            "https",
            NOWHERE,
            {**said, "poll_seconds": 1, "poll_at_most_seconds": 2},
        ),
    )
    link = (folder / "link.pem").read_text()
    units = tuple(f"{short}-{unit:03d}" for unit in range(1, UNITS + 1))
    return TenantPlan(
        name=f"lane-{short.lower()}",
        participant_id=short,
        trading_agent=f"{short}TA",
        environment=ENVIRONMENT,
        signing=KeyPairPlan(own.certificate_pem.decode(), own.key),
        client=KeyPairPlan(client.pem, client.key),
        operators=operators,
        control_points=(ControlPointPlan(short, units, link, LEGACY_PROTOCOL, "tcp"),),
    )


def _for_simulator(folder: Path, plan: TenantPlan, seal: Seal) -> dict[str, Any]:
    (point,) = plan.control_points
    inbound = settings.INBOUND_URL
    return {
        "root": str(folder),
        "host": "127.0.0.1",
        "waPort": 0,
        "smpPort": 0,
        "controlPort": 0,
        "participantId": OPERATOR,
        "tls": {"certificate": "operator-tls.pem", "key": "operator-tls.key", "ca": "ca.pem"},
        "signing": {
            "certificate": "operator-signing.pem",
            "key": "operator-signing.key",
            "algorithm": ALGORITHMS[seal],
        },
        "hostCa": str(Path(settings.TLS_CERTIFICATE).parent.parent / "demo" / "ca.pem"),
        "hostWaUrl": f"{inbound}/wa/{ENVIRONMENT.value}",
        "hostSmpUrl": f"{inbound}/smp/{ENVIRONMENT.value}",
        "smpTimes": {"pending": 0.2, "processing": 0.2},
        "tenants": [
            {
                "participantId": plan.participant_id,
                "tradingAgent": plan.trading_agent,
                "tlsCertificates": ["client.pem"],
                "signingCertificates": ["signing.pem"],
                "seal": seal.value,
                "smp": {"username": plan.name, "password": f"pass-{plan.participant_id}"},
                "controlPoints": [
                    {"name": point.name, "bmUnits": list(point.bm_units), "driven": False}
                ],
            }
        ],
    }
