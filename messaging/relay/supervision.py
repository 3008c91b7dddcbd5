"""Watches over control points' links: tells that one is lost, once, when it has been for as long as
its endpoint's setting says, and that it is back; and takes links from gateways that have lapsed.

All of it stands in rows, so it makes no difference which process dies, or how many look.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from messaging.models import Link
from messaging.relay import presence
from messaging.relay.crash_points import Step
from messaging.relay.register import ControlPoint, as_control_point
from messaging.relay.settings import control_point_settings
from tenants.audit import ledger
from tenants.audit.events import Event, Fact, stamp
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import in_tenant, reconnecting, require_tenant

GATEWAY_GONE = "its gateway is gone"
_MOST = 5_000

# The table has no policies, so what is done to one link names the tenant in scope beside it.
_HELD_BY = """
INSERT INTO messaging_linkwatch (endpoint_id, tenant_id, owner) VALUES (%s, %s, %s)
ON CONFLICT (endpoint_id) DO UPDATE SET owner = EXCLUDED.owner, due_at = NULL
"""
_DUE = """
INSERT INTO messaging_linkwatch (endpoint_id, tenant_id, due_at) VALUES (%s, %s, %s)
ON CONFLICT (endpoint_id) DO UPDATE SET owner = NULL, due_at = EXCLUDED.due_at
"""
_DONE = """
UPDATE messaging_linkwatch SET due_at = NULL
WHERE endpoint_id = ANY(%s::uuid[]) AND tenant_id = %s AND due_at <= %s
"""
_LET_GO = """
UPDATE messaging_linkwatch SET owner = NULL
WHERE endpoint_id = ANY(%s::uuid[]) AND tenant_id = %s AND owner = ANY(%s::bigint[])
"""
_ORPHANED = """
SELECT w.tenant_id, w.endpoint_id, w.owner FROM messaging_gatewayprocess g
JOIN messaging_linkwatch w ON w.owner = g.number WHERE g.lapsed_at IS NOT NULL LIMIT %s
"""
_OVERDUE = """
SELECT tenant_id, endpoint_id FROM messaging_linkwatch WHERE due_at <= %s ORDER BY due_at LIMIT %s
"""
# A new epoch, so that a gateway that was only frozen can neither take nor give any more.
_TAKE_AWAY = """
UPDATE messaging_link SET gateway = NULL, down_at = %s, epoch = epoch + 1
WHERE endpoint_id = ANY(%s::uuid[]) AND gateway = ANY(%s::bigint[]) RETURNING endpoint_id
"""
_ALARM = """
UPDATE messaging_link SET alarmed_at = %s
WHERE endpoint_id IN (SELECT w.endpoint_id FROM messaging_linkwatch w
    WHERE w.endpoint_id = ANY(%s::uuid[]) AND w.due_at <= %s)
AND gateway IS NULL AND alarmed_at IS NULL RETURNING endpoint_id, down_at
"""
# First, as whoever opens or closes a link does, and in one order.
_LOCK = """
SELECT 1 FROM messaging_link WHERE endpoint_id = ANY(%s::uuid[]) ORDER BY endpoint_id FOR UPDATE
"""

_log = structlog.get_logger(__name__)


def went_up(control_point: ControlPoint, link: Link, gateway: int, at: datetime) -> None:
    """In the transaction that opens it, with `link` as it was before."""
    _execute(_HELD_BY, control_point.endpoint_id, require_tenant(), gateway)
    if link.alarmed_at is None:
        return
    since = link.down_at or link.alarmed_at
    detail = {
        "alarm": "link restored",
        "control_point": control_point.name,
        "down_at": stamp(since),
        "down_seconds": int((at - since).total_seconds()),
    }
    ledger.record(Fact(Event.ALARMED, at, detail=detail))


def went_down(control_point: ControlPoint, at: datetime) -> None:
    """In the transaction that closes it: from now on its loss waits to be alarmed."""
    due_at = at + control_point_settings(control_point.settings).alarm_within
    _execute(_DUE, control_point.endpoint_id, require_tenant(), due_at)


def attend() -> None:
    """One look over all tenants. One tenant's trouble keeps no other from its due."""
    reconnecting(presence.lapse_the_silent, Step.LAPSE)
    orphaned: defaultdict[UUID, dict[UUID, int]] = defaultdict(dict)
    for tenant_id, endpoint_id, owner in _rows(_ORPHANED, _MOST):
        orphaned[tenant_id][endpoint_id] = owner
    for tenant_id, owners in orphaned.items():
        _of(tenant_id, partial(_take_away, owners))
    overdue: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for tenant_id, endpoint_id in _rows(_OVERDUE, now(), _MOST):
        overdue[tenant_id].append(endpoint_id)
    for tenant_id, endpoint_ids in overdue.items():
        _of(tenant_id, partial(_alarm, endpoint_ids))


def _of(tenant_id: UUID, work: partial[None]) -> None:
    try:
        in_tenant(tenant_id, work, Step.LINK_WATCH)
    except DatabaseError:
        _log.exception("links are not looked after", tenant=str(tenant_id))


def _take_away(owners: dict[UUID, int]) -> None:
    at = now()
    ids, numbers = list(owners), list(set(owners.values()))
    _execute(_LOCK, ids)
    gone = [row[0] for row in _rows(_TAKE_AWAY, at, ids, numbers)]
    _execute(_LET_GO, ids, require_tenant(), numbers)
    for control_point in _control_points(gone):
        detail = {"control_point": control_point.name, "reason": GATEWAY_GONE}
        ledger.record(Fact(Event.LINK_DOWN, at, detail=detail))
        went_down(control_point, at)


def _alarm(endpoint_ids: Sequence[UUID]) -> None:
    at = now()
    ids = list(endpoint_ids)
    _execute(_LOCK, ids)
    lost: dict[UUID, datetime] = dict(_rows(_ALARM, at, ids, at))
    _execute(_DONE, ids, require_tenant(), at)
    for control_point in _control_points(list(lost)):
        detail = {
            "alarm": "link lost",
            "control_point": control_point.name,
            "down_at": stamp(lost[control_point.endpoint_id]),
        }
        ledger.record(Fact(Event.ALARMED, at, detail=detail))


def _control_points(endpoint_ids: Sequence[UUID]) -> list[ControlPoint]:
    rows = Endpoint.objects.filter(id__in=endpoint_ids).order_by("name")
    return [as_control_point(row) for row in rows]


def _rows(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def _execute(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
