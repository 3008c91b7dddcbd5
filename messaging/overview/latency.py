"""How long each hop takes, from a sample of the newest attempts of every tenant: its median, 95th
and 99th percentile, by lane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import connection

from messaging.states import Lane

SAMPLED: Final = 5_000
"""Attempts of the last hour that are looked at: each tenant's newest, in equal shares."""

# Along the primary key (tenant, id, month): ids begin with their time in milliseconds.
RECENT: Final = f"""
SELECT a.* FROM tenants_tenant t CROSS JOIN LATERAL (
    SELECT delivery_id, outcome, detail, received_at, sent_at, answered_at, settled_at
    FROM messaging_attempt
    WHERE tenant_id = t.id AND month >= date_trunc('month', now() - interval '1 hour')::date
    AND id >= lpad(to_hex(floor(extract(epoch FROM now() - interval '1 hour') * 1000)::bigint)
                   || '00000000000000000000', 32, '0')::uuid
    ORDER BY id DESC
    LIMIT greatest(20, {SAMPLED} / greatest((SELECT count(*) FROM tenants_tenant), 1))
) a WHERE %(tenant)s::uuid IS NULL OR t.id = %(tenant)s
"""  # noqa: S608 (its own words)
_PERCENTILES = f"""
WITH recent AS ({RECENT})
SELECT d.lane, count(*),
    percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
        ORDER BY extract(epoch FROM r.sent_at - r.received_at)),
    percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
        ORDER BY extract(epoch FROM r.answered_at - r.sent_at)),
    percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
        ORDER BY extract(epoch FROM r.settled_at - coalesce(r.answered_at, r.sent_at)))
FROM recent r JOIN messaging_delivery d ON d.id = r.delivery_id
WHERE r.outcome IN ('DELIVERED', 'REFUSED') GROUP BY d.lane ORDER BY d.lane
"""  # noqa: S608 (its own words)

HOPS: Final = ("from receipt to first byte out", "until the answer", "until it was settled")


@dataclass(frozen=True, slots=True)
class Hop:
    """Percentiles in milliseconds."""

    name: str
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class LaneTimes:
    lane: Lane
    attempts: int
    hops: tuple[Hop, ...]


def find_latencies() -> tuple[LaneTimes, ...]:
    """Of the last hour; a lane on which nothing arrived is left out."""
    with connection.cursor() as cursor:
        cursor.execute(_PERCENTILES, {"tenant": None})
        rows = cursor.fetchall()
    return tuple(LaneTimes(Lane(lane), count, _hops(times)) for lane, count, *times in rows)


def _hops(times: list[list[float] | None]) -> tuple[Hop, ...]:
    named = zip(HOPS, times, strict=True)
    return tuple(Hop(name, *(max(float(t), 0.0) * 1000 for t in of)) for name, of in named if of)
