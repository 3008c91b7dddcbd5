"""What is wrong now, of every tenant, found along indexes that hold what is open and not what has
been: the same at a million messages. Of attempts, a sample is looked at (`latency`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from typing import Protocol as Shape
from uuid import UUID

from django.db import connection

from messaging.overview.latency import RECENT

SHOWN: Final = 20
"""Rows of one kind on the first page: who needs more goes to the list."""
CERTIFICATE_DAYS: Final = 30

# Of one tenant where one is asked about.
_OF_TENANT: Final = "(%(tenant)s::uuid IS NULL OR t.id = %(tenant)s)"

_DOWN = f"""
SELECT l.id, l.tenant_id, t.name, e.name, l.down_at, l.alarmed_at IS NOT NULL
FROM messaging_link l JOIN tenants_tenant t ON t.id = l.tenant_id
JOIN tenants_endpoint e ON e.id = l.endpoint_id
WHERE l.gateway IS NULL AND l.up_at IS NOT NULL
AND t.state = 'ACTIVE' AND e.state = 'ACTIVE' AND {_OF_TENANT}
ORDER BY l.down_at LIMIT %(shown)s
"""  # noqa: S608 (its own words)
_STANDING = """
SELECT * FROM (
    SELECT c.id, c.tenant_id, t.name, 'connection' AS page, 'the operator is out: ' || e.name,
           c.since, c.detail AS said
    FROM messaging_connection c JOIN tenants_tenant t ON t.id = c.tenant_id
    JOIN tenants_endpoint e ON e.id = c.endpoint_id
    WHERE c.state = 'OUT' AND e.state = 'ACTIVE' AND t.state = 'ACTIVE'
    UNION ALL
    SELECT c.id, c.tenant_id, t.name, 'connection',
           'the operator does not say what was missed: ' || e.name, c.unasked_since, c.unasked_why
    FROM messaging_connection c JOIN tenants_tenant t ON t.id = c.tenant_id
    JOIN tenants_endpoint e ON e.id = c.endpoint_id
    WHERE c.unasked_since IS NOT NULL
    UNION ALL
    SELECT n.id, n.tenant_id, t.name, 'outagenotice', 'telephone mode: ' || n.environment,
           n.starts_at, n.posted_by
    FROM messaging_outagenotice n JOIN tenants_tenant t ON t.id = n.tenant_id
    WHERE n.state IN ('ON', 'ENDING')
    UNION ALL
    SELECT h.id, h.tenant_id, t.name, 'standinghold',
           'held: ' || coalesce(e.name, nullif(h.bm_unit, ''), 'everything'), h.placed_at, h.reason
    FROM messaging_standinghold h JOIN tenants_tenant t ON t.id = h.tenant_id
    LEFT JOIN tenants_endpoint e ON e.id = h.endpoint_id
    WHERE h.released_at IS NULL
    UNION ALL
    SELECT m.id, NULL, 'every tenant', 'maintenance', 'maintenance of the host',
           m.began_at, m.reason
    FROM messaging_maintenance m WHERE m.ended_at IS NULL
) AS s WHERE %(tenant)s::uuid IS NULL OR coalesce(tenant_id, %(tenant)s) = %(tenant)s
ORDER BY tenant_id NULLS FIRST, since LIMIT %(shown)s
"""
_UNANSWERED = f"""
SELECT i.message_id, i.tenant_id, t.name, i.kind, i.bm_unit, i.number, e.name, m.received_at,
       i.respond_by
FROM messaging_instruction i JOIN tenants_tenant t ON t.id = i.tenant_id
JOIN tenants_endpoint e ON e.id = i.endpoint_id
JOIN messaging_message m ON m.id = i.message_id
WHERE i.verdict = '' AND i.respond_by > now() - interval '1 hour' AND {_OF_TENANT}
ORDER BY i.respond_by LIMIT %(shown)s
"""  # noqa: S608 (its own words)
_CERTIFICATES = """
SELECT id, tenant_id, owner, name, not_after, is_ours FROM (
    SELECT c.id, c.tenant_id, t.name AS owner, c.environment || ' ' || c.purpose AS name,
           c.not_after, true AS is_ours
    FROM tenants_certificate c JOIN tenants_tenant t ON t.id = c.tenant_id
    WHERE c.state = 'ACTIVE'
    -- and what ended without another in its place
    OR (c.state = 'EXPIRED' AND c.not_after > now() - interval '14 days' AND NOT EXISTS (
        SELECT FROM tenants_certificate o WHERE o.tenant_id = c.tenant_id AND o.state = 'ACTIVE'
        AND o.environment = c.environment AND o.purpose = c.purpose
        AND o.endpoint_id IS NOT DISTINCT FROM c.endpoint_id))
    UNION ALL
    SELECT c.id, NULL, p.name, p.environment || ' ' || c.purpose, c.not_after, false
    FROM tenants_peercertificate c JOIN tenants_peer p ON p.id = c.peer_id
    WHERE c.state = 'ACTIVE'
) AS pinned
WHERE not_after < now() + make_interval(days => %(days)s)
AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s) ORDER BY not_after LIMIT %(shown)s
"""
_OVERDUE = """
SELECT d.id, d.tenant_id, t.name, e.name, d.state, d.attempts, due.due_at, d.deadline
FROM (
    SELECT delivery_id, due_at FROM messaging_due
    WHERE due_at < now() AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
    ORDER BY due_at LIMIT %(shown)s
) due
JOIN messaging_delivery d ON d.id = due.delivery_id
JOIN tenants_tenant t ON t.id = d.tenant_id JOIN tenants_endpoint e ON e.id = d.endpoint_id
ORDER BY due.due_at
"""
_FAILING = (
    # What is concatenated are this package's own words.
    f"WITH recent AS ({RECENT})"  # noqa: S608
    """
SELECT e.id, t.id, t.name, e.name, count(*) FILTER (WHERE r.outcome IN ('FAILED', 'UNKNOWN')),
       count(*), (array_agg(r.detail ORDER BY r.sent_at DESC)
                  FILTER (WHERE r.outcome IN ('FAILED', 'UNKNOWN')))[1],
       max(r.sent_at) FILTER (WHERE r.outcome IN ('FAILED', 'UNKNOWN'))
FROM recent r JOIN messaging_delivery d ON d.id = r.delivery_id
JOIN tenants_endpoint e ON e.id = d.endpoint_id JOIN tenants_tenant t ON t.id = d.tenant_id
GROUP BY e.id, t.id, t.name, e.name
HAVING bool_or(r.outcome IN ('FAILED', 'UNKNOWN'))
ORDER BY 5 DESC, e.name LIMIT %(shown)s
"""
)


@dataclass(frozen=True, slots=True)
class LinkDown:
    id: UUID
    tenant_id: UUID
    tenant: str
    endpoint: str
    since: datetime | None
    alarmed: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What goes nowhere, and why: an operator that is out, a hold, telephone mode or maintenance;
    or goes although nobody knows what was missed. `page` names the list it is on.
    """

    id: UUID
    tenant_id: UUID | None
    tenant: str
    page: str
    what: str
    since: datetime
    said: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """An instruction without a verdict. `respond_by` may have passed, an hour ago at most."""

    message_id: UUID
    tenant_id: UUID
    tenant: str
    kind: str
    bm_unit: str
    number: int
    endpoint: str
    received_at: datetime
    respond_by: datetime


@dataclass(frozen=True, slots=True)
class Ending:
    """A certificate that ends within CERTIFICATE_DAYS, or has. A peer's belongs to no tenant."""

    id: UUID
    tenant_id: UUID | None
    owner: str
    name: str
    not_after: datetime
    is_tenants: bool


@dataclass(frozen=True, slots=True)
class Overdue:
    id: UUID
    tenant_id: UUID
    tenant: str
    endpoint: str
    state: str
    attempts: int
    due_at: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Failing:
    """An endpoint of whose attempts of the last hour `failed` out of `tried` came to nothing."""

    id: UUID
    tenant_id: UUID
    tenant: str
    endpoint: str
    failed: int
    tried: int
    detail: str
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Wrong:
    links: tuple[LinkDown, ...]
    standing: tuple[Standing, ...]
    unanswered: tuple[Unanswered, ...]
    certificates: tuple[Ending, ...]
    overdue: tuple[Overdue, ...]
    failing: tuple[Failing, ...]

    def by_tenant(self) -> Mapping[UUID | None, list[str]]:
        """In few words, for a list of tenants."""
        found: dict[UUID | None, list[str]] = defaultdict(list)
        kinds: dict[str, Sequence[_OfTenant]] = {
            "link down": self.links,
            "standing still": self.standing,
            "instruction unanswered": self.unanswered,
            "certificate ending": self.certificates,
            "delivery overdue": self.overdue,
            "endpoint failing": self.failing,
        }
        for word, rows in kinds.items():
            counts: dict[UUID | None, int] = defaultdict(int)
            for row in rows:
                counts[row.tenant_id] += 1
            for tenant_id, count in counts.items():
                found[tenant_id].append(f"{word} ({count})" if count > 1 else word)
        return found


class _OfTenant(Shape):
    @property
    def tenant_id(self) -> UUID | None: ...


Row = TypeVar("Row")


def find_wrong(most: int = SHOWN, tenant_id: UUID | None = None) -> Wrong:
    """At most so many of each kind, the worst first; of one tenant, what stands still for everybody
    is among it.
    """
    asked = {"shown": most, "tenant": tenant_id, "days": CERTIFICATE_DAYS}
    return Wrong(
        links=_rows(LinkDown, _DOWN, asked),
        standing=_rows(Standing, _STANDING, asked),
        unanswered=_rows(Unanswered, _UNANSWERED, asked),
        certificates=_rows(Ending, _CERTIFICATES, asked),
        overdue=_rows(Overdue, _OVERDUE, asked),
        failing=_rows(Failing, _FAILING, asked),
    )


def _rows(make: Callable[..., Row], statement: str, values: Mapping[str, Any]) -> tuple[Row, ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return tuple(make(*row) for row in cursor.fetchall())
