"""Telephone mode: from the start of an announced outage to its end, redeclarations and submissions
wait, and the control points are told to use the telephone. At its end what was missed is asked for
first; then what waits goes, in order.

A notice of the vendor's holds for every tenant of its environment, each of which gets a copy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from messaging.domain import notices
from messaging.domain.acknowledgements import FreeText
from messaging.models import OutageNotice, SystemNotice
from messaging.relay import connections, route
from messaging.relay.codecs import legacy_codec
from messaging.relay.crash_points import Step
from messaging.relay.register import LEGACY_PROTOCOL, OPERATOR_PROTOCOL, as_control_point
from messaging.relay.rows import NewDelivery
from messaging.states import NoticeState
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.models import Endpoint
from tenants.scope import in_tenant, reconnecting, require_tenant

IN_FORCE = (NoticeState.PLANNED, NoticeState.ON, NoticeState.ENDING)
_ENDED = (NoticeState.ENDING, NoticeState.UNASKED)
_DONE = (*_ENDED, NoticeState.OVER, NoticeState.CANCELLED)
_WHAT = ("environment", "text", "services", "starts_at", "ends_at", "until_further_notice")
_SPREAD = """
UPDATE messaging_systemnotice SET spread_at = clock_timestamp()
WHERE id = %s AND spread_at IS NULL AND (services, starts_at, ends_at, is_cancelled)
    IS NOT DISTINCT FROM (%s::jsonb, %s::timestamptz, %s::timestamptz, %s::boolean)
"""


@dataclass(frozen=True, slots=True)
class Attended:
    """What time has done to a connection's notices: deliveries made, when one next begins or ends,
    and, where one has ended, since when the operator may have been missed; whether one did just
    now.
    """

    made: tuple[NewDelivery, ...] = ()
    boundary: datetime | None = None
    missed_since: datetime | None = None
    has_ended: bool = False


class NoticeOver(Exception):
    """The notice is over or cancelled: nothing of it can be changed."""


def attend(endpoint: Endpoint, at: datetime) -> Attended:
    """Within the tenant's scope: begins and ends what is due by `at`."""
    made: tuple[NewDelivery, ...] = ()
    missed: list[datetime] = []
    has_ended = False
    for row in _of(endpoint).select_for_update().order_by("id"):
        assert row.starts_at is not None, "a notice in force has a start"
        if row.state == NoticeState.PLANNED and row.ends_at is not None and row.ends_at <= at:
            row.state = NoticeState.OVER
            row.save()
        if row.state == NoticeState.PLANNED and row.starts_at <= at:
            made += _begin(row, endpoint, at)
        if row.state == NoticeState.ON and row.ends_at is not None and row.ends_at <= at:
            made += _end(row, endpoint, at)
            has_ended = True
        if row.state == NoticeState.ENDING:
            missed.append(row.starts_at)
    return Attended(made, next_boundary(endpoint), min(missed, default=None), has_ended)


def next_boundary(endpoint: Endpoint) -> datetime | None:
    """When a notice of the connection next begins or ends."""
    moments = [
        row.starts_at if row.state == NoticeState.PLANNED else row.ends_at
        for row in _of(endpoint).exclude(state=NoticeState.ENDING)
    ]
    return min((moment for moment in moments if moment is not None), default=None)


def ending(endpoint: Endpoint) -> tuple[UUID, ...]:
    """The notices of the connection whose end has come: what was missed is to be asked for."""
    return tuple(_of(endpoint, _ENDED).values_list("id", flat=True))


def over(notices: Iterable[UUID]) -> None:
    """What was missed has been asked for, as far as it can be: what waited may go."""
    rows = OutageNotice.objects.filter(id__in=notices, state__in=_ENDED)
    rows.update(state=NoticeState.OVER)


def unasked(notices: Iterable[UUID]) -> None:
    """The operator does not say what was missed: what waited may go, but nothing is over."""
    rows = OutageNotice.objects.filter(id__in=notices, state=NoticeState.ENDING)
    rows.update(state=NoticeState.UNASKED)


def post(row: OutageNotice, by: str, at: datetime) -> OutageNotice:
    """Stores a tenant's notice. One that lacks something waits for a person to complete it."""
    row.state = NoticeState.PLANNED if is_complete(row) else NoticeState.INCOMPLETE
    row.posted_by, row.posted_at, row.tenant_id = by, at, require_tenant()
    row.save(force_insert=True)
    _tell(Event.NOTICE_POSTED, row, at, by)
    if row.state == NoticeState.INCOMPLETE:
        missing = ", ".join(missing_of(row))
        detail = {"alarm": f"an outage notice lacks {missing}: complete it", "notice": row.id}
        ledger.record(Fact(Event.ALARMED, at, detail=detail))
    return row


def change(row: OutageNotice, by: str, at: datetime, **changes: object) -> OutageNotice:
    """Completes, extends, shortens a notice, or ends one that is on. Raises NoticeOver."""
    if row.state in _DONE:
        raise NoticeOver
    for name, value in changes.items():
        setattr(row, name, value)
    if row.state in (NoticeState.INCOMPLETE, NoticeState.PLANNED):
        row.state = NoticeState.PLANNED if is_complete(row) else NoticeState.INCOMPLETE
    row.save()
    _tell(Event.NOTICE_CHANGED, row, at, by)
    return row


def cancel(row: OutageNotice, by: str, at: datetime) -> OutageNotice:
    """Telephone mode that is on ends now, as at its own end. Raises NoticeOver."""
    if row.state == NoticeState.ON:
        return change(row, by, at, ends_at=at)
    if row.state not in (NoticeState.INCOMPLETE, NoticeState.PLANNED):
        raise NoticeOver
    row.state = NoticeState.CANCELLED
    row.save()
    _tell(Event.NOTICE_CHANGED, row, at, by)
    return row


def is_complete(row: OutageNotice | SystemNotice) -> bool:
    return not missing_of(row)


def missing_of(row: OutageNotice | SystemNotice) -> list[str]:
    """What a person must say before the notice can take effect."""
    return list(
        notices.missing_of(row.services, row.starts_at, row.ends_at, row.until_further_notice)
    )


def spread(at: datetime) -> int:
    """Gives each tenant its copy of the vendor's notices that are new or have changed. Returns how
    many notices; safe to run twice and at once.
    """
    fresh = reconnecting(lambda: list(SystemNotice.objects.filter(spread_at__isnull=True)))
    for notice in fresh:
        places = reconnecting(connections.every_one)
        for tenant_id in dict.fromkeys(place.tenant_id for place in places):
            in_tenant(tenant_id, partial(copy, notice, at), Step.NOTICE_COPY)
        reconnecting(partial(_has_spread, notice), Step.NOTICE_SPREAD)
    return len(fresh)


def join(endpoint: Endpoint, at: datetime) -> None:
    """A connection that is new gets the notices that are in force already."""
    for notice in SystemNotice.objects.filter(environment=endpoint.environment, is_cancelled=False):
        if notice.ends_at is None or notice.ends_at > at:
            copy(notice, at)


def copy(notice: SystemNotice, at: datetime) -> None:
    """Within the tenant's scope: its copy becomes what the notice is."""
    if not _has_endpoint(notice.environment):
        return
    row = OutageNotice.objects.select_for_update().filter(system_notice_id=notice.id).first()
    if row is None:
        if is_complete(notice) and not notice.is_cancelled:
            what = {name: getattr(notice, name) for name in _WHAT}
            post(OutageNotice(system_notice_id=notice.id, **what), notice.posted_by, at)
        return
    changed = {name: getattr(notice, name) for name in _WHAT}
    changed = {name: value for name, value in changed.items() if getattr(row, name) != value}
    try:
        if notice.is_cancelled:
            cancel(row, notice.posted_by, at)
        elif changed:
            change(row, notice.posted_by, at, **changed)
    except NoticeOver:
        return


def _begin(row: OutageNotice, endpoint: Endpoint, at: datetime) -> tuple[NewDelivery, ...]:
    row.state = NoticeState.ON
    row.save()
    until = f"until {_written(row.ends_at)}" if row.ends_at else "until further notice"
    _tell(Event.TELEPHONE_BEGAN, row, at, row.posted_by)
    alarm = {"alarm": f"telephone mode {until}", "notice": row.id, "environment": row.environment}
    ledger.record(Fact(Event.ALARMED, at, detail=alarm))
    services = ", ".join(row.services)
    text = f"TELEPHONE MODE {until}. Out at the system operator: {services}. What you send is held."
    return _tell_control_points(endpoint, text, at)


def _end(row: OutageNotice, endpoint: Endpoint, at: datetime) -> tuple[NewDelivery, ...]:
    row.state = NoticeState.ENDING
    row.save()
    _tell(Event.TELEPHONE_ENDED, row, at, row.posted_by)
    alarm = {"alarm": "telephone mode ends", "notice": row.id, "environment": row.environment}
    ledger.record(Fact(Event.ALARMED, at, detail=alarm))
    text = "TELEPHONE MODE ends: what was missed is asked for, then what was held goes in order."
    return _tell_control_points(endpoint, text, at)


def _tell_control_points(endpoint: Endpoint, text: str, at: datetime) -> tuple[NewDelivery, ...]:
    """In the order in which everybody locks links: telling a control point locks its own."""
    points = Endpoint.objects.filter(protocol=LEGACY_PROTOCOL, environment=endpoint.environment)
    made: list[NewDelivery] = []
    for point in map(as_control_point, points.order_by("id")):
        codec = legacy_codec(point.settings)
        parts = codec.divide(FreeText(point.name, text))
        made += [route.tell(point, part, at) for part in parts]
    return tuple(made)


def _tell(event: Event, row: OutageNotice, at: datetime, by: str) -> None:
    detail: dict[str, object] = {
        "notice": row.id,
        "state": row.state,
        "environment": row.environment,
        "services": ", ".join(row.services),
        "starts_at": _written(row.starts_at),
        "ends_at": _written(row.ends_at),
        "by": by,
    }
    ledger.record(Fact(event, at, detail=detail))


def _written(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""


def _of(endpoint: Endpoint, states: Iterable[NoticeState] = IN_FORCE) -> QuerySet[OutageNotice]:
    rows: QuerySet[OutageNotice] = OutageNotice.objects.filter(
        environment=endpoint.environment, state__in=states
    )
    return rows


def _has_endpoint(environment: str) -> bool:
    return Endpoint.objects.filter(protocol=OPERATOR_PROTOCOL, environment=environment).exists()


def _has_spread(notice: SystemNotice) -> None:
    """Unless it has been changed meanwhile."""
    with connection.cursor() as cursor:
        what = [json.dumps(notice.services), notice.starts_at, notice.ends_at, notice.is_cancelled]
        cursor.execute(_SPREAD, [notice.id, *what])
