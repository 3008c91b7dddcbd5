"""What each process counts and times of the relay's work, for Prometheus: no tenant, no name and no
id is ever a label. Who serves these figures is the wiring's matter (hostsvc.metrics).

What is written in a transaction is counted after its commit, so that a retry counts once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction
from prometheus_client import Counter, Histogram

_SECONDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0, 3600.0),
)
"""From what a hop takes to the hours that an outage holds a message."""

HOPS = Histogram(
    "hostsvc_hop_seconds",
    "Time of one hop of an attempt, by lane: wait (received to sent), peer (sent to answered),"
    " settle (answered to settled).",
    ("lane", "hop"),
    buckets=_SECONDS,
)
ATTEMPTS = Counter("hostsvc_attempts_total", "Attempts, by lane and outcome.", ("lane", "outcome"))
SETTLED = Counter(
    "hostsvc_deliveries_settled_total",
    "Deliveries that came to an end, by lane and state.",
    ("lane", "state"),
)
DEADLINES = Counter(
    "hostsvc_deadlines_total",
    "Deliveries that came to an end in time (met) or did not (missed), by lane.",
    ("lane", "result"),
)
ACKNOWLEDGEMENTS = Histogram(
    "hostsvc_control_point_answer_seconds",
    "From the last byte of a control point's message to the host's ACK or NACK.",
    ("answer",),
    buckets=_SECONDS,
)
OPERATOR_ANSWERS = Histogram(
    "hostsvc_inbound_answer_seconds",
    "From the system operator's whole request to the host's answer, by HTTP status.",
    ("status",),
    buckets=_SECONDS,
)
REFUSED_AT_THE_EDGE = Counter(
    "hostsvc_refused_at_the_edge_total",
    "Peers and requests that a listener turned away before any message was read.",
)
REFUSED_FOR_BACKLOG = Counter(
    "hostsvc_refused_for_backlog_total",
    "What was not taken because too much waits already, by where it came to.",
    ("at",),
)
LINKS = Counter(
    "hostsvc_link_events_total",
    "Links of control points that got ready (up) or ended (down).",
    ("event",),
)


def attempted(
    lane: str,
    outcome: str,
    *,
    received_at: datetime,
    sent_at: datetime,
    answered_at: datetime | None,
    settled_at: datetime,
) -> None:
    """One attempt, once the open transaction is committed."""

    def count() -> None:
        ATTEMPTS.labels(lane, outcome).inc()
        _hop(lane, "wait", received_at, sent_at)
        if answered_at is not None:
            _hop(lane, "peer", sent_at, answered_at)
            _hop(lane, "settle", answered_at, settled_at)

    transaction.on_commit(count)


def settled(lane: str, state: str, *, at: datetime, deadline: datetime) -> None:
    """The end of a delivery, once the open transaction is committed."""

    def count() -> None:
        SETTLED.labels(lane, state).inc()
        DEADLINES.labels(lane, "met" if at <= deadline else "missed").inc()

    transaction.on_commit(count)


def _hop(lane: str, hop: str, start: datetime, end: datetime) -> None:
    # Two hosts' clocks may differ by a little; no hop takes less than nothing.
    HOPS.labels(lane, hop).observe(max((end - start).total_seconds(), 0.0))
