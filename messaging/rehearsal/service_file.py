"""Reads var/service.json as whoever wants to connect does. Writing it is the enrolment's."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class PointAccess:
    """A control point and what its kit connects with."""

    tenant: str
    participant_id: str
    name: str
    bm_units: tuple[str, ...]
    certificate: Path
    key: Path
    ca: Path
    driven: bool

    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True, slots=True)
class TenantAccess:
    name: str
    participant_id: str
    api_key: str
    points: tuple[PointAccess, ...]


@dataclass(frozen=True, slots=True)
class AdminAccess:
    url: str
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Service:
    """What the file says, as far as the players need it. `edl` is host and port."""

    edl: tuple[str, int]
    inbound: str
    api: str
    openapi: str
    admin: AdminAccess
    simulator_wa: str
    simulator_control: str
    tenants: tuple[TenantAccess, ...]

    def driven(self) -> tuple[PointAccess, ...]:
        """The control points that a demonstration drives."""
        return tuple(point for tenant in self.tenants for point in tenant.points if point.driven)


class NotRunning(Exception):
    """There is no service file, or not a whole one: no stack has been started over this folder."""


def read_service(path: Path, root: Path) -> Service:
    """`root` is what the paths in the file are told relative to. Raises NotRunning."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return _service(told, root)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotRunning(f"{path} cannot be read ({error}): start the stack first") from None


def _service(told: dict[str, Any], root: Path) -> Service:
    admin = told["admin"]
    return Service(
        edl=(told["edl"]["host"], int(told["edl"]["port"])),
        inbound=told["inbound"]["waUrl"],
        api=told["api"]["url"],
        openapi=told["api"]["openapi"],
        admin=AdminAccess(admin["url"], admin["username"], admin["password"]),
        simulator_wa=told["simulator"]["waUrl"],
        simulator_control=told["simulator"]["controlUrl"],
        tenants=tuple(_tenant(tenant, root) for tenant in told["tenants"]),
    )


def _tenant(told: dict[str, Any], root: Path) -> TenantAccess:
    points = tuple(_point(told, point, root) for point in told["controlPoints"])
    return TenantAccess(told["name"], told["participantId"], told["apiKey"], points)


def _point(tenant: dict[str, Any], told: dict[str, Any], root: Path) -> PointAccess:
    return PointAccess(
        tenant["name"],
        tenant["participantId"],
        told["name"],
        tuple(told["bmUnits"]),
        root / told["certificate"],
        root / told["key"],
        root / told["ca"],
        bool(told["driven"]),
    )
