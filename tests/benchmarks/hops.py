"""Where the relay's time goes, read from its own audit log: how long after the message came each of
its steps was reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from tests.benchmarks.report import quantile

# An entry has the time its step began (`at` in its record) and the time it was appended, which is
# the last thing before the commit.
_ENTRIES = """
SELECT coalesce(delivery_id, message_id), event, recorded_at,
       (convert_from(record, 'UTF8')::json ->> 'at')::timestamptz
FROM audit_entry WHERE event IN ('received', 'stored', 'sending', 'answered', 'acknowledged')
"""
_REDECLARATIONS = """
SELECT m.id, d.id, w.id FROM messaging_message m
JOIN messaging_delivery d ON d.message_id = m.id AND d.lane = 'operator'
JOIN messaging_message r ON r.answers_id = m.id AND r.kind = 'RESULT'
JOIN messaging_delivery w ON w.message_id = r.id AND w.state = 'ACKNOWLEDGED'
WHERE m.tenant_id = ANY(%s)
"""
_INSTRUCTIONS = """
SELECT m.id, w.id FROM messaging_message m
JOIN messaging_delivery w ON w.message_id = m.id AND w.lane = 'link' AND w.state = 'DELIVERED'
WHERE m.kind = 'BOA' AND m.tenant_id = ANY(%s)
"""
Moments = dict[tuple[UUID, str], tuple[datetime, datetime]]
"""When a step of a message or delivery ended and began."""


_UP = (
    *("taken", "claim begun", "claimed", "posted and answered", "settled"),
    *("RESULT begun", "RESULT numbered", "RESULT acknowledged"),
)
_DOWN = ("taken", "BOAI begun", "BOAI numbered", "BOAI acknowledged")


@dataclass(frozen=True, slots=True)
class Step:
    """Milliseconds since the message came, and since the step before, in the middle of them all."""

    name: str
    since_received: float
    since_before: float


def measured(url: str, tenants: Sequence[UUID]) -> dict[str, list[Step]]:
    """Each flow's steps of these tenants; `url` is the database's, under the staff role."""
    whose = [list(tenants)]
    with psycopg.connect(url) as session:
        moments = {
            (subject, event): (ended, began)
            for subject, event, ended, began in session.execute(_ENTRIES).fetchall()
        }
        up = [_up(moments, *ids) for ids in session.execute(_REDECLARATIONS, whose).fetchall()]
        down = [_down(moments, *ids) for ids in session.execute(_INSTRUCTIONS, whose).fetchall()]
    return {"redeclaration": _steps(up, _UP), "instruction, bursts too": _steps(down, _DOWN)}


def table(flows: dict[str, list[Step]]) -> str:
    lines = []
    for flow, steps in flows.items():
        parts = "  ".join(f"{s.name} {s.since_received:.1f} (+{s.since_before:.1f})" for s in steps)
        lines.append(f"{flow}, p50 ms since it came: {parts}")
    return "\n".join(lines)


def _up(moments: Moments, message: UUID, delivery: UUID, result: UUID) -> list[datetime]:
    sending, told = moments[delivery, "sending"], moments[result, "sending"]
    return [
        moments[message, "received"][1],
        moments[message, "stored"][0],
        sending[1],
        sending[0],
        moments[delivery, "answered"][1],
        moments[delivery, "acknowledged"][0],
        told[1],
        told[0],
        moments[result, "answered"][1],
    ]


def _down(moments: Moments, message: UUID, delivery: UUID) -> list[datetime]:
    told = moments[delivery, "sending"]
    return [
        moments[message, "received"][1],
        moments[message, "stored"][0],
        told[1],
        told[0],
        moments[delivery, "answered"][1],
    ]


def _steps(rows: list[list[datetime]], names: tuple[str, ...]) -> list[Step]:
    def middle(left: int, right: int) -> float:
        spans = [(row[right] - row[left]).total_seconds() for row in rows]
        return quantile(spans, 0.5) * 1e3 if spans else 0.0

    return [
        Step(name, middle(0, place), middle(place - 1, place))
        for place, name in enumerate(names, 1)
    ]
