"""What keeps deliveries to the system operator back though it is their turn: the host's
maintenance, a suspended tenant, people's holds, telephone mode, and an operator that is out.

That nothing does is read together with the delivery in the claim, so an open way costs no
statement, and what is claimed after a gate was shut does not pass it. A gate that is shut is read
anew, under a lock that whoever opens gates takes alone. So nothing is put off by a gate that has
just been opened.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connection

from messaging.relay.load import LoadedDelivery
from messaging.relay.parts import answers_instruction, carries_submissions, queues_of_unit
from messaging.relay.units import is_about
from messaging.states import Lane
from tenants.scope import require_tenant

HELD: Final = "HELD"
OUT: Final = "the system operator is out"
BY_HOST: Final = "held by the host"

_READ = """
SELECT 'maintenance', NULL::uuid, '', '', '[]' FROM messaging_maintenance WHERE ended_at IS NULL
UNION ALL
SELECT 'suspended', NULL, '', '', '[]' FROM tenants_tenant
WHERE id = %(tenant)s AND state = 'SUSPENDED'
UNION ALL
SELECT 'hold', endpoint_id, bm_unit, '', '[]' FROM messaging_standinghold
WHERE tenant_id = %(tenant)s AND released_at IS NULL
UNION ALL
SELECT 'telephone', NULL, '', environment, services::text FROM messaging_outagenotice
WHERE tenant_id = %(tenant)s AND state IN ('ON', 'ENDING')
UNION ALL
SELECT 'out', endpoint_id, '', '', '[]' FROM messaging_connection
WHERE tenant_id = %(tenant)s AND is_holding
UNION ALL
SELECT 'endpoint', id, '', '', '[]' FROM tenants_endpoint
WHERE tenant_id = %(tenant)s AND state = 'HELD'
"""
_LOCK = "SELECT pg_advisory_xact_lock{}(hashtextextended(%s, 0))"

# The first of each queue, in case it waits for a gate alone: what the operator itself asked us to
# wait for stays as it is. Claims keep the order, and each that settles wakes the next.
_HEADS = """
SELECT h.id, h.endpoint_id, m.endpoint_id, e.environment, h.lane, h.queue, m.kind, m.id, m.bm_unit
FROM (
    SELECT DISTINCT ON (endpoint_id, queue)
        id, endpoint_id, lane, queue, message_id, state, wait_until
    FROM messaging_delivery
    WHERE tenant_id = %(tenant)s AND lane IN ('operator', 'files')
        AND state IN ('PENDING', 'CLAIMED', 'HELD')
    ORDER BY endpoint_id, queue, position
) h
JOIN messaging_message m ON m.id = h.message_id
JOIN tenants_endpoint e ON e.id = h.endpoint_id
WHERE h.state = 'HELD' AND h.wait_until IS NULL
"""
_LET_GO = """
UPDATE messaging_due SET due_at = now()
WHERE tenant_id = %s AND delivery_id = ANY(%s) AND owner IS NULL AND due_at > now()
"""

_TEXTS: Final = {
    "maintenance": "the host is under maintenance",
    "suspended": "the participant is suspended",
    "hold": BY_HOST,
    "endpoint": BY_HOST,
    "telephone": "telephone mode: the system operator announced an outage",
    "out": OUT,
}
_SERVICES: Final = {"SUBMISSION": "Submission"}
_OPEN_TO_ANSWERS = frozenset({"telephone", "out"})
"""An answer has two minutes: it is tried, for an operator that instructs is not wholly out."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """As much of a delivery as gates look at. `source` is the endpoint that its message came to."""

    endpoint_id: UUID
    source: UUID
    environment: str
    lane: str
    queue: str
    kind: str
    message_id: UUID
    bm_unit: str

    @classmethod
    def of(cls, row: LoadedDelivery) -> Waiting:
        message, endpoint = row.message, row.endpoint
        place = (endpoint.id, message.endpoint.id, endpoint.environment)
        return cls(*place, row.lane, row.queue, message.kind, message.id, message.bm_unit)

    def names(self, bm_unit: str) -> bool:
        """Whether it says anything of the BM unit. Of a submission that is asked of the database,
        and only while a unit is held.
        """
        if not carries_submissions(self.queue):
            return self.queue in queues_of_unit(bm_unit)
        return bm_unit == self.bm_unit or (not self.bm_unit and is_about(self.message_id, bm_unit))

    @property
    def service(self) -> str:
        """What carries it, as outage notices name it."""
        if answers_instruction(self.queue):
            return "Instruction"
        return _SERVICES.get(self.kind, "Redeclaration")


@dataclass(frozen=True, slots=True)
class Gate:
    """One reason, and what it keeps back: where a field is empty, that makes no difference."""

    kind: str
    endpoint_id: UUID | None
    bm_unit: str
    environment: str
    services: frozenset[str]

    @property
    def text(self) -> str:
        """As control points are told."""
        return _TEXTS[self.kind]

    def shuts_out(self, one: Waiting) -> bool:
        if self.kind in _OPEN_TO_ANSWERS and answers_instruction(one.queue):
            return False
        if one.lane == Lane.FILES:
            # A reply is between the host and the trading point: the operator's state is no matter.
            return self.endpoint_id == one.endpoint_id
        return (
            self.endpoint_id in (None, one.endpoint_id, one.source)
            and (not self.bm_unit or one.names(self.bm_unit))
            and self.environment in ("", one.environment)
            and (self.kind != "telephone" or one.service in self.services)
        )


def gate_before(row: LoadedDelivery) -> Gate | None:
    """What keeps the delivery back now, if anything does. To be asked before its due row is
    locked. A held endpoint is told by its row.
    """
    one = Waiting.of(row)
    if HELD not in (row.endpoint.state, row.message.endpoint.state) and (
        not row.may_be_shut or _first_before(one, read()) is None
    ):
        return None
    _lock("_shared")
    return _first_before(one, read())


def read() -> tuple[Gate, ...]:
    """All that is shut for the tenant in scope, as the database has it."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, {"tenant": require_tenant()})
        return tuple(
            Gate(kind, endpoint_id, unit, environment, frozenset(json.loads(services)))
            for kind, endpoint_id, unit, environment, services in cursor.fetchall()
        )


def is_shut_out(one: Waiting, shut: Iterable[Gate]) -> bool:
    """Whether any of what was `read` keeps it back."""
    return _first_before(one, shut) is not None


def lock() -> None:
    """From now until the transaction ends no delivery is put off by a gate. To be asked before any
    gate is written: writing one makes connections due, and whoever has their rows must not wait for
    this.
    """
    _lock("")


def let_go() -> int:
    """Makes due what waits for a gate that is not shut any more, the first of each queue. Returns
    how many.
    """
    tenant_id = require_tenant()
    lock()
    gates = read()
    with connection.cursor() as cursor:
        cursor.execute(_HEADS, {"tenant": tenant_id})
        heads = cursor.fetchall()
    free = [row[0] for row in heads if _first_before(Waiting(*row[1:]), gates) is None]
    if not free:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_LET_GO, [tenant_id, free])
        return int(cursor.rowcount)


def _first_before(one: Waiting, gates: Iterable[Gate]) -> Gate | None:
    return next((gate for gate in gates if gate.shuts_out(one)), None)


def _lock(kind: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK.format(kind), [f"gates {require_tenant()}"])
