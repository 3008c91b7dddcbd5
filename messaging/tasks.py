"""The Celery tasks: thin, given ids only, each safe to run twice and at once."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.db import connection
from structlog.contextvars import bound_contextvars

from messaging.events import fan_out, ladder, mail, posting
from messaging.events import housekeeping as events_housekeeping
from messaging.events.wake import MAIL, POST
from messaging.events.wake import QUEUE as WEBHOOKS
from messaging.files import collecting, fetching, keeping
from messaging.files.wake import FETCH, wake_collector, wake_fetcher
from messaging.relay import (
    breakers,
    due,
    gate_watch,
    lamps,
    normalization,
    supervision,
    telephone,
)
from messaging.relay import deliver as delivering
from messaging.relay.crash_points import Step
from messaging.relay.publishing import queue_of
from messaging.relay.smp import due as smp_due
from messaging.relay.smp.work import work_on
from messaging.relay.wake import (
    DELIVER,
    DELIVER_LARGE,
    REGISTRATIONS,
    room_in,
    wake_registrations,
    wake_worker,
)
from messaging.states import Urgency
from messaging.transports.directories import all_directories
from tenants import old_answers
from tenants.api.idempotency import KEPT_FOR
from tenants.clock import now
from tenants.keys import housekeeping
from tenants.scope import reconnecting


@shared_task(name="messaging.tasks.deliver")
def deliver(tenant_id: str, delivery_id: str) -> None:
    with bound_contextvars(tenant_id=tenant_id, delivery_id=delivery_id):
        delivering.deliver(UUID(tenant_id), UUID(delivery_id))


@shared_task(name=DELIVER_LARGE)
def deliver_large(tenant_id: str, delivery_id: str) -> None:
    """Submissions, and files to trading points: no instruction waits behind them."""
    with bound_contextvars(tenant_id=tenant_id, delivery_id=delivery_id):
        delivering.deliver(UUID(tenant_id), UUID(delivery_id), large=True)


@shared_task(name="messaging.tasks.sweep")
def sweep() -> None:
    """Hands out what is due: the lost wake-ups, the waits that are over, and what a dead process
    had claimed. Never more than the workers' queues have room for.
    """
    room, room_for_large = (room_in(queue_of(task)) for task in (DELIVER, DELIVER_LARGE))
    for overdue in reconnecting(lambda: due.pick(room, room_for_large), Step.SWEEP):
        large = overdue.urgency >= Urgency.SUBMISSION
        ids = overdue.tenant_id, overdue.delivery_id
        wake_worker(*ids, large=large, urgency=overdue.urgency)
    breakers.look()


@shared_task(name="messaging.tasks.watch_links")
def watch_links() -> None:
    """Lapses gateways that are silent, and alarms links that were lost."""
    supervision.attend()


@shared_task(name="messaging.tasks.look_at_connections")
def look_at_connections() -> None:
    """Health of the system operator, telephone mode, and what waits for either."""
    telephone.spread(now())
    lamps.look()


@shared_task(name=lamps.NORMALIZE)
def normalize(tenant_id: str, endpoint_id: str) -> None:
    normalization.normalize(UUID(tenant_id), UUID(endpoint_id))


@shared_task(name="messaging.tasks.keep_partitions_ahead")
def keep_partitions_ahead() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ensure_partitions((current_date + interval '12 months')::date)")


@shared_task(name="messaging.tasks.watch_gates")
def watch_gates() -> None:
    """Data that is missing before a gate closes."""
    reconnecting(lambda: gate_watch.attend(now()))


@shared_task(name="messaging.tasks.look_after_certificates")
def look_after_certificates() -> None:
    """Switch-overs, ends of certificates, and telling of them."""
    reconnecting(lambda: housekeeping.attend(now()))


@shared_task(name="messaging.tasks.collect_files")
def collect_files(tenant_id: str, endpoint_id: str) -> None:
    """What came while it was at it is found by looking again."""
    place = UUID(tenant_id), UUID(endpoint_id)
    if collecting.collect(*place):
        wake_collector(*place)


@shared_task(name="messaging.tasks.sweep_files")
def sweep_files() -> None:
    """Files whose wake-up was lost, and those that a dead process was taking."""
    for tenant_id, endpoint_id, _ in all_directories():
        if collecting.waiting(tenant_id, endpoint_id):
            wake_collector(tenant_id, endpoint_id)


@shared_task(name="messaging.tasks.fetch_files")
def fetch_files(tenant_id: str, endpoint_id: str) -> None:
    place = UUID(tenant_id), UUID(endpoint_id)
    if reconnecting(lambda: fetching.is_wanted(*place)):
        fetching.fetch(*place)


@shared_task(name="messaging.tasks.look_at_servers")
def look_at_servers() -> None:
    """Tenants' own servers that are due to be looked at."""
    room = room_in(queue_of(FETCH))
    for tenant_id, endpoint_id in reconnecting(lambda: fetching.pick(room)):
        wake_fetcher(tenant_id, endpoint_id)


@shared_task(name="messaging.tasks.tidy_files")
def tidy_files() -> None:
    for _, _, directories in all_directories():
        keeping.tidy(directories, now())


@shared_task(name="messaging.tasks.registrations")
def registrations(tenant_id: str, item_id: str) -> None:
    """What a job or a batch of the Single Markets Platform needs now."""
    if work_on(UUID(tenant_id), UUID(item_id)):
        wake_registrations(UUID(tenant_id), UUID(item_id))


@shared_task(name="messaging.tasks.sweep_smp")
def sweep_smp() -> None:
    """Hands out the registrations that are due, also those that a dead process had in hand."""
    room = room_in(queue_of(REGISTRATIONS))
    for tenant_id, item_id in reconnecting(lambda: smp_due.pick(room), Step.SMP_SWEEP):
        wake_registrations(tenant_id, item_id)


@shared_task(name="messaging.tasks.clear_away_old_answers")
def clear_away_old_answers() -> None:
    """First answers under idempotency keys, a day later."""
    old_answers.clear_away(now(), KEPT_FOR)


@shared_task(name="messaging.tasks.escalate", queue="housekeeping")
def escalate() -> None:
    """Instructions that have waited for an answer as long as a step of their tenant's ladder."""
    ladder.attend(now())


@shared_task(name="messaging.tasks.tell_tenants", queue="housekeeping")
def tell_tenants() -> None:
    """Lays out what is to be told, and hands out what is due."""
    fan_out.attend(now())
    posting.sweep()


@shared_task(name=POST, queue=WEBHOOKS)
def post_webhook(tenant_id: str, webhook_id: str) -> None:
    with bound_contextvars(tenant_id=tenant_id, webhook_id=webhook_id):
        posting.take_turn(UUID(tenant_id), UUID(webhook_id))


@shared_task(name=MAIL, queue=WEBHOOKS)
def send_mail(tenant_id: str) -> None:
    with bound_contextvars(tenant_id=tenant_id):
        mail.send(UUID(tenant_id))


@shared_task(name="messaging.tasks.tidy_events", queue="housekeeping")
def tidy_events() -> None:
    events_housekeeping.tidy(now())
