"""Carries a file to a trading point: what is about to be put there is committed first, put with no
transaction open, and settled after that.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO
from uuid import UUID

from messaging.relay import breakers, deadlines, verdicts
from messaging.relay.attempts import NewAttempt, insert_attempt, is_recorded
from messaging.relay.breakers import Exchange
from messaging.relay.breaking import Way
from messaging.relay.crash_points import Step
from messaging.relay.file_places import place_of
from messaging.relay.load import LoadedDelivery, load_locked
from messaging.relay.moves import AS_BEFORE, lock_queue, move
from messaging.relay.verdicts import Made
from messaging.states import OPEN, AttemptOutcome, DeliveryState, Lane
from messaging.transports import files
from messaging.transports.base import TransportError, Unanswered
from messaging.transports.directories import take_turn
from messaging.transports.files import FilePlace
from tenants.audit import ledger
from tenants.audit.events import Event, Fact, stamp
from tenants.clock import now
from tenants.crash import sending
from tenants.ids import digest_of
from tenants.scope import in_tenant, require_tenant


class NotItsTurn(Exception):
    """Another exchange with a server of the tenant's own is under way."""


@dataclass(frozen=True, slots=True)
class ClaimedFile:
    """A file on its way, and all that its way needs. `turn` is held until it was carried, where it
    goes to a server of the tenant's own.
    """

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
    is_troubled: bool
    turn: BinaryIO | None = None


@dataclass(frozen=True, slots=True)
class _Report:
    outcome: AttemptOutcome
    detail: str
    sent_at: datetime
    done_at: datetime


def claim(row: LoadedDelivery, at: datetime) -> ClaimedFile:
    """Within the tenant's scope, for whoever has claimed it. Raises BodyGone, and NotItsTurn."""
    place = place_of(row.endpoint)
    if place.remote is None:
        return _claimed(row, at, place)
    turn = take_turn(place.tenant_id)
    if turn is None:
        raise NotItsTurn
    try:
        return replace(_claimed(row, at, place), turn=turn)
    except BaseException:
        turn.close()
        raise


def _claimed(row: LoadedDelivery, at: datetime, place: FilePlace) -> ClaimedFile:
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
        place=place,
        name=name,
        content=content,
        attempts=row.attempts + 1,
        received_at=row.message.received_at,
        is_troubled=breakers.is_troubled(row),
    )


def carry(claimed: ClaimedFile) -> Made:
    """Puts it there and settles it. The same bytes may be put under the same name again, so what
    nobody knows of is simply tried again.
    """
    with claimed.turn or nullcontext():
        report = _put(claimed)
    made = in_tenant(claimed.tenant_id, lambda: _settle(claimed, report), Step.FILE_SETTLE)
    return made + breakers.note(_exchange(claimed, report))


def _exchange(claimed: ClaimedFile, report: _Report) -> Exchange:
    """A directory of the host's own is no way that could be broken."""
    is_there = report.outcome is AttemptOutcome.DELIVERED or claimed.place.remote is None
    ids = (claimed.tenant_id, claimed.endpoint_id, claimed.delivery_id)
    way = Way.ANSWERED if is_there else Way.FAILED
    return Exchange(*ids, way, report.detail, claimed.is_troubled)


def _put(claimed: ClaimedFile) -> _Report:
    sent_at = now()
    try:
        with sending(Step.FILE_PUT):
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
    if row is None:
        return ()
    in_hand = (row.state, row.attempts) == (DeliveryState.CLAIMED, claimed.attempts)
    if not in_hand and is_recorded(claimed.delivery_id, report.sent_at):
        # Its commit was lost on its way back.
        return ()
    _record(claimed, report, at)
    if row.state not in OPEN:
        return ()
    if report.outcome is AttemptOutcome.DELIVERED:
        return verdicts.left(row, at)
    if row.attempts != claimed.attempts:
        # Another worker has it in hand since.
        return ()
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
