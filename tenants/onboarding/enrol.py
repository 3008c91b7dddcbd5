"""Enrols a tenant in one transaction: its row, endpoints, BM units, certificates and directory
entries.

Run by the vendor's staff role; nothing is half-enrolled when any of it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from tenants import directory, endpoints
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.directory import Known
from tenants.ids import new_id
from tenants.keys import store
from tenants.keys.life import CertificatePurpose
from tenants.models import BmUnit, Endpoint, Environment, Peer, Tenant
from tenants.scope import tenant_scope


@dataclass(frozen=True, slots=True)
class ControlPointPlan:
    """A control point, the NGC names of its BM units, and the certificate (PEM) it connects with,
    empty where its tenant uploads that itself.
    """

    name: str
    bm_units: tuple[str, ...]
    certificate: str
    protocol: str
    transport: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OperatorPlan:
    """The endpoint that leads to the system operator."""

    peer: Peer
    protocol: str
    transport: str
    address: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyPairPlan:
    """A certificate (PEM) and its private key."""

    certificate: str
    key: PrivateKeyTypes


@dataclass(frozen=True, slots=True)
class TenantPlan:
    name: str
    participant_id: str
    trading_agent: str
    environment: Environment
    signing: KeyPairPlan | None
    """None where the tenant makes or uploads its keys itself, by the API."""
    client: KeyPairPlan | None
    operators: tuple[OperatorPlan, ...]
    control_points: tuple[ControlPointPlan, ...]


def enrol(plan: TenantPlan, *, by: str) -> UUID:
    """Returns the new tenant's id. The log names `by`. Raises AlreadyKnown where a name, unit or
    certificate is another's, and BadEndpoint.
    """
    tenant_id = new_id()
    with tenant_scope(tenant_id):
        Tenant.objects.create(
            id=tenant_id,
            name=plan.name,
            participant_id=plan.participant_id,
            trading_agent=plan.trading_agent,
        )
        directory.enter(Known.TENANT_NAME, plan.name.encode(), tenant_id)
        directory.enter(Known.PARTICIPANT, plan.participant_id.encode(), tenant_id)
        _install(CertificatePurpose.SIGNING, plan.signing, plan.environment, by)
        _install(CertificatePurpose.SO_CLIENT, plan.client, plan.environment, by)
        for operator in plan.operators:
            _add_operator(plan.environment, operator)
        for control_point in plan.control_points:
            _add_control_point(tenant_id, plan.environment, control_point, by)
        detail = {
            "participant_id": plan.participant_id,
            "environment": plan.environment.value,
            "by": by,
        }
        ledger.record(Fact(Event.ENROLLED, datetime.now(UTC), detail=detail))
    return tenant_id


def renew(tenant_id: UUID, plan: TenantPlan, *, by: str) -> None:
    """Installs the plan's certificates for a tenant that is enrolled already."""
    with tenant_scope(tenant_id):
        _install(CertificatePurpose.SIGNING, plan.signing, plan.environment, by)
        _install(CertificatePurpose.SO_CLIENT, plan.client, plan.environment, by)
        for control_point in plan.control_points:
            endpoint = Endpoint.objects.get(
                name=control_point.name,
                protocol=control_point.protocol,
                environment=plan.environment,
            )
            _install_machine(control_point.certificate, endpoint, by)


def point_operator(tenant_id: UUID, protocol: str, address: str, peer: Peer, *, by: str) -> None:
    """Leads a tenant's outbound side of one protocol to another address and peer, unless it leads
    there. Raises BadEndpoint.
    """
    with tenant_scope(tenant_id):
        rows = Endpoint.objects.filter(protocol=protocol, environment=peer.environment)
        for row in rows:
            changed = endpoints.change(row, address=address.rstrip("/"), peer=peer)
            if changed:
                endpoints.record(row, "changed", changed, by)
        if not rows:
            raise LookupError(f"no {protocol} endpoint in {peer.environment}")


def _install(
    purpose: CertificatePurpose, pair: KeyPairPlan | None, environment: Environment, by: str
) -> None:
    if pair is None:
        return
    store.install(purpose, pair.certificate, pair.key, environment=environment, by=by)


def _install_machine(certificate: str, endpoint: Endpoint, by: str) -> None:
    store.install(
        CertificatePurpose.CONTROL_POINT,
        certificate,
        environment=endpoint.environment,
        endpoint=endpoint,
        by=by,
    )


def _add_operator(environment: Environment, plan: OperatorPlan) -> None:
    draft = endpoints.Draft(
        name=plan.peer.name,
        protocol=plan.protocol,
        transport=plan.transport,
        environment=environment,
        address=plan.address.rstrip("/"),
        settings=plan.settings,
        peer=plan.peer,
    )
    endpoints.add(draft)


def _add_control_point(
    tenant_id: UUID, environment: Environment, plan: ControlPointPlan, by: str
) -> None:
    draft = endpoints.Draft(
        plan.name, plan.protocol, plan.transport, environment, settings=plan.settings
    )
    endpoint = endpoints.add(draft)
    if plan.certificate:
        _install_machine(plan.certificate, endpoint, by)
    for name in plan.bm_units:
        directory.enter(Known.BM_UNIT, name.encode(), tenant_id)
        BmUnit.objects.create(tenant_id=tenant_id, name=name, control_point=endpoint)
