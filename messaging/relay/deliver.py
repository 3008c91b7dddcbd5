"""Carries one delivery to the system operator: claim, send with no transaction open, settle. Safe
to run twice and at once. How files to a trading point are carried is in `carry_file`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from messaging.domain.acknowledgements import ReceiptOfMessage, ReceiptStatus
from messaging.protocols.base import RemoteProtocolError
from messaging.protocols.neso.seals.base import SealError
from messaging.protocols.neso.wa.exchange import Answer as Verdict
from messaging.protocols.neso.wa.exchange import Outcome, Sealing, read_answer, ruling_of
from messaging.relay import (
    breakers,
    carry_file,
    contradiction,
    deadlines,
    draining,
    due,
    lamps,
    parking,
    verdicts,
    watch,
)
from messaging.relay.attempts import NewAttempt, insert_attempt, is_recorded
from messaging.relay.breakers import Exchange
from messaging.relay.breaking import way_of
from messaging.relay.bulkheads import Berth
from messaging.relay.carry_file import ClaimedFile
from messaging.relay.claim import Claimed, NotClaimed, claim, is_behind
from messaging.relay.crash_points import Step
from messaging.relay.gates import OUT
from messaging.relay.load import LoadedDelivery, find_place, is_settled, load, load_locked
from messaging.relay.moves import lock_queue
from messaging.relay.parts import is_large
from messaging.relay.questions import is_sealed, kept, open_answer
from messaging.relay.rows import NewDelivery
from messaging.relay.settings import operator_settings
from messaging.relay.verdicts import Made
from messaging.relay.wake import wake, wake_parked, wake_waiting
from messaging.states import OPEN, UNDELIVERED, AttemptOutcome, DeliveryState, Lane
from messaging.transports.base import Answered, TransportError, Unanswered
from messaging.transports.https import post
from tenants import ownership
from tenants.audit import bodies, ledger
from tenants.audit.events import Event, Fact, stamp
from tenants.clock import now
from tenants.scope import in_tenant, require_tenant

_VERDICTS = (Outcome.VERDICT, Outcome.REFUSED)

TOO_LATE = "its deadline passed before its first byte could leave"


@dataclass(frozen=True, slots=True)
class Report:
    """What one try came to: an answer whose seal held, or why there is none that counts."""

    outcome: Outcome | None
    sent_at: datetime
    answered_at: datetime | None
    status: int | None
    detail: str
    content: bytes = b""
    verdict: Verdict | None = None
    retry_after: float | None = None
    left: bool = True
    was_tried: bool = True


def deliver(tenant_id: UUID, delivery_id: UUID, *, large: bool = False) -> None:
    """Does what the delivery needs now, if it is this process's to do. One that is large is passed
    on to the workers for that, unless this is one of them. A process that is about to end takes
    nothing more in hand: the row is due.
    """
    if draining.is_on():
        return
    berth = Berth(parking.BULKHEADS)
    try:
        with ownership.in_hand(delivery_id) as mine:
            if mine:
                _deliver(tenant_id, delivery_id, large, berth)
    finally:
        # Only now: one that is woken while it is still in hand would be dropped.
        for ticket in berth.leave():
            wake_parked(ticket)


def _deliver(tenant_id: UUID, delivery_id: UUID, large: bool, berth: Berth) -> None:
    owner = ownership.owner()
    claimed = in_tenant(
        tenant_id,
        lambda: take_in_hand(delivery_id, owner, large=large, berth=berth),
        Step.CLAIM,
    )
    if isinstance(claimed, NotClaimed):
        if claimed.left_alone:
            berth.turn_away()
        wake(claimed.deliveries)
        return
    berth.use()
    if isinstance(claimed, ClaimedFile):
        wake(carry_file.carry(claimed))
        return
    report = _send(claimed)
    wake(in_tenant(tenant_id, lambda: _settle(claimed, report), Step.SETTLE))
    wake_waiting(breakers.note(_exchange(claimed, report)))


def take_in_hand(
    delivery_id: UUID, owner: int, *, large: bool = True, berth: Berth | None = None
) -> Claimed | ClaimedFile | NotClaimed:
    """Within the tenant's scope: claims what is to be sent from here, and looks after what waits
    for others. What is `large` is left alone by whoever does not carry such; of what finds no
    `berth` the first of each queue waits for one, and the others wait for that one.
    """
    place = find_place(delivery_id)
    if place is None or place.state not in OPEN:
        # What was read of it may be old: a person may have replayed it while the queue was locked.
        if is_settled(delivery_id):
            due.remove(delivery_id)
        return NotClaimed()
    if place.lane == Lane.LINK or place.state == DeliveryState.DELIVERED:
        return NotClaimed(watch.look_after(delivery_id))
    if is_large(place.lane, place.queue) and not large:
        lane, queue = Lane(place.lane), place.queue
        passed = NewDelivery(delivery_id, require_tenant(), place.endpoint_id, lane, queue=queue)
        return NotClaimed((passed,))
    has_room = berth is None or berth.enter(place.endpoint_id)
    if berth is not None and not has_room and not is_behind(place):
        parking.park(berth, delivery_id, place, owner)
        return NotClaimed()
    row = load(delivery_id)
    if row is None or row.state not in UNDELIVERED:
        return NotClaimed()
    return claim(row, owner)


def _exchange(claimed: Claimed, report: Report) -> Exchange:
    way = way_of(report.status, tried=report.was_tried)
    ids = (claimed.tenant_id, claimed.endpoint.id, claimed.delivery_id)
    return Exchange(*ids, way, report.detail, claimed.is_troubled)


def _send(claimed: Claimed) -> Report:
    sent_at = now()
    usual = operator_settings(claimed.endpoint.settings).answer_within
    within = deadlines.answer_within(usual, len(claimed.sealed.body))
    time_left = deadlines.time_for(within, claimed.deadline, sent_at)
    if time_left is None:
        return Report(None, sent_at, None, None, TOO_LATE, left=False, was_tried=False)
    try:
        answer = post(
            claimed.url,
            claimed.sealed.body,
            {"Content-Type": claimed.sealed.content_type, **claimed.sealed.headers},
            context=claimed.connection.context,
            identity=claimed.connection.identity,
            seconds=time_left.total_seconds(),
            method=claimed.exchange.service.method,
            step=Step.POST,
        )
    except TransportError as error:
        left = isinstance(error, Unanswered)
        return Report(None, sent_at, None, None, str(error), left=left)
    return _read(claimed, answer, sent_at)


def _read(claimed: Claimed, answer: Answered, sent_at: datetime) -> Report:
    """Opens the answer. One whose seal, or whose `inReplyTo`, does not hold counts as no answer at
    all.
    """
    ruling = ruling_of(claimed.codec.profile, answer.status)
    outcome: Outcome | None = ruling.outcome
    verdict, detail = None, f"HTTP {answer.status}"
    try:
        verdict = _opened(claimed, answer) if is_sealed(answer) else None
    except (SealError, RemoteProtocolError) as error:
        detail = f"HTTP {answer.status}: {error}"
    if verdict is None and ruling.sealing is Sealing.ALWAYS:
        outcome = None
    return Report(
        verdict.outcome if verdict else outcome,
        sent_at,
        answer.at,
        answer.status,
        detail,
        kept(answer),
        verdict,
        answer.retry_after,
    )


def _opened(claimed: Claimed, answer: Answered) -> Verdict:
    return read_answer(
        claimed.codec,
        claimed.exchange,
        answer.status,
        open_answer(claimed, answer),
        claimed.reference,
    )


def _settle(claimed: Claimed, report: Report) -> Made:
    lock_queue(claimed.endpoint.id, claimed.queue)
    row = load_locked(claimed.delivery_id)
    at = now()
    if row is None or _is_settled_already(claimed, report, row):
        return ()
    _record(claimed, report, at)
    if row.state not in OPEN:
        _compare(row, at, report)
        return ()
    if report.outcome not in _VERDICTS and _is_overtaken(claimed, row):
        return ()
    match report.outcome:
        case Outcome.VERDICT:
            if _is_final(report):
                return verdicts.accept(row, at)
            return verdicts.await_final(row, at)
        case Outcome.REFUSED:
            return verdicts.refuse(row, at, _reason(report), _receipt(report))
        case Outcome.HELD:
            until = deadlines.held_until(at, report.retry_after, _seed(claimed))
            lamps.went_out(row.endpoint_id, at, report.detail)
            return verdicts.hold(row, at, min(until, row.deadline), OUT)
        case _:
            schedule = deadlines.schedule_of(row.message.kind)
            pause = deadlines.pause_after(schedule, claimed.attempts, str(claimed.delivery_id))
            return verdicts.retry(row, at, deadlines.pause_asked(pause, report.retry_after))


def _compare(row: LoadedDelivery, at: datetime, report: Report) -> None:
    """It ended while this try was under way: by its deadline, a person, or another's word."""
    if report.outcome is Outcome.REFUSED:
        contradiction.note(row, at, ReceiptStatus.REJECTED, _reason(report))
    elif report.outcome is Outcome.VERDICT:
        taken = ReceiptStatus.ACCEPTED if _is_final(report) else ReceiptStatus.RECEIVED
        contradiction.note(row, at, taken)


def _is_final(report: Report) -> bool:
    return report.verdict is None or report.verdict.final


def _is_settled_already(claimed: Claimed, report: Report, row: LoadedDelivery) -> bool:
    """Whether this very try is on record: its commit was lost on its way back. Asked only where
    somebody has moved it since it was claimed.
    """
    if (row.state, row.attempts) == (DeliveryState.CLAIMED, claimed.attempts):
        return False
    return is_recorded(claimed.delivery_id, report.sent_at)


def _is_overtaken(claimed: Claimed, row: LoadedDelivery) -> bool:
    """Whether the peer has it, or another worker has it in hand since: what this one does not know
    is no matter then. A verdict is, whoever heard it.
    """
    return row.state == DeliveryState.DELIVERED or row.attempts != claimed.attempts


def _seed(claimed: Claimed) -> str:
    return f"{claimed.delivery_id} {claimed.attempts}"


def _receipt(report: Report) -> ReceiptOfMessage | None:
    answer = report.verdict.envelope.messages[0] if report.verdict else None
    return answer if isinstance(answer, ReceiptOfMessage) else None


def _reason(report: Report) -> str:
    """The first code and text of a rejection, as the control point is told them."""
    receipt = _receipt(report)
    return verdicts.first_error(receipt) if receipt else report.detail


def _record(claimed: Claimed, report: Report, at: datetime) -> None:
    """The attempt, and its entry with the four times of a forwarded message."""
    digest = bodies.keep(report.content, at) if report.content else None
    outcome = _outcome(report)
    insert_attempt(
        NewAttempt(
            claimed.delivery_id,
            claimed.message_id,
            Lane.OPERATOR,
            outcome,
            claimed.received_at,
            report.sent_at,
            report.answered_at,
            at,
            report.status,
            report.detail,
            digest,
        )
    )
    event = Event.ANSWERED if report.outcome is not None else Event.UNANSWERED
    detail = {
        "outcome": outcome.value,
        "status": report.status,
        "text": report.detail,
        "received_at": stamp(claimed.received_at),
        "sent_at": stamp(report.sent_at),
        "answered_at": stamp(report.answered_at) if report.answered_at else None,
        "settled_at": stamp(at),
    }
    ids = (claimed.message_id, claimed.delivery_id)
    ledger.record(Fact(event, report.answered_at or at, *ids, digest=digest, detail=detail))


def _outcome(report: Report) -> AttemptOutcome:
    match report.outcome:
        case Outcome.VERDICT:
            return AttemptOutcome.DELIVERED
        case Outcome.REFUSED:
            return AttemptOutcome.REFUSED
        case Outcome.HELD | Outcome.FAILED:
            return AttemptOutcome.FAILED
        case _:
            return AttemptOutcome.UNKNOWN if report.left else AttemptOutcome.FAILED
