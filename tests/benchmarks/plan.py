"""Who and where in a benchmark: tenants, control points, ports and keys, as one file that all its
processes read.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from uuid import UUID

CONTROL_POINTS = 25
"""Of each tenant; a side has two tenants."""

OPERATOR = "NGESO"


class Side(StrEnum):
    """What is measured: the service itself, or the lower bound it is held against. TROUBLED are
    tenants of the service whose operators are slow and dead.
    """

    RELAY = "relay"
    BOUND = "bound"
    TROUBLED = "troubled"


@dataclass(frozen=True, slots=True)
class Pair:
    """Files of a certificate and its key (PEM)."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Point:
    name: str
    unit: str
    endpoint: str
    tls: Pair


@dataclass(frozen=True, slots=True)
class TenantSite:
    """A tenant of the benchmark. `operator` is the endpoint that leads to the peer."""

    id: str
    participant_id: str
    side: Side
    operator: str
    signing: Pair
    client: Pair
    points: tuple[Point, ...]

    @property
    def uuid(self) -> UUID:
        return UUID(self.id)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the benchmark's own processes listen on 127.0.0.1."""

    peer: int
    echo: int
    bound_edl: int
    bound_inbound: int


@dataclass(frozen=True, slots=True)
class Plan:
    """`edl` and `inbound` are the service's ports; `host` is the bound's server certificate."""

    ca: str
    database: str
    ports: Ports
    edl: int
    inbound: int
    peer_tls: Pair
    peer_signing: Pair
    host: Pair
    tenants: tuple[TenantSite, ...]

    def of(self, side: Side) -> tuple[TenantSite, ...]:
        return tuple(tenant for tenant in self.tenants if tenant.side is side)

    def edl_port(self, side: Side) -> int:
        return self.ports.bound_edl if side is Side.BOUND else self.edl

    def inbound_port(self, side: Side) -> int:
        return self.ports.bound_inbound if side is Side.BOUND else self.inbound


def write(plan: Plan, path: Path) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(plan)))


def read(path: Path) -> Plan:
    told = json.loads(path.read_text())
    tenants = tuple(_tenant(one) for one in told.pop("tenants"))
    told |= {name: Pair(**told[name]) for name in ("peer_tls", "peer_signing", "host")}
    return Plan(**{**told, "ports": Ports(**told["ports"]), "tenants": tenants})


def client_context(plan: Plan, pair: Pair) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=plan.ca)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


def server_context(plan: Plan, pair: Pair) -> ssl.SSLContext:
    """Demands a client certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=plan.ca)
    context.load_cert_chain(pair.certificate, pair.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _tenant(told: dict[str, object]) -> TenantSite:
    points = told.pop("points")
    assert isinstance(points, list)
    pairs = {name: Pair(**told.pop(name)) for name in ("signing", "client")}  # type: ignore[arg-type]
    side = Side(str(told.pop("side")))
    made = tuple(Point(**{**point, "tls": Pair(**point["tls"])}) for point in points)
    return TenantSite(**told, **pairs, side=side, points=made)  # type: ignore[arg-type]
