"""The cast: alice and bob, two tenants of one host, and mallory, a third and hostile one. Each has
two control points.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from messaging.rehearsal.authority import Authority, Issued
from messaging.relay.register import LEGACY_PROTOCOL, OPERATOR_PROTOCOL
from tenants import api_keys, members, peers
from tenants.models import Environment, Peer, PeerCertificate
from tenants.onboarding.enrol import (
    ControlPointPlan,
    KeyPairPlan,
    OperatorPlan,
    TenantPlan,
    enrol,
)
from tenants.permissions import Role
from tenants.scope import tenant_scope

NOWHERE = "https://127.0.0.1:9"
"""Where nothing listens."""


@dataclass(frozen=True, slots=True)
class Person:
    """A tenant as its own people know it: names, certificates with their keys, and an API key."""

    name: str
    tenant_id: UUID
    participant_id: str
    api_key: str
    control_points: tuple[str, ...]
    bm_units: dict[str, tuple[str, ...]]
    signing: Issued
    client: Issued
    links: dict[str, Issued]


@dataclass(frozen=True, slots=True)
class Operator:
    """The system operator as the host knows it, with the keys only it has."""

    authority: Authority
    tls: Issued
    signing: Issued


@dataclass(frozen=True, slots=True)
class Cast:
    alice: Person
    bob: Person
    mallory: Person
    operator: Operator


def enrol_cast(operator_address: str = NOWHERE) -> Cast:
    """Enrols everyone; run it as the staff role."""
    authority = Authority("test operator")
    operator = Operator(authority, authority.issue("ngeso tls"), authority.issue("ngeso signing"))
    peer = peers.register(
        "simulator",
        Environment.SIMULATOR,
        authority.pem,
        {
            PeerCertificate.Purpose.SIGNING: [operator.signing.pem],
            PeerCertificate.Purpose.TLS_CLIENT: [operator.tls.pem],
        },
        is_default=True,
        by="the tests",
    )
    alice, bob, mallory = (
        _enrol(name, peer, operator_address) for name in ("alice", "bob", "mallory")
    )
    return Cast(alice, bob, mallory, operator)


def _enrol(name: str, peer: Peer, operator_address: str) -> Person:
    """Each tenant has an authority of its own, as in life."""
    authority = Authority(name)
    short = name[:3].upper()
    points = tuple(f"{short}CP{number}" for number in (1, 2))
    units = {point: tuple(f"{point}-{number}" for number in (1, 2)) for point in points}
    signing, client = authority.issue(f"{name} signing"), authority.issue(f"{name} client")
    links = {point: authority.issue(point) for point in points}
    plan = TenantPlan(
        name=name,
        participant_id=name.upper(),
        trading_agent=f"{short}TA",
        environment=Environment.SIMULATOR,
        signing=KeyPairPlan(signing.pem, signing.key),
        client=KeyPairPlan(client.pem, client.key),
        operators=(OperatorPlan(peer, OPERATOR_PROTOCOL, "https", operator_address),),
        control_points=tuple(
            ControlPointPlan(point, units[point], links[point].pem, LEGACY_PROTOCOL, "tcp")
            for point in points
        ),
    )
    tenant_id = enrol(plan, by="the tests")
    with tenant_scope(tenant_id):
        owner = members.add(f"{name} the owner", f"owner@{name}.example", Role.OWNER)
        api_key = api_keys.mint("test", member=owner).text
    return Person(
        name, tenant_id, plan.participant_id, api_key, points, units, signing, client, links
    )
