"""Carries a file to a trading point: what is about to be put there is committed first, put with no
transaction open, and settled after that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from messaging.relay import deadlines, verdicts
from messaging.relay.file_places import place_of
from messaging.relay.load import LoadedDelivery, load_locked
from messaging.relay.moves import AS_BEFORE, lock_queue, move
from messaging.relay.rows import NewAttempt, insert_attempt
from messaging.relay.verdicts import Made
from messaging.states import OPEN, AttemptOutcome, DeliveryState, Lane
from messaging.transports import files
from messaging.transports.base import TransportError, Unanswered
from messaging.transports.files import FilePlace
from tenants.audit import ledger
from tenants.audit.events import Event, Fact, stamp
from tenants.clock import now
from tenants.ids import digest_of
from tenants.scope import in_tenant, require_tenant


@dataclass(frozen=True, slots=True)
class ClaimedFile:
    """A file on its way, and all that its way needs."""

    tenant_id: UUID
    delivery_id: UUID
    message_id: UUID
    queue: str
    endpoint_id: UUID
    place: FilePlace
    name: str
    content: bytes
    attempts: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class _Report:
    outcome: AttemptOutcome
    detail: str
    sent_at: datetime
    done_at: datetime


def claim(row: LoadedDelivery, at: datetime) -> ClaimedFile:
    """Within the tenant's scope, for whoever has claimed it. Raises BodyGone."""
    name, content = row.message.reference, row.message.content
    digest = digest_of(content)
    changes = {
        "attempts": row.attempts + 1,
        "reference": name,
        "payload_digest": digest,
        "payload_at": row.message.received_at,
        "sent_at": at,
        "wait_until": None,
    }
    move(row.id, DeliveryState.CLAIMED, changes, AS_BEFORE)
    detail = {"file": name, "attempt": row.attempts + 1, "bytes": len(content)}
    ledger.record(Fact(Event.SENDING, at, row.message_id, row.id, digest=digest, detail=detail))
    return ClaimedFile(
        tenant_id=require_tenant(),
        delivery_id=row.id,
        message_id=row.message_id,
        queue=row.queue,
        endpoint_id=row.endpoint_id,
        place=place_of(row.endpoint),
        name=name,
        content=content,
        attempts=row.attempts + 1,
        received_at=row.message.received_at,
    )


def carry(claimed: ClaimedFile) -> Made:
    """Puts it there and settles it. The same bytes may be put under the same name again, so what
    nobody knows of is simply tried again.
    """
    report = _put(claimed)
    return in_tenant(claimed.tenant_id, lambda: _settle(claimed, report))


def _put(claimed: ClaimedFile) -> _Report:
    sent_at = now()
    try:
        files.put(claimed.place, claimed.name, claimed.content)
    except TransportError as error:
        left = isinstance(error, Unanswered)
        outcome = AttemptOutcome.UNKNOWN if left else AttemptOutcome.FAILED
        return _Report(outcome, str(error), sent_at, now())
    return _Report(AttemptOutcome.DELIVERED, f"{claimed.name} is there", sent_at, now())


def _settle(claimed: ClaimedFile, report: _Report) -> Made:
    lock_queue(claimed.endpoint_id, claimed.queue)
    row = load_locked(claimed.delivery_id)
    at = now()
    _record(claimed, report, at)
    if row is None or row.state not in OPEN:
        return ()
    if report.outcome is AttemptOutcome.DELIVERED:
        return verdicts.left(row, at)
    schedule = deadlines.schedule_of(row.message.kind)
    pause = deadlines.pause_after(schedule, claimed.attempts, str(claimed.delivery_id))
    return verdicts.retry(row, at, pause)


def _record(claimed: ClaimedFile, report: _Report, at: datetime) -> None:
    there = report.outcome is AttemptOutcome.DELIVERED
    answered_at = report.done_at if there else None
    insert_attempt(
        NewAttempt(
            claimed.delivery_id,
            claimed.message_id,
            Lane.FILES,
            report.outcome,
            claimed.received_at,
            report.sent_at,
            answered_at,
            at,
            detail=report.detail,
        )
    )
    detail = {
        "outcome": report.outcome.value,
        "text": report.detail,
        "received_at": stamp(claimed.received_at),
        "sent_at": stamp(report.sent_at),
        "answered_at": stamp(answered_at) if answered_at else None,
        "settled_at": stamp(at),
    }
    event = Event.ANSWERED if there else Event.UNANSWERED
    ids = (claimed.message_id, claimed.delivery_id)
    ledger.record(Fact(event, report.done_at, *ids, detail=detail))
