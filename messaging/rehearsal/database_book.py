"""The host's own book of a rehearsal, from its database; read as the staff role, on a psycopg
connection.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from messaging.domain.instructions import InstructionAnswer
from messaging.domain.redeclarations import (
    LevelRedeclaration,
    RateRedeclaration,
    ScalarRedeclaration,
)
from messaging.protocols.base import Parcel, RemoteProtocolError
from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edl.loading import load_profile
from messaging.rehearsal.books import Book, Matter, Record
from messaging.rehearsal.outside_books import Reference, verdict_of
from messaging.rehearsal.telling import tell, tell_payload
from messaging.states import DeliveryState, Lane

HOST = "the host's book"

_ENDPOINTS = "SELECT id FROM tenants_endpoint WHERE protocol = 'edl' AND name = ANY(%s)"

# R010 and R011 use no number: what they refused came again, or was another's number.
_FROM_CONTROL_POINTS = """
SELECT e.name, m.reference, m.body_digest, b.content, m.refusal_code, d.state, d.outcome_text
FROM messaging_message m
JOIN tenants_endpoint e ON e.id = m.endpoint_id
JOIN audit_body b ON b.tenant_id = m.tenant_id AND b.digest = m.body_digest
     AND b.month = date_trunc('month', m.received_at AT TIME ZONE 'UTC')::date
LEFT JOIN messaging_delivery d ON d.tenant_id = m.tenant_id AND d.message_id = m.id
WHERE m.id > %s AND m.endpoint_id = ANY(%s) AND m.origin = 'CONTROL_POINT'
      AND m.refusal_code NOT IN ('R010', 'R011')
ORDER BY m.id
"""
_INSTRUCTIONS = """
SELECT e.name, i.bm_unit, i.kind, i.number, b.content, ab.content, ad.state
FROM messaging_instruction i
JOIN messaging_message m ON m.id = i.message_id
JOIN tenants_endpoint e ON e.id = i.endpoint_id
JOIN audit_body b ON b.tenant_id = m.tenant_id AND b.digest = m.body_digest
     AND b.month = date_trunc('month', m.received_at AT TIME ZONE 'UTC')::date
LEFT JOIN messaging_message a ON a.id = i.answer_id
LEFT JOIN audit_body ab ON ab.tenant_id = a.tenant_id AND ab.digest = a.body_digest
     AND ab.month = date_trunc('month', a.received_at AT TIME ZONE 'UTC')::date
LEFT JOIN messaging_delivery ad ON ad.tenant_id = a.tenant_id AND ad.message_id = a.id
WHERE m.id > %s AND i.endpoint_id = ANY(%s) ORDER BY m.id
"""
_ON_LINKS = """
SELECT e.name, d.reference, d.payload_digest FROM messaging_delivery d
JOIN tenants_endpoint e ON e.id = d.endpoint_id
WHERE d.id > %s AND d.endpoint_id = ANY(%s) AND d.reference <> '' ORDER BY d.position
"""
_TO_OPERATOR = """
SELECT t.participant_id, d.reference, d.payload_digest FROM messaging_delivery d
JOIN messaging_message m ON m.id = d.message_id
JOIN tenants_tenant t ON t.id = d.tenant_id
WHERE d.id > %s AND m.endpoint_id = ANY(%s) AND d.lane = %s AND d.reference <> ''
ORDER BY d.position
"""
# Receipts remember each messageId that came, repeats of known content under new ids included.
_FROM_OPERATOR = """
SELECT t.participant_id, r.reference, r.digest FROM messaging_receipt r
JOIN tenants_tenant t ON t.id = r.tenant_id
JOIN messaging_instruction i ON i.tenant_id = r.tenant_id AND i.message_id = r.message_id
WHERE r.id > %s AND i.endpoint_id = ANY(%s)
"""
_OPEN = """
SELECT count(*) FROM messaging_delivery d JOIN messaging_message m ON m.id = d.message_id
WHERE d.state = ANY(%(states)s) AND d.id > %(floor)s
      AND (d.endpoint_id = ANY(%(points)s) OR m.endpoint_id = ANY(%(points)s))
"""
_REPEATS = """
SELECT count(*) FROM audit_entry e
JOIN messaging_message m ON m.tenant_id = e.tenant_id AND m.id = e.message_id
WHERE e.event = 'repeated' AND m.id > %s
      AND e.tenant_id IN (SELECT tenant_id FROM tenants_endpoint WHERE id = ANY(%s))
"""

_REDECLARATIONS = LevelRedeclaration | RateRedeclaration | ScalarRedeclaration


@dataclass(frozen=True, slots=True)
class HostNotes:
    """What the host stored of some control points from a moment on. The references name every
    message on each wire.
    """

    book: Book
    from_control_points: tuple[Reference, ...]
    to_control_points: tuple[Reference, ...]
    to_operator: tuple[Reference, ...]
    from_operator: tuple[Reference, ...]
    repeats: int


class HostReader:
    """Reads what concerns the named control points. Every call is a few queries."""

    def __init__(self, connection: psycopg.Connection, control_points: Sequence[str]) -> None:
        self._connection = connection
        rows = connection.execute(_ENDPOINTS, [list(control_points)]).fetchall()
        self._points = [row[0] for row in rows]
        self._codec = EdlCodec(load_profile("host-1"))

    def under_way(self, floor: UUID, *, waiting_for_verdict: bool = True) -> int:
        """Deliveries made since `floor` that have not come to their end."""
        states = [DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.HELD]
        if waiting_for_verdict:
            states.append(DeliveryState.DELIVERED)
        values = {
            "states": [state.value for state in states],
            "floor": floor,
            "points": self._points,
        }
        row = self._connection.execute(_OPEN, values).fetchone()
        return int(row[0]) if row else 0

    def notes(self, floor: UUID) -> HostNotes:
        came = self._all(_FROM_CONTROL_POINTS, floor)
        declared = [one for row in came if (one := self._declared(row)) is not None]
        instructed = [self._instructed(row) for row in self._all(_INSTRUCTIONS, floor)]
        return HostNotes(
            Book(HOST, (*declared, *instructed)),
            tuple(_by_number(row[0], row[1], row[2]) for row in came),
            tuple(_by_number(*row) for row in self._all(_ON_LINKS, floor)),
            tuple(_by_id(*row) for row in self._all(_TO_OPERATOR, floor, Lane.OPERATOR.value)),
            tuple(_by_id(*row) for row in self._all(_FROM_OPERATOR, floor)),
            self.repeats(floor),
        )

    def repeats(self, floor: UUID) -> int:
        """How many messages, stored since `floor`, came again and were known again."""
        return int(self._all(_REPEATS, floor)[0][0])

    def _all(self, query: str, floor: UUID, *more: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query.encode(), [floor, self._points, *more]).fetchall()

    def _declared(self, row: tuple[Any, ...]) -> Record | None:
        name, _, _, content, refusal, state, text = row
        try:
            message = self._codec.decode(Parcel(bytes(content))).messages[0]
        except RemoteProtocolError:
            return None
        if not isinstance(message, _REDECLARATIONS):
            return None
        outcome = f"NACK {refusal}" if refusal else _outcome(state, text)
        label = message.parameter.value
        return Record(Matter.REDECLARATION, name, message.bm_unit, label, tell(message), outcome)

    def _instructed(self, row: tuple[Any, ...]) -> Record:
        name, unit, kind, number, content, answer, state = row
        payload = json.loads(bytes(content))
        outcome = self._verdict(answer, state)
        label = f"{kind} {number}"
        return Record(Matter.INSTRUCTION, name, unit, label, tell_payload(payload), outcome)

    def _verdict(self, answer: bytes | None, state: str | None) -> str:
        """Only one that the operator has taken counts as given."""
        if answer is None:
            return ""
        message = self._codec.decode(Parcel(bytes(answer))).messages[0]
        if not isinstance(message, InstructionAnswer) or state != DeliveryState.ACKNOWLEDGED:
            return f"an answer that is {state}"
        return verdict_of(message)


def _outcome(state: str | None, text: str | None) -> str:
    if state == DeliveryState.ACKNOWLEDGED:
        return "OK"
    return f"REFUSE R030 {text}" if state == DeliveryState.REFUSED else f"{state}"


def _by_number(name: str, number: str, digest: bytes) -> Reference:
    return (name, str(int(number)), bytes(digest).hex())


def _by_id(participant: str, reference: str, digest: bytes) -> Reference:
    return (participant, reference, bytes(digest).hex())
