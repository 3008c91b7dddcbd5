"""The watch of gates: before the gate of each settlement period closes, what a BM unit is meant to
have and has not is alarmed once for the unit and the period, and told once more when it comes after
all. Safe to run twice and at once: an alarm's row is unique, and who makes it tells of it.

A tenant is looked at when an alarm's moment has come, not all the time, so that thousands of units
cost a few questions in each half-hour.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from messaging.domain import clock
from messaging.relay.crash_points import Step
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.ids import new_id
from tenants.scope import in_tenant, require_tenant

AT_ONCE: Final = 500
"""Alarms in one transaction."""

ARRIVALS_EVERY: Final = timedelta(seconds=30)
"""How often it is looked whether what was alarmed has come."""

DEFAULT_MINUTES: Final = 15
"""How long before a gate closes it is looked at, where neither unit nor tenant says."""

LOOKED_FOR: Final = clock.HALF_HOUR
"""How long after a period's start its data may still come and be told of: until it is over."""

_TENANTS_AT_ONCE = 200
_AGAIN = timedelta(minutes=1)

_PICK = "SELECT tenant_id, due_at FROM messaging_gatewatch WHERE due_at <= %s LIMIT %s"
_PUT_OFF = "UPDATE messaging_gatewatch SET due_at = %s WHERE tenant_id = %s AND due_at = %s"
_END = "DELETE FROM messaging_gatewatch WHERE tenant_id = %s AND due_at = %s"

_AHEADS = """
SELECT DISTINCT coalesce(u.gate_alarm_minutes, t.gate_alarm_minutes, %s)
FROM tenants_bmunit u JOIN tenants_tenant t ON t.id = u.tenant_id
WHERE u.tenant_id = %s AND u.expected <> '[]'
"""
# Of a series the whole half-hour must be covered, of pairs some one of them.
_MISSING = """
SELECT u.name, p.start, m.missing FROM tenants_bmunit u
JOIN tenants_tenant t ON t.id = u.tenant_id
JOIN unnest(%(starts)s::timestamptz[]) AS p (start) ON true
CROSS JOIN LATERAL (
    SELECT json_agg(x.name ORDER BY x.name)::text AS missing
    FROM jsonb_array_elements_text(u.expected) AS x (name)
    WHERE NOT EXISTS (
        SELECT 1 FROM messaging_declared d
        WHERE d.tenant_id = u.tenant_id AND d.bm_unit = u.name AND d.parameter = x.name
          AND d.covered @> tstzrange(p.start, p.start + interval '30 minutes'))
) m
WHERE u.tenant_id = %(tenant)s AND u.expected <> '[]' AND m.missing IS NOT NULL
    AND coalesce(u.gate_alarm_minutes, t.gate_alarm_minutes, %(default)s) = %(ahead)s
    AND NOT EXISTS (
        SELECT 1 FROM messaging_gatealarm a
        WHERE a.tenant_id = u.tenant_id AND a.bm_unit = u.name AND a.period_start = p.start)
ORDER BY p.start, u.name LIMIT %(limit)s
"""
_ALARM = """
INSERT INTO messaging_gatealarm (id, tenant_id, bm_unit, period_start, missing, alarmed_at)
SELECT w.id, %s, w.bm_unit, w.start, w.missing::jsonb, %s
FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::text[])
    AS w (id, bm_unit, start, missing)
ON CONFLICT (tenant_id, bm_unit, period_start) DO NOTHING
RETURNING bm_unit, period_start, missing::text
"""
_COVERED_NOW = """
SELECT o.id FROM messaging_gatealarm o
CROSS JOIN LATERAL jsonb_array_elements_text(o.missing) AS x (name)
LEFT JOIN messaging_declared d
    ON d.tenant_id = o.tenant_id AND d.bm_unit = o.bm_unit AND d.parameter = x.name
    AND d.covered @> tstzrange(o.period_start, o.period_start + interval '30 minutes')
WHERE o.tenant_id = %s AND o.arrived_at IS NULL AND o.period_start > %s
GROUP BY o.id HAVING bool_and(d.id IS NOT NULL) ORDER BY o.id LIMIT %s
"""
_ARRIVED = """
UPDATE messaging_gatealarm SET arrived_at = %s WHERE id = ANY(%s) AND arrived_at IS NULL
RETURNING bm_unit, period_start, missing::text
"""
_IS_AWAITED = """
SELECT EXISTS (
    SELECT 1 FROM messaging_gatealarm
    WHERE tenant_id = %s AND arrived_at IS NULL AND period_start > %s)
"""

_log = structlog.get_logger(__name__)


def attend(at: datetime) -> int:
    """Looks at the tenants whose time has come; returns how many. One's trouble keeps no other from
    its turn.
    """
    with connection.cursor() as cursor:
        cursor.execute(_PICK, [at, _TENANTS_AT_ONCE])
        picked: list[tuple[UUID, datetime]] = cursor.fetchall()
    for tenant_id, due_at in picked:
        try:
            _attend_to(tenant_id, due_at, at)
        except DatabaseError:
            _log.exception("the gates of a tenant are not looked at", tenant=str(tenant_id))
            _execute(_PUT_OFF, [at + _AGAIN, tenant_id, due_at])
    return len(picked)


def _attend_to(tenant_id: UUID, due_at: datetime, at: datetime) -> None:
    """A part of it in each transaction, for each entry of the audit log is held until its end."""
    while in_tenant(tenant_id, partial(_alarm_some, at), Step.GATE_ALARM) == AT_ONCE:
        pass
    while in_tenant(tenant_id, partial(_tell_arrivals, at), Step.GATE_ARRIVAL) == AT_ONCE:
        pass
    in_tenant(tenant_id, partial(_plan, due_at, at), Step.GATE_PLAN)


def _alarm_some(at: datetime) -> int:
    """Returns how many alarms there are now that were not before, at most AT_ONCE."""
    missing: list[tuple[str, datetime, str]] = []
    for minutes in _aheads():
        ahead = timedelta(minutes=minutes)
        values = {
            "tenant": require_tenant(),
            "starts": clock.closing_within(ahead, at),
            "ahead": minutes,
            "default": DEFAULT_MINUTES,
            "limit": AT_ONCE - len(missing),
        }
        missing += _fetched(_MISSING, values)
    if not missing:
        return 0
    columns = [list(column) for column in zip(*missing, strict=True)]
    ids = [new_id() for _ in missing]
    made = _fetched(_ALARM, [require_tenant(), at, ids, *columns])
    ledger.record(*(_fact(Event.ALARMED, at, *row) for row in made))
    return len(missing)


def _tell_arrivals(at: datetime) -> int:
    found = _fetched(_COVERED_NOW, [require_tenant(), at - LOOKED_FOR, AT_ONCE])
    if found:
        arrived = _fetched(_ARRIVED, [at, [row[0] for row in found]])
        ledger.record(*(_fact(Event.DATA_ARRIVED, at, *row) for row in arrived))
    return len(found)


def _fact(event: Event, at: datetime, bm_unit: str, start: datetime, missing: str) -> Fact:
    names = ", ".join(json.loads(missing))
    day, number = clock.period_of(start)
    closes = clock.gate_closure(start)
    told = f"period {number} of {day} of {bm_unit}, whose gate closes at {closes:%H:%M} UTC"
    text = f"no {names} for {told}" if event is Event.ALARMED else f"{names} for {told}"
    detail: dict[str, object] = {"bm_unit": bm_unit, "period_start": start, "missing": names}
    name = "alarm" if event is Event.ALARMED else "text"
    return Fact(event, at, detail={**detail, name: text})


def _plan(due_at: datetime, at: datetime) -> None:
    """Says when to look next, unless somebody has said so meanwhile: that change is to be seen."""
    moments = [clock.next_closing_within(timedelta(minutes=minutes), at) for minutes in _aheads()]
    ((awaited,),) = _fetched(_IS_AWAITED, [require_tenant(), at - LOOKED_FOR])
    if awaited:
        moments.append(at + ARRIVALS_EVERY)
    if moments:
        _execute(_PUT_OFF, [min(moments), require_tenant(), due_at])
    else:
        _execute(_END, [require_tenant(), due_at])


def _aheads() -> list[int]:
    """The different times ahead, in minutes, that units of the tenant are looked at."""
    return sorted(row[0] for row in _fetched(_AHEADS, [DEFAULT_MINUTES, require_tenant()]))


def _fetched(statement: str, values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _execute(statement: str, values: Iterable[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))
