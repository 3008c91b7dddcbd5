"""Reads a delivery with its message, bytes and endpoints in one statement, for those that carry or
settle it.

The models say what the rows are; this is the same data without the cost of building models, which
on the hot path is most of the time a delivery takes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from messaging.states import OPEN
from tenants.audit.bodies import BodyGone

_SELECT = """
SELECT d.id, d.lane, d.queue, d.position, d.state, d.created_at, d.deadline, d.attempts,
       d.reference, d.payload_digest, d.payload_at, d.payload_profile, d.sealed_digest,
       d.sealed_at, d.sent_at, d.held_at, d.wait_until, d.stuck_at,
       m.id, m.origin, m.kind, m.bm_unit, m.reference, m.answers_id, m.profile, m.received_at,
       (SELECT b.content FROM audit_body b
        WHERE b.tenant_id = m.tenant_id AND b.digest = m.body_digest
          AND b.month = date_trunc('month', m.received_at AT TIME ZONE 'UTC')::date),
       o.id, o.name, o.protocol, o.environment, o.address, o.settings::text, o.peer_id, o.state,
       e.id, e.name, e.protocol, e.environment, e.address, e.settings::text, e.peer_id, e.state,
       b.state, b.failures
FROM messaging_delivery d
JOIN messaging_message m ON m.id = d.message_id
JOIN tenants_endpoint o ON o.id = m.endpoint_id
JOIN tenants_endpoint e ON e.id = d.endpoint_id
LEFT JOIN messaging_breaker b ON b.tenant_id = d.tenant_id AND b.endpoint_id = d.endpoint_id
"""
# Asked on the way by whoever claims, so that no gate which is shut by now is overlooked. A held
# endpoint is told by its own row.
_WITH_GATES = _SELECT.replace(
    "\nFROM messaging_delivery d",
    """,
       EXISTS (SELECT FROM messaging_maintenance WHERE ended_at IS NULL)
       OR EXISTS (SELECT FROM tenants_tenant t WHERE t.id = d.tenant_id AND t.state = 'SUSPENDED')
       OR EXISTS (SELECT FROM messaging_standinghold h
                  WHERE h.tenant_id = d.tenant_id AND h.released_at IS NULL)
       OR EXISTS (SELECT FROM messaging_outagenotice n
                  WHERE n.tenant_id = d.tenant_id AND n.state IN ('ON', 'ENDING'))
       OR EXISTS (SELECT FROM messaging_connection c
                  WHERE c.tenant_id = d.tenant_id AND c.is_holding)
FROM messaging_delivery d""",
    1,
)
# The lock is moves.lock_queue's, taken on the way.
_PLACE = """
SELECT lane, state, endpoint_id, queue, position, CASE WHEN lane <> 'link' THEN
    pg_advisory_xact_lock(hashtextextended(endpoint_id || ' ' || queue, 0)) END
FROM messaging_delivery WHERE id = %s
"""
_STATE = "SELECT state FROM messaging_delivery WHERE id = %s FOR UPDATE"
_BY_ID = _SELECT + "WHERE d.id = %s"
_PENDING = (
    _SELECT
    + "WHERE d.endpoint_id = %s AND d.lane = 'link' AND d.state = 'PENDING'"
    + " ORDER BY d.position LIMIT %s FOR UPDATE OF d"
)
_LAST_UNDER = (
    _SELECT
    + "WHERE d.endpoint_id = %s AND d.reference = %s AND d.lane = 'link'"
    + " ORDER BY d.sent_at DESC NULLS LAST LIMIT 1 FOR UPDATE OF d"
)
_DELIVERY_COLUMNS, _MESSAGE_COLUMNS, _ENDPOINT_COLUMNS = 18, 9, 8
_SETTINGS_AT = 5


@dataclass(frozen=True, slots=True)
class LoadedEndpoint:
    id: UUID
    name: str
    protocol: str
    environment: str
    address: str
    settings: dict[str, Any]
    peer_id: UUID | None
    state: str


@dataclass(frozen=True, slots=True)
class LoadedMessage:
    """`endpoint` is where it came from; `profile` is what its bytes are in."""

    id: UUID
    origin: str
    kind: str
    bm_unit: str
    reference: str
    answers_id: UUID | None
    profile: str
    received_at: datetime
    kept: bytes | None
    endpoint: LoadedEndpoint

    @property
    def content(self) -> bytes:
        """The bytes it came as. Raises BodyGone."""
        if self.kept is None:
            raise BodyGone(str(self.id))
        return self.kept


@dataclass(frozen=True, slots=True)
class LoadedDelivery:
    """`endpoint` is where it is to go; two are of its breaker, as far as it has one. Where nothing
    `may_be_shut`, no gate of the tenant's was as it was read; elsewhere that was not asked.
    """

    id: UUID
    lane: str
    queue: str
    position: int
    state: str
    created_at: datetime
    deadline: datetime
    attempts: int
    reference: str
    payload_digest: bytes | None
    payload_at: datetime | None
    payload_profile: str
    sealed_digest: bytes | None
    sealed_at: datetime | None
    sent_at: datetime | None
    held_at: datetime | None
    wait_until: datetime | None
    stuck_at: datetime | None
    message: LoadedMessage
    endpoint: LoadedEndpoint
    breaker_state: str | None
    breaker_failures: int
    may_be_shut: bool = True

    @property
    def message_id(self) -> UUID:
        return self.message.id

    @property
    def endpoint_id(self) -> UUID:
        return self.endpoint.id


@dataclass(frozen=True, slots=True)
class Place:
    """As much of a delivery as says whose hands it waits for."""

    lane: str
    state: str
    endpoint_id: UUID
    queue: str
    position: int


def find_place(delivery_id: UUID) -> Place | None:
    """Where a delivery stands. The queue of one that a worker carries is locked until the
    transaction ends: what is read of it next is up to date.
    """
    with connection.cursor() as cursor:
        cursor.execute(_PLACE, [delivery_id])
        row = cursor.fetchone()
    return Place(*row[:5]) if row else None


def is_settled(delivery_id: UUID) -> bool:
    """Whether it has come to its end, or is not there. If so it stays so until the transaction
    ends: nobody replays it meanwhile.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STATE, [delivery_id])
        row = cursor.fetchone()
    return row is None or row[0] not in OPEN


def load(delivery_id: UUID) -> LoadedDelivery | None:
    """The delivery as it is now, for whoever would claim it."""
    return _first(_WITH_GATES + "WHERE d.id = %s", [delivery_id])


def load_locked(delivery_id: UUID) -> LoadedDelivery | None:
    """The delivery, locked against whoever else would settle it."""
    return _first(_BY_ID + " FOR UPDATE OF d", [delivery_id])


def load_pending(endpoint_id: UUID, limit: int) -> list[LoadedDelivery]:
    """What waits for a control point's link, in order, locked."""
    return _all(_PENDING, [endpoint_id, limit])


def load_last_under(endpoint_id: UUID, reference: str) -> LoadedDelivery | None:
    """What was last sent on a link under a number, locked."""
    return _first(_LAST_UNDER, [endpoint_id, reference])


def _first(statement: str, values: list[Any]) -> LoadedDelivery | None:
    found = _all(statement, values)
    return found[0] if found else None


def _all(statement: str, values: list[Any]) -> list[LoadedDelivery]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [_loaded(row) for row in cursor.fetchall()]


def _loaded(row: tuple[Any, ...]) -> LoadedDelivery:
    message_at = _DELIVERY_COLUMNS
    origin_at = message_at + _MESSAGE_COLUMNS
    endpoint_at = origin_at + _ENDPOINT_COLUMNS
    delivery = [_plain(value) for value in row[:message_at]]
    message = [_plain(value) for value in row[message_at:origin_at]]
    message.append(_endpoint(row[origin_at:endpoint_at]))
    breaker_at = endpoint_at + _ENDPOINT_COLUMNS
    delivery += [LoadedMessage(*message), _endpoint(row[endpoint_at:breaker_at])]
    delivery += [row[breaker_at], row[breaker_at + 1] or 0]
    return LoadedDelivery(*delivery, *row[breaker_at + 2 :])


def _endpoint(columns: tuple[Any, ...]) -> LoadedEndpoint:
    values = list(columns)
    values[_SETTINGS_AT] = json.loads(values[_SETTINGS_AT])
    return LoadedEndpoint(*values)


def _plain(value: Any) -> Any:
    """Drivers give binary columns as views of their buffers."""
    return bytes(value) if isinstance(value, memoryview) else value
