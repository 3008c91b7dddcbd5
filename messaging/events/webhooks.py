"""The register of webhooks: added, changed, rotated, disabled, removed, tried and replayed. Posting
to them is not here (posting).
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from messaging.events import alerts, reading, signing
from messaging.events.models import Webhook, WebhookDelivery
from messaging.events.types import EventType, Happening
from tenants import vault
from tenants.addresses import address_fault
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.ids import new_id
from tenants.scope import require_tenant

MOST = 10
"""Webhooks of one tenant."""

LIVES = timedelta(hours=24)
"""How long an event is tried before it is given up."""

_QUERY = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_PRESENT = "webhook secret"
_PREVIOUS = "webhook secret before"

# What is due earlier stays so. Whoever has it in hand looks again, under this row's lock, before it
# lets go.
_DUE = """
INSERT INTO messaging_webhookdue AS d (webhook_id, tenant_id, due_at) VALUES (%s, %s, %s)
ON CONFLICT (webhook_id) DO UPDATE SET due_at = least(d.due_at, EXCLUDED.due_at)
WHERE d.owner IS NULL
"""
_NOT_DUE = "DELETE FROM messaging_webhookdue WHERE webhook_id = %s AND tenant_id = %s"


class BadUrl(ValueError):
    """Where a webhook can't lead."""


class TooMany(Exception):
    """The tenant has as many webhooks as it can have."""


class NotActive(Exception):
    """The webhook is disabled."""


@dataclass(frozen=True, slots=True)
class Made:
    """`secret` is to be shown now and can never be shown again."""

    row: Webhook
    secret: str


def checked_url(url: str) -> str:
    """Raises BadUrl. A name is judged again at each connection, when it is resolved."""
    base, _, query = url.partition("?")
    fault = address_fault(base.removesuffix("/"))
    if fault:
        raise BadUrl(fault)
    if not _QUERY.fullmatch(query):
        raise BadUrl("its query has characters that must not be there")
    return url


def without_query(url: str) -> str:
    """As it is told of: many a receiver has its password in the query."""
    base, mark, _ = url.partition("?")
    return f"{base}{mark}{'...' if mark else ''}"


def add(url: str, label: str, types: Sequence[str], by: Mapping[str, object]) -> Made:
    """Told of what happens from now on. Raises BadUrl and TooMany."""
    checked_url(url)
    settings = alerts.get_locked()
    if Webhook.objects.count() >= MOST:
        raise TooMany
    row_id, secret = new_id(), secrets.token_bytes(signing.SECRET_BYTES)
    alerts.look_on(settings)
    row = Webhook.objects.create(
        id=row_id,
        tenant_id=require_tenant(),
        url=url,
        label=label,
        types=list(types),
        secret=vault.seal(secret, _PRESENT, row_id),
        since=reading.head(),
        created_at=now(),
    )
    record(row, "added", by)
    return Made(row, signing.shown(secret))


def change(row: Webhook, changes: Mapping[str, object], by: Mapping[str, object]) -> None:
    """`row` is locked. One that is enabled again is told of what happens from then on. Raises
    BadUrl.
    """
    changed = {name: value for name, value in changes.items() if getattr(row, name) != value}
    if "url" in changed:
        checked_url(str(changed["url"]))
    for name, value in changed.items():
        setattr(row, name, value)
    row.save(update_fields=[*changed])
    if changed.get("state") == Webhook.State.ACTIVE:
        alerts.look_on(alerts.get_locked())
        Webhook.objects.filter(id=row.id).update(
            reason="",
            failures=0,
            failing_since=None,
            wait_until=None,
            since=reading.head(),
        )
    elif changed.get("state") == Webhook.State.DISABLED:
        disable(row, "a person disabled it")
    if changed:
        record(row, "changed", {"fields": ", ".join(sorted(changed)), **by})
    row.refresh_from_db()


def rotate(row: Webhook, overlap: timedelta, by: Mapping[str, object]) -> Made:
    """A new secret; for `overlap` the one before signs beside it. `row` is locked."""
    before, secret = present_secret(row), secrets.token_bytes(signing.SECRET_BYTES)
    row.previous_secret = vault.seal(before, _PREVIOUS, row.id) if overlap else None
    row.previous_until = now() + overlap if overlap else None
    row.secret = vault.seal(secret, _PRESENT, row.id)
    row.save(update_fields=["secret", "previous_secret", "previous_until"])
    record(row, "secret rotated", {"overlap": str(overlap), **by})
    return Made(row, signing.shown(secret))


def remove(row: Webhook, by: Mapping[str, object]) -> None:
    record(row, "removed", by)
    _not_due(row)
    row.delete()


def disable(row: Webhook, reason: str) -> None:
    """What it was still to be told is given up; it can be replayed later."""
    Webhook.objects.filter(id=row.id).update(state=Webhook.State.DISABLED, reason=reason)
    pending = row.deliveries.filter(state=WebhookDelivery.State.PENDING)
    pending.update(
        state=WebhookDelivery.State.FAILED, settled_at=now(), outcome="the webhook was disabled"
    )
    _not_due(row)


def try_out(row: Webhook) -> WebhookDelivery:
    """An event of its own, to see that the other side takes it. Raises NotActive."""
    happening = Happening(0, EventType.WEBHOOK_TEST, now(), {"webhook_id": str(row.id)})
    made = delivery_of(row, happening, now())
    made.event_id = None
    _require_active(row)
    made.save(force_insert=True)
    due(row, now())
    return made


def replay(row: Webhook, since: datetime | None) -> int:
    """Tries again what was given up, of events since then or all that is kept. Returns how many.
    Raises NotActive.
    """
    _require_active(row)
    failed = row.deliveries.filter(state=WebhookDelivery.State.FAILED)
    if since is not None:
        failed = failed.filter(created_at__gte=since)
    at = now()
    count: int = failed.update(
        state=WebhookDelivery.State.PENDING,
        attempts=0,
        next_at=at,
        expires_at=at + LIVES,
        settled_at=None,
    )
    if count:
        due(row, at)
    return count


def delivery_of(row: Webhook, happening: Happening, at: datetime) -> WebhookDelivery:
    return WebhookDelivery(
        tenant_id=require_tenant(),
        webhook=row,
        event_id=happening.id,
        type=happening.type.value,
        body=json.dumps(happening.payload, separators=(",", ":")),
        created_at=at,
        next_at=at,
        expires_at=at + LIVES,
    )


def due(row: Webhook, at: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [row.id, require_tenant(), at])


def signing_secrets(row: Webhook, at: datetime) -> tuple[bytes, ...]:
    """Those that sign now. Raises VaultError."""
    present = present_secret(row)
    if row.previous_secret is None or row.previous_until is None or row.previous_until <= at:
        return (present,)
    return (present, vault.unseal(bytes(row.previous_secret), _PREVIOUS, row.id))


def present_secret(row: Webhook) -> bytes:
    return vault.unseal(bytes(row.secret), _PRESENT, row.id)


def record(row: Webhook, action: str, by: Mapping[str, object]) -> None:
    url = without_query(row.url)
    detail = {"webhook": row.id, "action": action, "url": url, "label": row.label, **by}
    ledger.record(Fact(Event.ALERTS_CHANGED, now(), detail=detail))


def _require_active(row: Webhook) -> None:
    if row.state != Webhook.State.ACTIVE:
        raise NotActive


def _not_due(row: Webhook) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_NOT_DUE, [row.id, require_tenant()])
