"""The rows of circuit breakers: read and written within the tenant's scope, and what waits behind
one that is not closed. What is decided about them is in `breakers`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from messaging.models import Breaker, BreakerDue
from messaging.relay import gates
from messaging.relay.breaking import Circuit
from messaging.relay.gates import Waiting
from messaging.relay.rows import NewDelivery
from messaging.states import BreakerState, Lane
from tenants.models import Endpoint
from tenants.scope import require_tenant

_LOOKED_AT = 100

# The first of each queue that nobody has in hand and that waits for no time of its own: the one
# that was tried last only where there is no other, then the most urgent, then what was not tried
# for the longest time.
_HEADS = """
SELECT h.id, m.endpoint_id, e.environment, h.lane, h.queue, m.kind, m.id, m.bm_unit FROM (
    SELECT DISTINCT ON (queue) id, queue, lane, message_id, state, sent_at, wait_until, position
    FROM messaging_delivery
    WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s
        AND state IN ('PENDING', 'CLAIMED', 'HELD')
    ORDER BY queue, position
) h
JOIN messaging_due u ON u.delivery_id = h.id
JOIN messaging_message m ON m.id = h.message_id
JOIN tenants_endpoint e ON e.id = %(endpoint)s
WHERE u.owner IS NULL AND (h.wait_until IS NULL OR h.wait_until <= %(at)s)
ORDER BY h.id IS NOT DISTINCT FROM %(last)s, u.urgency, h.sent_at NULLS FIRST, h.position
"""
_ANY_WAITING = """
SELECT EXISTS (SELECT 1 FROM messaging_delivery
WHERE tenant_id = %s AND endpoint_id = %s AND state IN ('PENDING', 'CLAIMED'))
"""
_MAKE_DUE = """
UPDATE messaging_due d SET due_at = %(at)s::timestamptz + (o.place - 1) * %(apart)s::interval
FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY o (id, place)
WHERE d.tenant_id = %(tenant)s AND d.delivery_id = o.id AND d.owner IS NULL
    AND d.due_at > %(at)s::timestamptz + (o.place - 1) * %(apart)s::interval
"""
_IS_IN_HAND = "SELECT owner IS NOT NULL FROM messaging_due WHERE delivery_id = %s"
_PICK = """
WITH picked AS (
    SELECT endpoint_id FROM messaging_breakerdue WHERE due_at <= now()
    ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE messaging_breakerdue d SET due_at = now() + interval '2 seconds'
FROM picked WHERE d.endpoint_id = picked.endpoint_id
RETURNING d.tenant_id, d.endpoint_id
"""
_PLAN = """
INSERT INTO messaging_breakerdue (endpoint_id, tenant_id, due_at) VALUES (%s, %s, %s)
ON CONFLICT (endpoint_id) DO UPDATE SET due_at = EXCLUDED.due_at
"""
_HURRY = _PLAN.replace("EXCLUDED.due_at", "least(messaging_breakerdue.due_at, EXCLUDED.due_at)")


def circuit_of(breaker: Breaker) -> Circuit:
    return Circuit(
        BreakerState(breaker.state),
        breaker.failures,
        breaker.pauses,
        breaker.open_until,
        breaker.probe_id,
    )


def write(breaker: Breaker, circuit: Circuit) -> None:
    breaker.state, breaker.failures = circuit.state, circuit.failures
    breaker.pauses, breaker.open_until = circuit.pauses, circuit.open_until
    breaker.probe_id = circuit.probe
    breaker.save()


def is_known(endpoint_id: UUID) -> bool:
    """Whoever removes an endpoint need not wait for what is under way there."""
    return bool(Endpoint.objects.filter(id=endpoint_id).exists())


def find(endpoint_id: UUID) -> Breaker | None:
    rows = Breaker.objects.select_for_update(of=("self",)).select_related("endpoint")
    found: Breaker | None = rows.filter(endpoint_id=endpoint_id).first()
    return found


def locked(endpoint_id: UUID) -> Breaker:
    """The breaker's row, made where there is none yet."""
    Breaker.objects.get_or_create(tenant_id=require_tenant(), endpoint_id=endpoint_id)
    found = find(endpoint_id)
    assert found is not None, "it goes with its endpoint alone"
    return found


def heads(endpoint_id: UUID, circuit: Circuit, at: datetime) -> list[NewDelivery]:
    """What could be tried, the first to be tried first: nothing that a gate holds anyway."""
    tenant_id, shut = require_tenant(), gates.read()
    values: dict[str, Any] = {
        "tenant": tenant_id,
        "endpoint": endpoint_id,
        "at": at,
        "last": circuit.probe,
    }
    with connection.cursor() as cursor:
        cursor.execute(_HEADS, values)
        rows = cursor.fetchall()
    return [
        NewDelivery(delivery_id, tenant_id, endpoint_id, Lane(one.lane), queue=one.queue)
        for delivery_id, one in ((row[0], Waiting(endpoint_id, *row[1:])) for row in rows)
        if not gates.is_shut_out(one, shut)
    ]


def make_due(some: list[NewDelivery], at: datetime, apart: timedelta = timedelta(0)) -> None:
    """The first of them `at`, each of the others so long after the one before it."""
    if not some:
        return
    ids = [one.id for one in some]
    values: dict[str, Any] = {"at": at, "apart": apart, "ids": ids, "tenant": require_tenant()}
    with connection.cursor() as cursor:
        cursor.execute(_MAKE_DUE, values)


def is_waited_for(endpoint_id: UUID) -> bool:
    """Whether anything is to go there that nothing holds."""
    with connection.cursor() as cursor:
        cursor.execute(_ANY_WAITING, [require_tenant(), endpoint_id])
        (is_any,) = cursor.fetchone()
    return bool(is_any)


def is_in_hand(delivery_id: UUID) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_IS_IN_HAND, [delivery_id])
        row = cursor.fetchone()
    return row is not None and bool(row[0])


def plan(breaker: Breaker, at: datetime) -> None:
    _execute(_PLAN, breaker.endpoint_id, breaker.tenant_id, at)


def hurry(breaker: Breaker, at: datetime) -> None:
    _execute(_HURRY, breaker.endpoint_id, breaker.tenant_id, at)


def forget(endpoint_id: UUID) -> None:
    BreakerDue.objects.filter(endpoint_id=endpoint_id, tenant_id=require_tenant()).delete()


def pick() -> list[tuple[UUID, UUID]]:
    with connection.cursor() as cursor:
        cursor.execute(_PICK, [_LOOKED_AT])
        return list(cursor.fetchall())


def _execute(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))
