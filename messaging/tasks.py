"""The Celery tasks: thin, given ids only, each safe to run twice and at once."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.db import connection

from messaging.relay import deliver as delivering
from messaging.relay import due
from messaging.relay.parts import is_large
from messaging.relay.wake import DELIVER_LARGE, wake_worker
from tenants import old_answers
from tenants.api.idempotency import KEPT_FOR
from tenants.clock import now
from tenants.keys import housekeeping
from tenants.scope import reconnecting

SWEEP_LIMIT = 500


@shared_task(name="messaging.tasks.deliver")
def deliver(tenant_id: str, delivery_id: str) -> None:
    delivering.deliver(UUID(tenant_id), UUID(delivery_id))


@shared_task(name=DELIVER_LARGE)
def deliver_large(tenant_id: str, delivery_id: str) -> None:
    """Submissions, and files to trading points: no instruction waits behind them."""
    delivering.deliver(UUID(tenant_id), UUID(delivery_id), large=True)


@shared_task(name="messaging.tasks.sweep")
def sweep() -> None:
    """Hands out what is due: the lost wake-ups, the waits that are over, and what a dead process
    had claimed.
    """
    for overdue in reconnecting(lambda: due.pick(SWEEP_LIMIT)):
        large = is_large(overdue.lane, "")
        wake_worker(overdue.tenant_id, overdue.delivery_id, large=large)


@shared_task(name="messaging.tasks.keep_partitions_ahead")
def keep_partitions_ahead() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ensure_partitions((current_date + interval '12 months')::date)")


@shared_task(name="messaging.tasks.look_after_certificates")
def look_after_certificates() -> None:
    """Switch-overs, ends of certificates, and telling of them."""
    reconnecting(lambda: housekeeping.attend(now()))


@shared_task(name="messaging.tasks.clear_away_old_answers", queue="housekeeping")
def clear_away_old_answers() -> None:
    """First answers under idempotency keys, a day later."""
    old_answers.clear_away(now(), KEPT_FOR)
