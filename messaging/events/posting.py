"""Posts what is due to one webhook: claims it, posts with no transaction open, and settles each
try.

One worker at a time has a webhook in hand, only so many have those of one tenant, and a turn is
short; one that fails waits longer each time. So a slow receiver holds up nobody but itself. Whoever
has lost a webhook to another, frozen for longer than its lease, settles nothing of it any more.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from secrets import SystemRandom
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection

from messaging.events import signing, wake, webhooks
from messaging.events.models import Webhook, WebhookDelivery
from messaging.relay import draining, ownership
from messaging.relay.crash_points import Step
from messaging.relay.ownership import free_orphaned
from messaging.relay.wake import room_in
from messaging.transports import https
from messaging.transports.base import Refused, Unanswered, Unreachable
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.scope import in_tenant, reconnecting, require_tenant

ANSWER_SECONDS: Final = 10.0
TURN_SECONDS: Final = 15.0
AT_ONCE: Final = 20
"""Events in one turn."""

OF_ONE_TENANT: Final = 3
"""Webhooks of one tenant that are in hand at once."""

LEASE: Final = timedelta(minutes=1)
"""Longer than any turn: what a lost host had in hand is free again after it."""

RETRIES: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800)
)
"""From one try to the next; the last is used on."""

JITTER: Final = 0.2
LONGEST_PAUSE: Final = timedelta(minutes=1)
"""Between tries of different events to a webhook that fails."""

_AWAY: Final = timedelta(seconds=1)
_ANSWER_LIMIT: Final = 1024 * 1024

# What is in hand is due when its lease ends.
_PICK = """
WITH picked AS (
    SELECT webhook_id FROM messaging_webhookdue WHERE due_at <= now()
    ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE messaging_webhookdue d SET due_at = now() + interval '2 seconds', owner = NULL
FROM picked WHERE d.webhook_id = picked.webhook_id RETURNING d.tenant_id, d.webhook_id
"""
_TAKE = """
UPDATE messaging_webhookdue SET owner = %s, due_at = %s
WHERE webhook_id = %s AND tenant_id = %s AND (owner IS NULL OR owner = %s)
"""
_LOCK_MINE = """
SELECT 1 FROM messaging_webhookdue
WHERE webhook_id = %s AND tenant_id = %s AND owner = %s FOR UPDATE
"""
_OTHERS_IN_HAND = """
SELECT count(*) FROM messaging_webhookdue
WHERE tenant_id = %s AND owner IS NOT NULL AND webhook_id <> %s
"""
_PUT_DUE = """
INSERT INTO messaging_webhookdue (webhook_id, tenant_id, due_at) VALUES (%s, %s, %s)
ON CONFLICT (webhook_id) DO UPDATE SET due_at = EXCLUDED.due_at, owner = NULL
"""
_END = "DELETE FROM messaging_webhookdue WHERE webhook_id = %s AND tenant_id = %s"

_random = SystemRandom()


@dataclass(frozen=True, slots=True)
class _Parcel:
    delivery_id: UUID
    body: bytes


@dataclass(frozen=True, slots=True)
class _Claimed:
    webhook_id: UUID
    owner: int
    url: str
    secrets: tuple[bytes, ...]
    parcels: tuple[_Parcel, ...]


@dataclass(frozen=True, slots=True)
class Try:
    """What came of it: a status where there was an answer, else why there was none."""

    status: int | None
    text: str
    retry_after: timedelta | None = None

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def sweep() -> None:
    """Hands out the webhooks that are due: lost wake-ups, waits that are over, and what a dead
    process had in hand. Never more than the workers' queue has room for.
    """
    room = room_in(wake.QUEUE)
    for tenant_id, webhook_id in reconnecting(partial(_pick, room), Step.WEBHOOK_SWEEP):
        wake.post(tenant_id, webhook_id)


def take_turn(tenant_id: UUID, webhook_id: UUID) -> None:
    """Posts what is due, in order, until one fails or the turn is over."""
    with ownership.in_hand(webhook_id) as mine:
        goes_on = mine and _take_turn(tenant_id, webhook_id)
    if goes_on:
        wake.post(tenant_id, webhook_id)


def _take_turn(tenant_id: UUID, webhook_id: UUID) -> bool:
    """Whether more is due now."""
    owner = ownership.owner()
    claimed = in_tenant(tenant_id, partial(_claim, webhook_id, owner), Step.WEBHOOK_CLAIM)
    if claimed is None:
        return False
    ends = time.monotonic() + TURN_SECONDS
    for parcel in claimed.parcels:
        tried = _post(claimed, parcel)
        work = partial(_settle, claimed, parcel.delivery_id, tried)
        goes_on = in_tenant(tenant_id, work, Step.WEBHOOK_SETTLE)
        if not goes_on or time.monotonic() > ends or draining.is_on():
            break
    return in_tenant(tenant_id, partial(_release, claimed), Step.WEBHOOK_RELEASE)


def _claim(webhook_id: UUID, owner: int) -> _Claimed | None:
    """None where there is nothing to be done now, or others are at it."""
    row, at = _locked(webhook_id), now()
    if row is None or row.state != Webhook.State.ACTIVE:
        _execute(_END, webhook_id, require_tenant())
        return None
    if not _execute(_TAKE, owner, at + LEASE, webhook_id, require_tenant(), owner):
        return None
    if row.wait_until is not None and row.wait_until > at:
        _put_due(webhook_id, row.wait_until)
        return None
    if _others_in_hand(webhook_id) >= OF_ONE_TENANT:
        _put_due(webhook_id, at + _AWAY)
        return None
    _give_up_the_old(row, at)
    pending = row.deliveries.filter(state=WebhookDelivery.State.PENDING, next_at__lte=at)
    found = list(pending.order_by("next_at", "id")[:AT_ONCE])
    if not found:
        _plan(row, at)
        return None
    parcels = tuple(_Parcel(one.id, one.body.encode()) for one in found)
    return _Claimed(webhook_id, owner, row.url, webhooks.signing_secrets(row, at), parcels)


def _post(claimed: _Claimed, parcel: _Parcel) -> Try:
    """With no transaction open."""
    signed = signing.headers(
        str(parcel.delivery_id), int(time.time()), parcel.body, claimed.secrets
    )
    try:
        answer = https.post(
            claimed.url,
            parcel.body,
            {"content-type": "application/json", "user-agent": "hostsvc", **signed},
            context=_context(settings.WEBHOOK_CA),
            identity=("webhooks", settings.WEBHOOK_CA),
            seconds=ANSWER_SECONDS,
            limit=_ANSWER_LIMIT,
            step=Step.WEBHOOK_POST,
        )
    except (Unreachable, Refused, Unanswered) as error:
        return Try(None, f"{type(error).__name__}: {_without_query(str(error), claimed.url)}"[:300])
    return Try(answer.status, f"HTTP {answer.status}", retry_after(answer.headers, now()))


def _without_query(text: str, url: str) -> str:
    query = url.partition("?")[2]
    return text.replace(query, "...") if query else text


def retry_after(headers: Mapping[str, str], at: datetime) -> timedelta | None:
    """Of an answer: seconds, or a date (RFC 9110, 10.2.3). At most a day."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=min(int(value[:9]), 86_400))
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        return None
    return min(max(until - at, timedelta(0)), timedelta(days=1))


def pause_before(attempt: int, tried: Try) -> timedelta:
    """From the try with this number to the next, with jitter; never sooner than was asked for."""
    usual = RETRIES[min(attempt, len(RETRIES)) - 1]
    spread = usual * (1 + _random.uniform(-JITTER, JITTER))
    return max(spread, tried.retry_after or timedelta(0))


def _settle(claimed: _Claimed, delivery_id: UUID, tried: Try) -> bool:
    """Whether the next may be posted at once."""
    row, at = _locked(claimed.webhook_id), now()
    if row is None or not _is_mine(claimed):
        return False
    delivery = row.deliveries.filter(id=delivery_id).first()
    if delivery is None or delivery.state != WebhookDelivery.State.PENDING:
        return row.state == Webhook.State.ACTIVE
    delivery.attempts += 1
    delivery.status, delivery.outcome = tried.status, tried.text
    if tried.is_taken:
        delivery.state, delivery.settled_at = WebhookDelivery.State.DELIVERED, at
        row.failures, row.failing_since, row.wait_until = 0, None, None
    else:
        _failed(row, delivery, tried, at)
    delivery.save()
    row.save(update_fields=["failures", "failing_since", "wait_until"])
    if not tried.is_taken:
        _disable_where_hopeless(row, tried, at)
    return tried.is_taken


def _failed(row: Webhook, delivery: WebhookDelivery, tried: Try, at: datetime) -> None:
    delivery.next_at = at + pause_before(delivery.attempts, tried)
    if delivery.next_at >= delivery.expires_at:
        delivery.state, delivery.settled_at = WebhookDelivery.State.FAILED, at
    row.failures += 1
    row.failing_since = row.failing_since or at
    pause = min(timedelta(seconds=2 ** min(row.failures, 10)), LONGEST_PAUSE)
    row.wait_until = at + max(pause, tried.retry_after or timedelta(0))


def _disable_where_hopeless(row: Webhook, tried: Try, at: datetime) -> None:
    limit = timedelta(days=settings.WEBHOOK_FAILING_DAYS)
    reason = ""
    if tried.status == 410:
        reason = "it answered that it is gone (410)"
    elif row.failing_since is not None and at - row.failing_since >= limit:
        reason = f"it has failed for {limit.days} days: {tried.text}"
    if reason:
        webhooks.disable(row, reason)
        detail = {"alarm": f"webhook disabled: {reason}", "webhook": row.id, "url": row.url}
        ledger.record(Fact(Event.ALARMED, at, detail=detail))


def _give_up_the_old(row: Webhook, at: datetime) -> None:
    old = row.deliveries.filter(state=WebhookDelivery.State.PENDING, expires_at__lte=at)
    old.update(state=WebhookDelivery.State.FAILED, settled_at=at)


def _release(claimed: _Claimed) -> bool:
    """Whether more is due now."""
    row, at = _locked(claimed.webhook_id), now()
    return row is not None and _is_mine(claimed) and _plan(row, at)


def _is_mine(claimed: _Claimed) -> bool:
    """Whether the webhook is still in this process's hand; if so it stays there until the
    transaction ends.
    """
    return _execute(_LOCK_MINE, claimed.webhook_id, require_tenant(), claimed.owner) == 1


def _others_in_hand(webhook_id: UUID) -> int:
    """Of the tenant's."""
    with connection.cursor() as cursor:
        cursor.execute(_OTHERS_IN_HAND, [require_tenant(), webhook_id])
        (count,) = cursor.fetchone()
    return int(count)


def _plan(row: Webhook, at: datetime) -> bool:
    """Lets go of the webhook and says when it is due next; whether that is now. Whoever adds to its
    events makes it due after that: its row is this one's by then, locked before it is looked what
    there is.
    """
    pending = row.deliveries.filter(state=WebhookDelivery.State.PENDING)
    first = pending.order_by("next_at").values_list("next_at", flat=True).first()
    if first is None:
        _execute(_END, row.id, require_tenant())
        return False
    due_at = max(first, row.wait_until) if row.wait_until else first
    _put_due(row.id, due_at)
    return due_at <= at


def _locked(webhook_id: UUID) -> Webhook | None:
    found: Webhook | None = (
        Webhook.objects.select_for_update(no_key=True).filter(id=webhook_id).first()
    )
    return found


def _put_due(webhook_id: UUID, at: datetime) -> None:
    _execute(_PUT_DUE, webhook_id, require_tenant(), at)


def _pick(limit: int) -> list[tuple[UUID, UUID]]:
    free_orphaned("messaging_webhookdue")
    if limit <= 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_PICK, [limit])
        rows: list[tuple[UUID, UUID]] = cursor.fetchall()
    return rows


def _execute(statement: str, *values: UUID | datetime | int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))
        return int(cursor.rowcount)


@lru_cache(maxsize=2)
def _context(authorities: str) -> ssl.SSLContext:
    """The system's authorities, and the vendor's own beside them."""
    context = ssl.create_default_context()
    if authorities:
        context.load_verify_locations(authorities)
    return context
