"""A control point's link as the database sees it: who holds it, which numbers are given, and what
became of each message on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import connection

from messaging.domain.instructions import InstructionKind
from messaging.domain.messages import BmMessage
from messaging.models import Delivery, Link
from messaging.protocols.base import Envelope, LocalProtocolError, Stamp
from messaging.protocols.edl.numbers import Waiting, next_number, plan_start, steps_back
from messaging.protocols.edl.profile import Role
from messaging.relay import correlate, due, supervision, verdicts
from messaging.relay.attempts import NewAttempt, insert_attempt
from messaging.relay.codecs import read_content
from messaging.relay.crash_points import Step
from messaging.relay.hold import Hold, LinkReplaced
from messaging.relay.load import LoadedDelivery, load_last_under, load_pending
from messaging.relay.moves import move
from messaging.relay.numbering import Outgoing, record_sending
from messaging.relay.register import ControlPoint, addressee_of
from messaging.relay.rows import NewDelivery
from messaging.states import AttemptOutcome, DeliveryState, Lane
from tenants.audit import bodies, ledger
from tenants.audit.events import Event, Fact, stamp
from tenants.clock import now
from tenants.ids import digest_of
from tenants.scope import in_tenant, require_tenant

_LOCK_IN_EPOCH = """
SELECT last_given FROM messaging_link WHERE endpoint_id = %s AND epoch = %s FOR UPDATE
"""
_SET_LAST_GIVEN = "UPDATE messaging_link SET last_given = %s WHERE endpoint_id = %s"
_UNANSWERED = """
SELECT d.id, d.reference, b.content, d.deadline FROM messaging_delivery d
JOIN audit_body b ON b.tenant_id = d.tenant_id AND b.digest = d.payload_digest
    AND b.month = date_trunc('month', d.payload_at AT TIME ZONE 'UTC')::date
WHERE d.endpoint_id = %s AND d.lane = 'link' AND d.state = 'CLAIMED' ORDER BY d.position
"""
_LEFT_AT = """
UPDATE messaging_delivery d SET sent_at = greatest(d.sent_at, w.left_at)
FROM unnest(%s::text[], %s::timestamptz[]) AS w(reference, left_at)
WHERE d.endpoint_id = %s AND d.lane = 'link' AND d.state = 'CLAIMED' AND d.reference = w.reference
"""
_INSTRUCTIONS = frozenset(InstructionKind)
"""Kinds of message that want a verdict beyond their acknowledgement."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A link that is about to be ready: what was last taken on it, and what to repeat byte for byte
    first.
    """

    hold: Hold
    last_taken: int
    last_given: int
    repeat: tuple[Outgoing, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """What one look for waiting messages came to: what to send, in order, and whether more may
    wait. `deliveries` were made by ones that had expired.
    """

    outgoing: tuple[Outgoing, ...]
    is_full: bool
    deliveries: tuple[NewDelivery, ...] = ()


@dataclass(frozen=True, slots=True)
class Gone:
    """A link that has gone back: the epoch it goes on in, and the last number that stands."""

    hold: Hold
    last_given: int


def open_link(
    tenant_id: UUID, control_point: ControlPoint, gateway: int, address: str, their_last: int
) -> Opened:
    """A control point said HELLO, having last taken `their_last`: opens a new epoch, which closes
    the one before.

    What it has taken and not answered is repeated; what it has not taken is to be given again,
    under new numbers.
    """

    def work() -> Opened:
        at = now()
        link = _locked_link(control_point.endpoint_id)
        hold = Hold(tenant_id, control_point, link.epoch + 1)
        waiting = _waiting(control_point)
        plan = plan_start(
            Role.HOST,
            [Waiting(w.number, w.content) for w in waiting],
            their_last,
            link.last_given,
            hold.profile.limits.number_modulus,
        )
        repeated = {w.number for w in plan.repeat}
        _give_again([w.delivery_id for w in waiting if w.number not in repeated], at)
        Link.objects.filter(id=link.id).update(
            epoch=hold.epoch,
            gateway=gateway,
            address=address,
            last_given=their_last or link.last_given,
            up_at=at,
            alarmed_at=None,
        )
        supervision.went_up(control_point, link, gateway, at)
        detail = {"control_point": control_point.name, "address": address, "epoch": hold.epoch}
        ledger.record(Fact(Event.LINK_UP, at, detail=detail))
        repeat = tuple(w for w in waiting if w.number in repeated)
        for outgoing in repeat:
            record_sending(outgoing, at, again=True)
        return Opened(hold, link.last_taken, their_last or link.last_given, repeat)

    return in_tenant(tenant_id, work, Step.LINK_OPEN)


def close_link(hold: Hold, reason: str, left_at: Mapping[int, datetime] | None = None) -> None:
    """The link is down, unless another has replaced it. `left_at` says when what has no answer was
    first written here.
    """

    def work() -> None:
        at = now()
        down = Link.objects.filter(endpoint_id=hold.endpoint_id, epoch=hold.epoch)
        if down.update(gateway=None, down_at=at):
            detail = {"control_point": hold.control_point.name, "reason": reason}
            ledger.record(Fact(Event.LINK_DOWN, at, detail=detail))
            _note_left(hold, left_at or {})
            supervision.went_down(hold.control_point, at)

    in_tenant(hold.tenant_id, work, Step.LINK_CLOSE)


def give(hold: Hold, limit: int, written: int) -> Given:
    """What this link is to write next, at most `limit` messages: those that were numbered after
    `written`, the last one it wrote, and then what waits without a number.

    Raises LinkReplaced. They are committed as sent before the first byte leaves, so that they go
    again byte for byte after a broken link.
    """

    def work() -> Given:
        number = _locked_in_epoch(hold)
        numbered = _numbered_after(hold, written, number)
        if len(numbered) >= limit:
            return Given(numbered[:limit], is_full=True)
        waiting = _give_numbers(hold, number, limit - len(numbered))
        return replace(waiting, outgoing=numbered + waiting.outgoing)

    return in_tenant(hold.tenant_id, work, Step.LINK_NUMBER)


def go_back(hold: Hold, expected: int) -> Gone:
    """The control point refused a number for a gap: what it has not taken is given again, from
    `expected` on, in an epoch of its own, for numbers come again that mean other messages.
    """

    def work() -> Gone:
        at = now()
        last_given = _locked_in_epoch(hold)
        modulus = hold.profile.limits.number_modulus
        before = (expected - 2) % modulus + 1 if expected > 1 else modulus
        waiting = _waiting(hold.control_point)
        plan = plan_start(
            Role.HOST,
            [Waiting(w.number, w.content) for w in waiting],
            before,
            last_given,
            modulus,
        )
        taken = {w.number for w in plan.repeat}
        _give_again([w.delivery_id for w in waiting if w.number not in taken], at)
        renewed = replace(hold, epoch=hold.epoch + 1)
        Link.objects.filter(endpoint_id=hold.endpoint_id).update(
            last_given=before, epoch=renewed.epoch
        )
        return Gone(renewed, before)

    return in_tenant(hold.tenant_id, work, Step.LINK_GO_BACK)


def acknowledge(
    hold: Hold, number: int, answered_at: datetime, left_at: datetime | None = None
) -> tuple[NewDelivery, ...]:
    """The control point has it, which was first written at `left_at`, where this link did that. An
    instruction still wants a verdict; anything else is done with.
    """

    def work() -> tuple[NewDelivery, ...]:
        _locked_in_epoch(hold)
        row = _sent(hold, number, left_at)
        if row is None:
            return ()
        _record_attempt(row, AttemptOutcome.DELIVERED, answered_at, "ACK")
        if (
            row.message.kind in _INSTRUCTIONS
            and row.state == DeliveryState.CLAIMED
            and not _is_answered_for(hold, row)
        ):
            _await_verdict(row, answered_at)
            return ()
        return verdicts.taken_on_link(row, answered_at)

    return in_tenant(hold.tenant_id, work, Step.LINK_ACKNOWLEDGED)


def _is_answered_for(hold: Hold, row: LoadedDelivery) -> bool:
    """Whether it has its verdict: asked only where the host may have answered for the unit."""
    point, unit = hold.control_point, row.message.bm_unit
    return addressee_of(point.name, point.environment, unit).auto_accept and correlate.is_answered(
        row.message
    )


def refused(
    hold: Hold,
    number: int,
    code: str,
    text: str,
    answered_at: datetime,
    left_at: datetime | None = None,
) -> tuple[NewDelivery, ...]:
    """The control point would not have it: that is for a person to see."""

    def work() -> tuple[NewDelivery, ...]:
        _locked_in_epoch(hold)
        row = _sent(hold, number, left_at)
        if row is None:
            return ()
        _record_attempt(row, AttemptOutcome.REFUSED, answered_at, f"NACK {code} {text}")
        return verdicts.refused_on_link(row, answered_at, code, text)

    return in_tenant(hold.tenant_id, work, Step.LINK_REFUSED)


def _locked_link(endpoint_id: UUID) -> Link:
    Link.objects.get_or_create(tenant_id=require_tenant(), endpoint_id=endpoint_id)
    locked: Link = Link.objects.select_for_update().get(endpoint_id=endpoint_id)
    return locked


def _locked_in_epoch(hold: Hold) -> int:
    """The last number given, with the link locked. Raises LinkReplaced."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_IN_EPOCH, [hold.endpoint_id, hold.epoch])
        found = cursor.fetchone()
    if found is None:
        raise LinkReplaced(hold.control_point.name)
    return int(found[0])


def _set_last_given(hold: Hold, number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SET_LAST_GIVEN, [number, hold.endpoint_id])


def _waiting(control_point: ControlPoint) -> list[Outgoing]:
    """What was given a number and has no answer, in the order it was given."""
    with connection.cursor() as cursor:
        cursor.execute(_UNANSWERED, [control_point.endpoint_id])
        found = cursor.fetchall()
    return [Outgoing(row[0], int(row[1]), bytes(row[2]), row[3]) for row in found]


def _numbered_after(hold: Hold, written: int, last: int) -> tuple[Outgoing, ...]:
    """What others numbered for this link, or this one in a commit that was lost on its way back."""
    modulus = hold.profile.limits.number_modulus
    ahead = steps_back(last, written, modulus)
    if not ahead:
        return ()
    unanswered = _waiting(hold.control_point)
    found = {steps_back(last, w.number, modulus): w for w in unanswered}
    return tuple(found[back] for back in range(ahead - 1, -1, -1) if back in found)


def _give_numbers(hold: Hold, number: int, limit: int) -> Given:
    at = now()
    outgoing: list[Outgoing] = []
    made: tuple[NewDelivery, ...] = ()
    late: list[LoadedDelivery] = []
    rows = load_pending(hold.endpoint_id, limit)
    for row in rows:
        if at >= row.deadline:
            late.append(row)
            continue
        following = next_number(number, hold.profile.limits.number_modulus)
        try:
            outgoing.append(_numbered(hold, row, following, at))
        except LocalProtocolError as error:
            made += verdicts.refused_on_link(row, at, "R003", f"cannot be said: {error}")
            continue
        number = following
    if outgoing:
        _set_last_given(hold, number)
    # What is told of them may get the next number at once, so these must have theirs before.
    for row in late:
        made += verdicts.expire(row, at)
    return Given(tuple(outgoing), len(rows) == limit, made)


def _give_again(delivery_ids: Sequence[UUID], at: datetime) -> None:
    """Back among those that wait: they were given a number that the control point never took."""
    if delivery_ids:
        Delivery.objects.filter(id__in=delivery_ids).update(state=DeliveryState.PENDING)
        for delivery_id in delivery_ids:
            due.put_off(delivery_id, at)


def _numbered(hold: Hold, row: LoadedDelivery, number: int, at: datetime) -> Outgoing:
    reference = hold.profile.number_text(number)
    content, written_at = _content(hold, row, reference, at)
    outgoing = Outgoing(row.id, number, content, row.deadline)
    changes = {
        "reference": reference,
        "attempts": row.attempts + 1,
        "payload_digest": digest_of(content),
        "payload_at": written_at,
        "sent_at": at,
    }
    move(row.id, DeliveryState.CLAIMED, changes, row.deadline)
    record_sending(outgoing, at, message_id=row.message_id, kind=row.message.kind)
    return outgoing


def _content(
    hold: Hold, row: LoadedDelivery, reference: str, at: datetime
) -> tuple[bytes, datetime]:
    """The bytes to send and when they were written: those of before, where the number is the
    same.
    """
    if row.reference == reference and row.payload_digest is not None and row.payload_at is not None:
        return bodies.read(bytes(row.payload_digest), row.payload_at), row.payload_at
    message, in_reply_to = _to_be_said(hold, row)
    parcel = hold.codec.encode(Envelope(Stamp(reference, at, in_reply_to), (message,)))
    bodies.keep(parcel.content, at)
    return parcel.content, at


def _to_be_said(hold: Hold, row: LoadedDelivery) -> tuple[BmMessage, str]:
    """The message, or as much of its text as one parcel holds (the rest has deliveries of its own),
    and what it answers.
    """
    source = row.message.endpoint
    envelope = read_content(source.protocol, row.message.profile, row.message.content)
    in_reply_to = envelope.stamp.in_reply_to if row.message.origin == "HOST" else ""
    return hold.codec.divide(envelope.messages[0])[0], in_reply_to


def _sent(hold: Hold, number: int, left_at: datetime | None) -> LoadedDelivery | None:
    """What was last sent under `number`. Until it is told when its first byte left, it is held to
    have left when that was committed, and never before.
    """
    row = load_last_under(hold.endpoint_id, hold.profile.number_text(number))
    if row is None or left_at is None:
        return row
    return replace(row, sent_at=max(left_at, row.sent_at or left_at))


def _note_left(hold: Hold, left_at: Mapping[int, datetime]) -> None:
    if left_at:
        references = [hold.profile.number_text(number) for number in left_at]
        with connection.cursor() as cursor:
            cursor.execute(_LEFT_AT, [references, list(left_at.values()), hold.endpoint_id])


def _await_verdict(row: LoadedDelivery, at: datetime) -> None:
    move(row.id, DeliveryState.DELIVERED, {"sent_at": row.sent_at}, row.deadline)
    ledger.record(Fact(Event.DELIVERED, at, row.message_id, row.id, detail=_times(row, at)))


def _record_attempt(
    row: LoadedDelivery, outcome: AttemptOutcome, answered_at: datetime, detail: str
) -> None:
    insert_attempt(
        NewAttempt(
            row.id,
            row.message_id,
            Lane.LINK,
            outcome,
            row.message.received_at,
            row.sent_at or answered_at,
            answered_at,
            now(),
            detail=detail,
        )
    )
    text = {"outcome": outcome.value, "text": detail, **_times(row, answered_at)}
    ledger.record(Fact(Event.ANSWERED, answered_at, row.message_id, row.id, detail=text))


def _times(row: LoadedDelivery, answered_at: datetime) -> dict[str, str | None]:
    return {
        "received_at": stamp(row.message.received_at),
        "sent_at": stamp(row.sent_at) if row.sent_at else None,
        "answered_at": stamp(answered_at),
        "settled_at": stamp(now()),
    }
