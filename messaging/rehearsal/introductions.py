"""Tells the demonstration's simulated operator of tenants that were enrolled beside its own: what a
real operator is told when somebody joins. Whom it was told of is kept, for its configuration is
written anew at each start.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from messaging.rehearsal.authority import write_private
from messaging.rehearsal.cast import THE_DEMONSTRATION
from messaging.relay.register import LEGACY_PROTOCOL, OPERATOR_PROTOCOL
from tenants import directory
from tenants.keys.life import VERIFYING, CertificatePurpose
from tenants.models import BmUnit, Certificate, Endpoint, Environment, Peer, Tenant
from tenants.onboarding.enrol import point_operator
from tenants.scope import tenant_scope

_ENVIRONMENT = Environment.SIMULATOR


class NotReady(Exception):
    """The tenant is not there, or lacks what the operator has to be told."""


def introduce(folder: Path, name: str) -> None:
    """From now on the simulator knows this tenant, by the certificates it has now. Raises NotReady.

    `folder` is the demonstration's. The simulator reads its configuration again by itself.
    """
    told = as_told(folder, name)
    config = json.loads(_config(folder).read_text(encoding="utf-8"))
    others = [one for one in config["tenants"] if one["participantId"] != told["participantId"]]
    config["tenants"] = [*others, told]
    _write(_config(folder), config)
    _write(_kept(folder), sorted({*known(folder), name}))


def known(folder: Path) -> list[str]:
    """The names of those who were introduced."""
    kept = _kept(folder)
    names: list[str] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else []
    return names


def introduce_again(folder: Path, address: str, peer: Peer) -> list[Any]:
    """At a start: leads those who were introduced to where the simulator is now, and returns what
    it is told of them. Who is gone, or lacks something by now, is left out.
    """
    told = []
    for name in known(folder):
        with suppress(NotReady, LookupError):
            told.append(as_told(folder, name))
            point_operator(_get(name), OPERATOR_PROTOCOL, address, peer, by=THE_DEMONSTRATION)
    return told


def as_told(folder: Path, name: str) -> dict[str, Any]:
    """Raises NotReady."""
    tenant_id = _get(name)
    with tenant_scope(tenant_id):
        tenant = Tenant.objects.get(id=tenant_id)
        return {
            "participantId": tenant.participant_id,
            "tradingAgent": tenant.trading_agent,
            "tlsCertificates": _written(folder, tenant, CertificatePurpose.SO_CLIENT),
            "signingCertificates": _written(folder, tenant, CertificatePurpose.SIGNING),
            "smp": {"username": "", "password": ""},
            "controlPoints": [_point(row) for row in _points()],
        }


def _points() -> list[Endpoint]:
    rows = Endpoint.objects.filter(protocol=LEGACY_PROTOCOL, environment=_ENVIRONMENT)
    return list(rows.order_by("name"))


def _point(row: Endpoint) -> dict[str, Any]:
    units = BmUnit.objects.filter(control_point=row).order_by("name")
    return {"name": row.name, "bmUnits": [unit.name for unit in units], "driven": False}


def _written(folder: Path, tenant: Tenant, purpose: CertificatePurpose) -> list[str]:
    """Paths of the files that the tenant's certificates are written to."""
    rows = Certificate.objects.filter(
        environment=_ENVIRONMENT, purpose=purpose, state__in=[one.value for one in VERIFYING]
    )
    paths = []
    for row in rows.order_by("created_at"):
        path = folder / "introduced" / f"{row.id}.pem"
        path.parent.mkdir(exist_ok=True)
        path.write_text(row.pem)
        paths.append(str(path))
    if not paths:
        raise NotReady(f"{tenant.name} has no certificate of the purpose {purpose.value} yet")
    return paths


def _get(name: str) -> UUID:
    tenant_id = directory.find_tenant(directory.Known.TENANT_NAME, name.encode())
    if tenant_id is None:
        raise NotReady(f"no tenant is called {name!r}")
    return tenant_id


def _config(folder: Path) -> Path:
    return folder / "simulator.json"


def _kept(folder: Path) -> Path:
    return folder / "introduced.json"


def _write(path: Path, value: Any) -> None:
    write_private(path, json.dumps(value, indent=2) + "\n")
