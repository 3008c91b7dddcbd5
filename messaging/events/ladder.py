"""The escalation ladder: an instruction that has no answer after so many seconds is told of, each
step once. Safe to run twice, at once and after a kill: a step's row is unique, and whoever makes it
tells of it in the same transaction.

Nothing is written beforehand. Which tenants have an instruction open is seen from what is due.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from messaging.events import alerts
from messaging.events.alerts import Step
from messaging.relay import crash_points
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.ids import new_id
from tenants.scope import in_tenant, reconnecting, require_tenant

AT_ONCE = 500

_TENANTS = "SELECT DISTINCT tenant_id FROM messaging_due WHERE lane = 'link'"
# An instruction that is being answered just now is locked: it is looked at again in a second.
_UNANSWERED = """
SELECT i.id, i.message_id, m.received_at
FROM messaging_due u
JOIN messaging_delivery d ON d.id = u.delivery_id
JOIN messaging_instruction i ON i.tenant_id = d.tenant_id AND i.message_id = d.message_id
JOIN messaging_message m ON m.id = i.message_id
WHERE u.tenant_id = %s AND u.lane = 'link' AND d.tenant_id = %s
    AND i.verdict = '' AND i.respond_by > %s
    AND EXISTS (
        SELECT 1 FROM unnest(%s::int[]) AS s (seconds)
        WHERE m.received_at <= %s::timestamptz - make_interval(secs => s.seconds)
        AND NOT EXISTS (
            SELECT 1 FROM messaging_escalation e
            WHERE e.tenant_id = i.tenant_id AND e.instruction_id = i.id
                AND e.after_seconds = s.seconds))
ORDER BY i.respond_by LIMIT %s FOR NO KEY UPDATE OF i SKIP LOCKED
"""
_TAKE = """
INSERT INTO messaging_escalation (id, tenant_id, instruction_id, after_seconds, at)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (tenant_id, instruction_id, after_seconds) DO NOTHING
"""

_log = structlog.get_logger(__name__)


def attend(at: datetime) -> int:
    """One look over all tenants; returns how many steps were taken. One tenant's trouble keeps no
    other from its due.
    """
    taken = 0
    for tenant_id in reconnecting(_tenants):
        try:
            taken += in_tenant(tenant_id, partial(climb, at), crash_points.Step.LADDER_CLIMB)
        except DatabaseError:
            _log.exception("instructions are not escalated", tenant=str(tenant_id))
    return taken


def climb(at: datetime) -> int:
    """Within the tenant's scope: every step that is due by `at`, returning how many."""
    steps = alerts.ladder_of(alerts.find())
    if not steps:
        return 0
    waits = [step.after_seconds for step in steps]
    tenant_id = require_tenant()
    taken = 0
    with connection.cursor() as cursor:
        cursor.execute(_UNANSWERED, [tenant_id, tenant_id, at, waits, at, AT_ONCE])
        for instruction_id, message_id, received_at in cursor.fetchall():
            waited = (at - received_at).total_seconds()
            due = (step for step in steps if step.after_seconds <= waited)
            taken += sum(_take(cursor, step, instruction_id, message_id, at) for step in due)
    return taken


def _take(cursor: Any, step: Step, instruction_id: UUID, message_id: UUID, at: datetime) -> int:
    values = [new_id(), require_tenant(), instruction_id, step.after_seconds, at]
    cursor.execute(_TAKE, values)
    if cursor.rowcount != 1:
        return 0
    detail = {"after_seconds": step.after_seconds, "ways": " ".join(step.ways)}
    ledger.record(Fact(Event.ESCALATED, at, message_id, detail=detail))
    return 1


def _tenants() -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(_TENANTS)
        return [row[0] for row in cursor.fetchall()]
