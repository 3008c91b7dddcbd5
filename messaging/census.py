"""What stands in the database, counted for Prometheus by a process that may look across tenants:
what waits and for how long, links, instructions without an answer, certificates that end soon.

Each figure is one statement over an index that holds what is open and not what has been, so that it
costs the same at a million messages. What was counted serves for some seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db import Error as DatabaseError
from django.db import connection
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

SERVES_FOR: Final = 5.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One gauge: the statement's last column is the value, those before it its labels."""

    name: str
    text: str
    labels: tuple[str, ...]
    statement: str


FIGURES: Final = (
    Figure(
        "hostsvc_due",
        "Deliveries that wait for a hand, by lane.",
        ("lane",),
        "SELECT lane, count(*) FROM messaging_due GROUP BY lane",
    ),
    Figure(
        "hostsvc_due_oldest_seconds",
        "How long the delivery that has been due longest has been so, by lane.",
        ("lane",),
        "SELECT lane, greatest(extract(epoch FROM now() - min(due_at)), 0)"
        " FROM messaging_due GROUP BY lane",
    ),
    Figure(
        "hostsvc_queue_age_seconds",
        "How long what else has been due longest has been so: registrations, webhooks, the events"
        " they tell of, looks at tenants' own file servers.",
        ("queue",),
        " UNION ALL ".join(
            f"SELECT '{queue}', coalesce("  # noqa: S608 (its own words)
            f"greatest(extract(epoch FROM now() - min(due_at)), 0), 0) FROM {table}"
            for queue, table in (
                ("registrations", "messaging_smpdue"),
                ("webhooks", "messaging_webhookdue"),
                ("events", "messaging_eventwatch"),
                ("fetches", "messaging_fetchdue"),
            )
        ),
    ),
    Figure(
        "hostsvc_undelivered",
        "Deliveries that have not reached their endpoint, by state.",
        ("state",),
        "SELECT state, count(*) FROM messaging_delivery"
        " WHERE state IN ('PENDING', 'CLAIMED', 'HELD') GROUP BY state",
    ),
    Figure(
        "hostsvc_breakers",
        "Circuit breakers of endpoints that something has failed with, by state.",
        ("state",),
        "SELECT state, count(*) FROM messaging_breaker GROUP BY state",
    ),
    Figure(
        "hostsvc_links",
        "Control points that have ever had a link, by whether it is up.",
        ("state",),
        "SELECT CASE WHEN gateway IS NULL THEN 'down' ELSE 'up' END, count(*)"
        " FROM messaging_link GROUP BY 1",
    ),
    Figure(
        "hostsvc_instructions_unanswered",
        "Instructions without a verdict whose time to respond is not over.",
        (),
        "SELECT count(*) FROM messaging_instruction WHERE verdict = '' AND respond_by > now()",
    ),
    Figure(
        "hostsvc_certificates_ending",
        "Certificates in force that end within so many days.",
        ("days",),
        "SELECT days::text, (SELECT count(*) FROM tenants_certificate WHERE state = 'ACTIVE'"
        " AND not_after < now() + make_interval(days => days))"
        " FROM unnest(ARRAY[1, 7, 30]) AS days",
    ),
)


class Census(Collector):
    """Looks when asked, at most once in SERVES_FOR. Where the database is out of reach it says so
    by `hostsvc_census_up` 0, and gives no figure that it does not know.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken_at = float("-inf")
        self._families: list[GaugeMetricFamily] = []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        with self._lock:
            if time.monotonic() - self._taken_at > SERVES_FOR:
                self._families = _taken()
                self._taken_at = time.monotonic()
            families = self._families
        yield from families

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: to register it is not to ask the database."""
        return []


def _taken() -> list[GaugeMetricFamily]:
    up = GaugeMetricFamily("hostsvc_census_up", "Whether the database could be counted.")
    try:
        families = [_counted(figure) for figure in FIGURES]
    except DatabaseError:
        up.add_metric([], 0)
        return [up]
    finally:
        # The thread that asks is the listener's, which makes one for each question.
        connection.close()
    up.add_metric([], 1)
    return [up, *families]


def _counted(figure: Figure) -> GaugeMetricFamily:
    family = GaugeMetricFamily(figure.name, figure.text, labels=figure.labels)
    for *labels, value in _rows(figure.statement):
        family.add_metric(labels, float(value))
    return family


def _rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())
