"""Lays out what is to be told: reads each watched tenant's chain on from where it stopped, and in
one transaction makes a row for each webhook and for each line of e-mail, and moves the cursor.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from messaging.events import alerts, mail, reading, wake, webhooks
from messaging.events.models import AlertSettings, MailLine, Webhook, WebhookDelivery
from messaging.events.types import MAILED, Happening, Way
from messaging.relay.crash_points import Step
from tenants.aead import VaultError
from tenants.clock import now
from tenants.scope import in_tenant, reconnecting, require_tenant

LONGEST_LINE = 600
_LIMIT = 500

_PICK = """
WITH picked AS (
    SELECT tenant_id FROM messaging_eventwatch WHERE due_at <= %s
    ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE messaging_eventwatch w SET due_at = %s::timestamptz + interval '500 milliseconds'
FROM picked WHERE w.tenant_id = picked.tenant_id RETURNING w.tenant_id
"""

_log = structlog.get_logger(__name__)


def attend(at: datetime) -> None:
    """One look over all tenants that are told. One's trouble keeps no other from its due."""
    for tenant_id in reconnecting(partial(_pick, at)):
        try:
            tell(tenant_id)
        except (DatabaseError, VaultError):
            _log.exception("a tenant is not told what happens", tenant=str(tenant_id))


def tell(tenant_id: UUID) -> None:
    """All that is there, a page in each transaction."""
    while in_tenant(tenant_id, _lay_out, Step.WEBHOOK_LAY_OUT):
        pass
    if in_tenant(tenant_id, _has_mail):
        wake.send_mail(tenant_id)


def _lay_out() -> bool:
    """Whether there may be more."""
    row = AlertSettings.objects.select_for_update(skip_locked=True).first()
    if row is None or alerts.look_off_where_idle(row):
        return False
    page = reading.read(row.cursor)
    if page.last == row.cursor:
        return False
    at = now()
    for webhook in Webhook.objects.filter(state=Webhook.State.ACTIVE):
        _queue(webhook, page.happenings, at)
    if row.addresses:
        _write_lines(page.happenings)
    AlertSettings.objects.filter(id=row.id).update(cursor=page.last)
    return page.more


def _queue(webhook: Webhook, happenings: Iterable[Happening], at: datetime) -> None:
    wanted = [
        webhooks.delivery_of(webhook, one, at)
        for one in happenings
        if Way.WEBHOOK in one.ways
        and one.id > webhook.since
        and (not webhook.types or one.type.value in webhook.types)
    ]
    if wanted:
        WebhookDelivery.objects.bulk_create(wanted, ignore_conflicts=True)
        webhooks.due(webhook, at)
        wake.post_after_commit(require_tenant(), webhook.id)


def _write_lines(happenings: Iterable[Happening]) -> None:
    lines = [
        MailLine(tenant_id=require_tenant(), event_id=one.id, at=one.at, text=line_of(one))
        for one in happenings
        if Way.EMAIL in one.ways and one.type in MAILED
    ]
    if lines:
        MailLine.objects.bulk_create(lines, ignore_conflicts=True)


def line_of(happening: Happening) -> str:
    """For a person. What peers wrote may stand in it, so nothing that is no plain text is let
    through.
    """
    facts = "; ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in happening.data.items()
        if value is not None and name not in ("event_id", "delivery_id")
    )
    line = f"{happening.at:%Y-%m-%d %H:%M:%S}Z {happening.type.value}: {facts}"
    return "".join(char if char.isprintable() else "?" for char in line)[:LONGEST_LINE]


def _has_mail() -> bool:
    row = alerts.find()
    return row is not None and mail.is_time(row, now()) and MailLine.objects.exists()


def _pick(at: datetime) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(_PICK, [at, _LIMIT, at])
        return [row[0] for row in cursor.fetchall()]
