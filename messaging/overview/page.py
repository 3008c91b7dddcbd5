"""The first page of the vendor's admin: what is wrong now, and the chart of latencies. Somebody who
may see no messages sees no more than the list of pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from messaging.overview.chart import latency_chart, milliseconds
from messaging.overview.latency import find_latencies
from messaging.overview.wrong import CERTIFICATE_DAYS, SHOWN, Ending, Unanswered, Wrong, find_wrong
from tenants.clock import now
from tenants.staff import table, written

PERMISSION = "messaging.view_delivery"
REFRESH_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Panel:
    """One kind of trouble. `rows` are empty where nothing is wrong, which `well` says in words."""

    name: str
    title: str
    well: str
    headings: Sequence[str]
    rows: Sequence[Sequence[object]]
    more: str
    """Where the whole list is."""
    figure: str = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.rows)
        object.__setattr__(self, "figure", f"{count}+" if count >= SHOWN else str(count))

    @property
    def table(self) -> SafeString:
        return table(self.headings, self.rows)


def first_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the theme calls before it shows its first page."""
    if not request.user.has_perm(PERMISSION):
        return context
    at = now()
    lanes = find_latencies()
    return {
        **context,
        "title": "What is wrong now",
        "panels": panels(find_wrong(), at),
        "chart": latency_chart(lanes) if lanes else "",
        "looked_at": written(at),
        "refresh_seconds": REFRESH_SECONDS,
    }


def panels(wrong: Wrong, at: datetime) -> tuple[Panel, ...]:
    """In the order of how little time there is."""
    return (
        Panel(
            "unanswered",
            "Instructions unanswered",
            "Every instruction has been answered.",
            ("time left", "tenant", "instruction", "control point", "received"),
            [_instruction(row, at) for row in wrong.unanswered],
            _list("messaging_message"),
        ),
        Panel(
            "links",
            "Links down",
            "Every control point that has connected is connected.",
            ("control point", "tenant", "down for", "alarmed"),
            [
                (
                    _link("messaging_link", row.id, row.endpoint),
                    row.tenant,
                    _lasted(row.since, at),
                    "yes" if row.alarmed else "no",
                )
                for row in wrong.links
            ],
            _list("messaging_link", "?lamp=down"),
        ),
        Panel(
            "standing",
            "Standing still",
            "No operator is out, and nothing is held.",
            ("what", "tenant", "for", "said"),
            [
                (
                    _row_or_list(row.page, row.id, row.what),
                    *(row.tenant, _lasted(row.since, at), row.said[:160]),
                )
                for row in wrong.standing
            ],
            _list("messaging_connection"),
        ),
        Panel(
            "overdue",
            "Oldest deliveries due",
            "Nothing waits that should have been tried.",
            ("due since", "tenant", "to", "state", "attempts", "deadline in"),
            [
                (
                    _link("messaging_delivery", row.id, _lasted(row.due_at, at)),
                    *(row.tenant, row.endpoint, row.state, row.attempts),
                    _left(row.deadline, at),
                )
                for row in wrong.overdue
            ],
            _list("messaging_delivery", "?open=yes"),
        ),
        Panel(
            "failing",
            "Failing endpoints",
            "No attempt of the last hour failed.",
            ("endpoint", "tenant", "failed", "last", "last said"),
            [
                (
                    _link("tenants_endpoint", row.id, row.endpoint),
                    row.tenant,
                    f"{row.failed} of {row.tried}",
                    _lasted(row.last_at, at) + " ago",
                    row.detail[:160],
                )
                for row in wrong.failing
            ],
            _list("tenants_endpoint"),
        ),
        Panel(
            "certificates",
            "Certificates that end",
            f"None ends within {CERTIFICATE_DAYS} days.",
            ("certificate", "whose", "ends", "in"),
            list(_endings(wrong.certificates, at)),
            _list("tenants_certificate"),
        ),
    )


def _instruction(row: Unanswered, at: datetime) -> Sequence[object]:
    name = f"{row.kind} {row.number} {row.bm_unit}".strip()
    shown = _link("messaging_message", row.message_id, name)
    return (_countdown(row, at), row.tenant, shown, row.endpoint, written(row.received_at))


def _countdown(row: Unanswered, at: datetime) -> SafeString:
    """Seconds left, with a bar of how much of the time is still there."""
    left = (row.respond_by - at).total_seconds()
    if left <= 0:
        return format_html('<b class="late">late by {}</b>', _lasted(row.respond_by, at))
    share = left / max((row.respond_by - row.received_at).total_seconds(), 1.0)
    return format_html(
        '<svg class="countdown" viewBox="0 0 60 8"><rect class="whole" width="60" height="8"/>'
        '<rect class="left" width="{}" height="8"/></svg> <b>{} s</b>',
        *(f"{60 * min(share, 1.0):.1f}", int(left)),
    )


def _endings(rows: Iterable[Ending], at: datetime) -> Iterable[Sequence[object]]:
    for row in rows:
        page = "tenants_certificate" if row.is_tenants else "tenants_peercertificate"
        ends = f"{row.not_after:%Y-%m-%d %H:%M}"
        yield (_link(page, row.id, row.name), row.owner, ends, _left(row.not_after, at))


def _lasted(since: datetime | None, at: datetime) -> str:
    return "-" if since is None else _duration(at - since)


def _left(until: datetime, at: datetime) -> SafeString | str:
    if until > at:
        return _duration(until - at)
    return format_html('<b class="late">over for {}</b>', _duration(at - until))


def _duration(lasted: timedelta) -> str:
    if lasted >= timedelta(days=2):
        return f"{lasted.days} days"
    return milliseconds(max(lasted / timedelta(milliseconds=1), 0.0))


def _link(page: str, row_id: UUID, text: str) -> SafeString:
    address = reverse(f"admin:{page}_change", args=(row_id,))
    return format_html('<a class="text-primary-600" href="{}">{}</a>', address, text)


def _row_or_list(page: str, row_id: UUID, text: str) -> SafeString:
    """Of holds and maintenance there is a list only."""
    if page in {"connection", "outagenotice"}:
        return _link(f"messaging_{page}", row_id, text)
    address = _list(f"messaging_{page}")
    return format_html('<a class="text-primary-600" href="{}">{}</a>', address, text)


def _list(page: str, query: str = "") -> str:
    return reverse(f"admin:{page}_changelist") + query
