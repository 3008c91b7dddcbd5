"""Look-ups in the open scope's register that routing and checking need, each in one query.

Answers that let a message pass are remembered until the tenant's set-up changes; a refusal is never
told from memory, so what was added a moment ago is known.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from tenants.models import Endpoint, Tenant
from tenants.remembered import Remembered
from tenants.scope import require_tenant

LEGACY_PROTOCOL = "edl"
FILE_PROTOCOL = "edt"
OPERATOR_PROTOCOL = "neso-wa"

REMEMBERED = 4096
"""Answers of each kind a process keeps."""

_STANDING = """
SELECT
    t.state,
    EXISTS (
        SELECT 1 FROM tenants_bmunit u
        WHERE u.tenant_id = t.id AND u.name = %(bm_unit)s AND u.control_point_id = %(endpoint)s),
    (
        SELECT o.id FROM tenants_endpoint o
        WHERE o.tenant_id = t.id AND o.protocol = 'neso-wa' AND o.environment = %(environment)s
        LIMIT 1)
FROM tenants_tenant t WHERE t.id = %(tenant)s
"""

_ADDRESSEE = """
SELECT t.state, e.id, e.settings::text,
    EXISTS (
        SELECT 1 FROM tenants_bmunit u
        WHERE u.tenant_id = t.id AND u.name = %(bm_unit)s AND u.control_point_id = e.id)
FROM tenants_tenant t
LEFT JOIN tenants_endpoint e
    ON e.tenant_id = t.id AND e.protocol = 'edl' AND e.name = %(name)s
    AND e.environment = %(environment)s
WHERE t.id = %(tenant)s
"""
_OPERATOR = """
SELECT id, settings::text FROM tenants_endpoint WHERE protocol = %s AND environment = %s LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What must be known of the sender before its message is taken."""

    suspended: bool
    knows_unit: bool
    operator: UUID | None


@dataclass(frozen=True, slots=True)
class ControlPoint:
    """One of the tenant's control points, with what a link to it needs."""

    endpoint_id: UUID
    name: str
    environment: str
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operator:
    """The tenant's endpoint that leads to the system operator's Wider Access API."""

    id: UUID
    environment: str
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Addressee:
    """The control point that an instruction names, and what must be known before it is taken."""

    suspended: bool
    control_point: ControlPoint | None
    knows_unit: bool


_standings: Remembered[tuple[UUID, str, str], Standing] = Remembered(REMEMBERED)
_addressees: Remembered[tuple[str, str, str], Addressee] = Remembered(REMEMBERED)
_operators: Remembered[str, Operator | None] = Remembered(REMEMBERED)


def standing_of(endpoint_id: UUID, environment: str, bm_unit: str) -> Standing:
    """Of the tenant in scope, of a BM unit at one of its control points, and where its messages
    go.
    """
    return _standings.get(
        require_tenant(),
        (endpoint_id, environment, bm_unit),
        lambda: _read_standing(endpoint_id, environment, bm_unit),
        lambda found: found.knows_unit and found.operator is not None and not found.suspended,
    )


def addressee_of(control_point: str, environment: str, bm_unit: str) -> Addressee:
    """Of the tenant in scope; without a control point of that name, `control_point` is None."""
    return _addressees.get(
        require_tenant(),
        (control_point, environment, bm_unit),
        lambda: _read_addressee(control_point, environment, bm_unit),
        lambda found: found.knows_unit and not found.suspended,
    )


def find_operator(environment: str) -> Operator | None:
    """The endpoint that leads to the system operator in an environment."""
    return _operators.get(
        require_tenant(),
        environment,
        lambda: _read_operator(environment),
        lambda found: found is not None,
    )


def find_control_point(name: str, environment: str) -> ControlPoint | None:
    row = Endpoint.objects.filter(
        protocol=LEGACY_PROTOCOL, name=name, environment=environment
    ).first()
    return as_control_point(row) if row else None


def as_control_point(row: Endpoint) -> ControlPoint:
    return ControlPoint(row.id, row.name, row.environment, row.settings)


def _read_standing(endpoint_id: UUID, environment: str, bm_unit: str) -> Standing:
    with connection.cursor() as cursor:
        cursor.execute(
            _STANDING,
            {
                "tenant": require_tenant(),
                "endpoint": endpoint_id,
                "environment": environment,
                "bm_unit": bm_unit,
            },
        )
        state, knows_unit, operator = cursor.fetchone()
    return Standing(state == Tenant.State.SUSPENDED, knows_unit, operator)


def _read_addressee(control_point: str, environment: str, bm_unit: str) -> Addressee:
    with connection.cursor() as cursor:
        cursor.execute(
            _ADDRESSEE,
            {
                "tenant": require_tenant(),
                "name": control_point,
                "environment": environment,
                "bm_unit": bm_unit,
            },
        )
        state, endpoint_id, settings, knows_unit = cursor.fetchone()
    found = None
    if endpoint_id is not None:
        found = ControlPoint(endpoint_id, control_point, environment, json.loads(settings))
    return Addressee(state == Tenant.State.SUSPENDED, found, knows_unit)


def _read_operator(environment: str) -> Operator | None:
    with connection.cursor() as cursor:
        cursor.execute(_OPERATOR, [OPERATOR_PROTOCOL, environment])
        row = cursor.fetchone()
    return Operator(row[0], environment, json.loads(row[1])) if row else None
