"""The way of one message as a time line: how long it waited, travelled and was worked at, hop by
hop, from the rows that are kept; and its entries in the audit chain with the time between them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString

from messaging.models import Attempt, Delivery, Message
from messaging.overview.chart import Span, milliseconds, timeline_chart
from messaging.states import AttemptOutcome, DeliveryState
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.staff import table, written

ENTRIES_SHOWN: Final = 200
ATTEMPTS_SHOWN: Final = 20
"""Of one message, in the chart; the page of a delivery has more."""


def hops_of(message: Message) -> SafeString:
    """As bars, to scale; nothing where nothing has happened after the receipt."""
    spans = list(_spans(message))
    return timeline_chart(spans) if spans else format_html("<p>{}</p>", "Nothing yet.")


def entries_of(message: Message) -> SafeString:
    """The first of them, in the chain's order."""
    rows = Entry.objects.filter(tenant_id=message.tenant_id, message_id=message.id)
    entries = list(rows.order_by("seq")[:ENTRIES_SHOWN])
    headings = ("seq", "recorded", "since receipt", "since the one before", "event", "detail")
    return table(headings, _lines(message, entries))


def _lines(message: Message, entries: Sequence[Entry]) -> Iterator[Sequence[object]]:
    before = message.received_at
    for entry in entries:
        at = entry.recorded_at
        yield (
            *(entry.seq, written(at)),
            *(milliseconds(_between(message.received_at, at)), milliseconds(_between(before, at))),
            *(entry.event, detail_of(entry)),
        )
        before = at


def detail_of(entry: Entry) -> str:
    detail: dict[str, object] = json.loads(bytes(entry.record))["detail"]
    return ", ".join(f"{name}: {value}" for name, value in detail.items())


def _spans(message: Message) -> Iterator[Span]:
    start = message.received_at
    stored = Entry.objects.filter(tenant_id=message.tenant_id, message_id=message.id)
    first = stored.order_by("seq").values_list("recorded_at", flat=True).first()
    if first is not None:
        yield _span("received, until stored", start, start, first)
    deliveries = Delivery.objects.filter(tenant_id=message.tenant_id, message_id=message.id)
    for delivery in deliveries.select_related("endpoint").order_by("position"):
        yield from _delivered(start, delivery)
    answers = Message.objects.filter(tenant_id=message.tenant_id, answers_id=message.id)
    for answer in answers.order_by("id")[:ATTEMPTS_SHOWN]:
        label = f"until {answer.kind} {answer.reference}"
        yield _span(label, start, start, answer.received_at, "wait")


def _delivered(start: datetime, delivery: Delivery) -> Iterator[Span]:
    """Waiting for the first attempt, each attempt until its answer, and until that was settled."""
    to = delivery.endpoint.name if delivery.endpoint else "nobody"
    since, last = delivery.created_at, None
    rows = Attempt.objects.filter(tenant_id=delivery.tenant_id, delivery_id=delivery.id)
    for attempt in rows.order_by("id")[:ATTEMPTS_SHOWN]:
        yield _span(f"waits for {to}", start, since, attempt.sent_at, "wait")
        good = attempt.outcome in (AttemptOutcome.DELIVERED, AttemptOutcome.REFUSED)
        answered = attempt.answered_at or attempt.settled_at
        label = f"at {to}: {attempt.outcome.lower()}"
        yield _span(label, start, attempt.sent_at, answered, "peer" if good else "bad")
        if attempt.answered_at is not None:
            yield _span("settled", start, answered, attempt.settled_at)
        since, last = attempt.settled_at, attempt.sent_at
    yield from _without_attempt(start, delivery, since, last)


def _without_attempt(
    start: datetime, delivery: Delivery, since: datetime, last: datetime | None
) -> Iterator[Span]:
    """What no attempt tells of after the one that was sent at `last`: that it waits, or was sent
    and has no answer.
    """
    to = delivery.endpoint.name if delivery.endpoint else "nobody"
    until, sent_at = delivery.settled_at or now(), delivery.sent_at
    if delivery.state in (DeliveryState.PENDING, DeliveryState.HELD):
        yield _span(f"waits for {to}", start, since, until, "wait")
    elif sent_at is not None and (last is None or sent_at > last):
        yield _span(f"waits for {to}", start, since, sent_at, "wait")
        yield _span(f"at {to}: no answer", start, sent_at, until, "bad")
    elif last is None:
        yield _span(f"waits for {to}", start, since, until, "wait")


def _span(label: str, start: datetime, begin: datetime, end: datetime, kind: str = "host") -> Span:
    at = max(_between(start, begin), 0.0)
    return Span(_cut(label), at, max(_between(start, end), at), kind)


def _cut(label: str) -> str:
    return label if len(label) <= 40 else f"{label[:38]}..."


def _between(begin: datetime, end: datetime) -> float:
    """Milliseconds."""
    return max((end - begin) / timedelta(milliseconds=1), 0.0)
