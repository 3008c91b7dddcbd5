"""What the database says of messages on their way: each with its state and the time of every hop.
Reads only, as the staff role.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from uuid import UUID

import psycopg

from messaging.domain.instructions import InstructionKind

# By primary keys and the indexes of messages, deliveries, attempts and entries: a few rows each,
# and
# from the month of the oldest only.
_PASSAGES = """
SELECT m.id, m.received_at, t.name, m.kind, m.bm_unit, m.origin, m.refusal_code,
       stored.at, d.state, tried.first, tried.answered, told.at, i.verdict, verdict.at,
       verdict.settled
FROM messaging_message m
JOIN tenants_tenant t ON t.id = m.tenant_id
LEFT JOIN LATERAL (
    SELECT min(recorded_at) AS at FROM audit_entry e
    WHERE e.tenant_id = m.tenant_id AND e.message_id = m.id AND e.month >= %(month)s
) stored ON true
LEFT JOIN LATERAL (
    SELECT id, state FROM messaging_delivery
    WHERE tenant_id = m.tenant_id AND message_id = m.id ORDER BY position LIMIT 1
) d ON true
LEFT JOIN LATERAL (
    SELECT min(sent_at) AS first, max(answered_at) AS answered FROM messaging_attempt
    WHERE tenant_id = m.tenant_id AND delivery_id = d.id AND month >= %(month)s
) tried ON true
LEFT JOIN LATERAL (
    SELECT max(rd.sent_at) AS at FROM messaging_message r
    JOIN messaging_delivery rd ON rd.tenant_id = r.tenant_id AND rd.message_id = r.id
    WHERE r.answers_id = m.id AND r.tenant_id = m.tenant_id AND r.kind = 'RESULT'
) told ON true
LEFT JOIN messaging_instruction i ON i.tenant_id = m.tenant_id AND i.message_id = m.id
LEFT JOIN LATERAL (
    SELECT v.received_at AS at, max(va.answered_at) AS settled FROM messaging_message v
    LEFT JOIN messaging_delivery vd ON vd.tenant_id = v.tenant_id AND vd.message_id = v.id
    LEFT JOIN messaging_attempt va ON va.tenant_id = v.tenant_id AND va.delivery_id = vd.id
         AND va.month >= %(month)s
    WHERE v.id = i.answer_id AND v.tenant_id = m.tenant_id GROUP BY v.received_at
) verdict ON true
WHERE m.origin <> 'HOST' AND m.id > %(after)s
ORDER BY m.id DESC LIMIT %(limit)s
"""


class Way(Enum):
    UP = "up"
    """From a control point towards the system operator."""
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Hops:
    """Milliseconds of each hop, None where it has not happened or does not happen.

    `stored`: received until durably stored, which the acknowledgement follows. `sent`: until the
    first byte left for the other
    side. `answered`: until the operator's answer, or the control point's verdict, was here. `told`:
    until that was on the
    control point's link as a RESULT, or with the operator.
    """

    stored: float | None
    sent: float | None
    answered: float | None
    told: float | None

    def each(self) -> tuple[float | None, ...]:
        return (self.stored, self.sent, self.answered, self.told)


@dataclass(frozen=True, slots=True)
class Passage:
    """One message that came to the host, and how far it got. `state` is a word for people; `ended`:
    nothing more will come.
    """

    id: UUID
    at: datetime
    tenant: str
    way: Way
    kind: str
    bm_unit: str
    state: str
    hops: Hops
    ended: bool


def passages_since(
    connection: psycopg.Connection, since: datetime, limit: int
) -> tuple[Passage, ...]:
    """The last `limit` of them, oldest first."""
    values = {"after": floor_at(since), "month": since.date().replace(day=1), "limit": limit}
    rows = connection.execute(_PASSAGES, values).fetchall()
    return tuple(_passage(*row) for row in reversed(rows))


def floor_at(moment: datetime) -> UUID:
    """Below every id that is given from that moment on, as ids begin with their time in ms."""
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return UUID(int=milliseconds << 80)


def _passage(
    id: UUID,
    at: datetime,
    tenant: str,
    kind: str,
    bm_unit: str,
    origin: str,
    refusal: str,
    stored: datetime | None,
    state: str | None,
    sent: datetime | None,
    answered: datetime | None,
    told: datetime | None,
    verdict: str | None,
    verdict_at: datetime | None,
    verdict_settled: datetime | None,
) -> Passage:
    way = Way.UP if origin == "CONTROL_POINT" else Way.DOWN
    if kind in _INSTRUCTIONS:
        answered, told = verdict_at, verdict_settled
    if answered is not None and told is not None and told < answered - _CLOCKS_APART:
        told = None  # it was told HELD, and the last word is still to come
    hops = Hops(_ms(at, stored), _ms(stored, sent), _ms(sent, answered), _ms(answered, told))
    word = _word(refusal, state, verdict)
    is_told = hops.sent is None or hops.told is not None or word in _NOT_TOLD
    ended = word not in _UNDER_WAY and is_told
    return Passage(id, at, tenant, way, kind, bm_unit, word, hops, ended)


# The host stamps what it sends on a link before it waits for its turn there.
_CLOCKS_APART = timedelta(seconds=0.9)
_INSTRUCTIONS: Collection[str] = frozenset(InstructionKind)
_UNDER_WAY = frozenset({"pending", "claimed", "held", "delivered"})
_NOT_TOLD = frozenset({"expired", "abandoned"})


def _word(refusal: str, state: str | None, verdict: str | None) -> str:
    if refusal:
        return f"refused {refusal}"
    if verdict:
        return verdict.lower()
    return state.lower() if state else "taken"


def _ms(begin: datetime | None, end: datetime | None) -> float | None:
    if begin is None or end is None:
        return None
    return max((end - begin) / timedelta(milliseconds=1), 0.0)
