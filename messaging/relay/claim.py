"""Takes a delivery that is a worker's in hand: whose turn it is, and the very bytes that are
about to leave.

The bytes are sealed and committed, with a `sending` entry, before the first of them goes: whatever
happens after, the host knows what the peer may have seen, and sends the same again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from messaging.domain.instructions import InstructionAnswer, InstructionKind
from messaging.domain.messages import BmMessage
from messaging.models import Instruction
from messaging.protocols.base import (
    Envelope,
    LocalProtocolError,
    RemoteProtocolError,
    Stamp,
    UnknownProfile,
)
from messaging.protocols.neso.seals.base import Sealed, Target, is_fresh
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.neso.wa.exchange import Exchange, exchange_of
from messaging.protocols.settings import BadSettings
from messaging.relay import (
    breakers,
    carry_file,
    deadlines,
    due,
    signing,
    superseding,
    verdicts,
)
from messaging.relay.carry_file import ClaimedFile
from messaging.relay.codecs import operator_codec, read_loaded, wider_access_codec
from messaging.relay.gates import OUT, Gate, gate_before
from messaging.relay.load import LoadedDelivery, LoadedEndpoint, Place
from messaging.relay.moves import AS_BEFORE, move
from messaging.relay.parts import is_large, outline_of, part_for
from messaging.relay.rows import NewDelivery
from messaging.relay.settings import operator_settings
from messaging.states import DeliveryState, Lane
from tenants.audit import bodies, ledger
from tenants.audit.events import Event, Fact
from tenants.certificates import CertificateMissing
from tenants.clock import now
from tenants.ids import digest_of
from tenants.scope import require_tenant

_UNSENDABLE = (
    CertificateMissing,
    LocalProtocolError,
    RemoteProtocolError,
    BadSettings,
    UnknownProfile,
    bodies.BodyGone,
)
"""What a person must put right before it can be sent."""

_AHEAD = """
SELECT held_at IS NOT NULL FROM messaging_delivery
WHERE endpoint_id = %s AND queue = %s AND state IN ('PENDING', 'CLAIMED', 'HELD') AND position < %s
ORDER BY position LIMIT 1
"""

NOTICED_WITHIN = timedelta(seconds=2)
"""After a revocation, any process signs with the next key."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """All that the way out needs, so that no transaction is open meanwhile."""

    tenant_id: UUID
    delivery_id: UUID
    message_id: UUID
    queue: str
    endpoint: LoadedEndpoint
    sealed: Sealed
    codec: WaCodec
    exchange: Exchange
    url: str
    reference: str
    connection: signing.ConnectionKeys
    trust: signing.Trust
    attempts: int
    received_at: datetime
    deadline: datetime
    is_troubled: bool


@dataclass(frozen=True, slots=True)
class NotClaimed:
    """Another has it, it must wait, or it came to an end; `deliveries` were made by that end.
    `left_alone` says that its endpoint is.
    """

    deliveries: tuple[NewDelivery, ...] = ()
    left_alone: bool = False


def claim(row: LoadedDelivery, owner: int) -> Claimed | ClaimedFile | NotClaimed:
    """Within the tenant's scope and with the queue locked: claims the delivery, if it is its turn
    and its time, and seals what is to be sent to the operator.
    """
    at = now()
    ahead = _ahead_of(row)
    if ahead is not None:
        return NotClaimed(_wait_behind(row, ahead, at))
    if row.wait_until is not None and at < min(row.wait_until, row.deadline):
        return NotClaimed()
    gate = gate_before(row)
    if gate is None and at < row.deadline and breakers.keeps_back(row, at):
        return NotClaimed(left_alone=True)
    large = is_large(row.lane, row.queue)
    if not due.claim(row.id, owner, at + (deadlines.LARGE_LEASE if large else deadlines.LEASE)):
        return NotClaimed()
    if at >= row.deadline:
        return NotClaimed(verdicts.expire(row, at))
    if gate is not None:
        return NotClaimed(_wait_at(gate, row, at))
    try:
        newer = superseding.find_newer(row, at)
        if newer is not None:
            return NotClaimed(verdicts.supersede(row, at, newer))
        return _sealed(row, at) if row.lane == Lane.OPERATOR else carry_file.claim(row, at)
    except carry_file.NotItsTurn:
        due.put_off(row.id, at + deadlines.TURN_LOOK_AGAIN)
        return NotClaimed()
    except _UNSENDABLE as error:
        verdicts.alarm(row, at, f"cannot be sent: {error}")
        return NotClaimed(verdicts.retry(row, at, deadlines.BLOCKED_LOOK_AGAIN))


@dataclass(frozen=True, slots=True)
class _Ahead:
    was_held: bool


def is_behind(place: Place) -> bool:
    """Whether another must be delivered before it, whatever room there is. With the queue locked:
    so it is until the transaction ends.
    """
    return _ahead_of(place) is not None


def _ahead_of(row: LoadedDelivery | Place) -> _Ahead | None:
    """What must be delivered before it: the first of its queue that is not."""
    with connection.cursor() as cursor:
        cursor.execute(_AHEAD, [row.endpoint_id, row.queue, row.position])
        found = cursor.fetchone()
    return _Ahead(found[0]) if found else None


def _wait_behind(row: LoadedDelivery, ahead: _Ahead, at: datetime) -> tuple[NewDelivery, ...]:
    """Settling the one ahead makes this one due; if that one is held, the control point of this one
    is told too.
    """
    again = min(at + deadlines.BEHIND_LOOK_AGAIN, row.deadline)
    if at >= row.deadline:
        return verdicts.expire(row, at)
    if ahead.was_held and row.held_at is None:
        gate = gate_before(row)
        text = gate.text if gate else OUT
        return verdicts.hold(row, at, again, text, in_person=False)
    due.put_off(row.id, again)
    return ()


def _wait_at(gate: Gate, row: LoadedDelivery, at: datetime) -> tuple[NewDelivery, ...]:
    """Whoever opens the gate makes it due; looking again is the safety net. It is told once."""
    again = min(at + deadlines.GATE_LOOK_AGAIN, row.deadline)
    if row.state == DeliveryState.HELD and row.wait_until is None:
        due.put_off(row.id, again)
        return ()
    return verdicts.hold(row, at, again, gate.text, in_person=False)


def _may_bear_a_revoked_signature(sealed_at: datetime, key: signing.Credentials) -> bool:
    """Other processes may have signed with it for a moment longer."""
    return key.revoked_at is not None and sealed_at <= key.revoked_at + NOTICED_WITHIN


def _sealed(row: LoadedDelivery, at: datetime) -> Claimed:
    codec = _codec(row)
    message = outline_of(row) or _completed(row)
    exchange = exchange_of(codec.profile, message)
    payload = _payload(row, message, codec, at)
    key = signing.credentials_for(row.endpoint)
    seal = signing.seal_of(row.endpoint.settings)
    url = row.endpoint.address + exchange.service.path_for(str(row.id))
    address = Target(exchange.service.method, url)
    sealed_at = row.sealed_at
    if (
        row.sealed_digest is not None
        and sealed_at is not None
        and is_fresh(sealed_at, at)
        and not _may_bear_a_revoked_signature(sealed_at, key)
    ):
        sealed = Sealed.from_record(bodies.read(bytes(row.sealed_digest), sealed_at))
    else:
        sealed_at = at
        sealed = seal.close(
            payload,
            key=key.signing,
            issuer=key.participant_id,
            audience=signing.OPERATOR,
            reference=str(row.id),
            now=at,
            algorithm=operator_settings(row.endpoint.settings).algorithm,
            target=address,
        )
        _record_signed(row, sealed, at, key)
    digest = digest_of(sealed.record)
    changes = {
        "attempts": row.attempts + 1,
        "reference": str(row.id),
        "payload_digest": digest_of(payload),
        "payload_at": row.payload_at or at,
        "payload_profile": codec.profile.name,
        "sealed_digest": digest,
        "sealed_at": sealed_at,
        "sent_at": at,
        "wait_until": None,
    }
    move(row.id, DeliveryState.CLAIMED, changes, AS_BEFORE)
    detail = {
        "method": address.verb,
        "url": address.url,
        "attempt": row.attempts + 1,
        "bytes": len(sealed.body),
    }
    ledger.record(Fact(Event.SENDING, at, row.message_id, row.id, digest=digest, detail=detail))
    return Claimed(
        tenant_id=require_tenant(),
        delivery_id=row.id,
        message_id=row.message_id,
        queue=row.queue,
        endpoint=row.endpoint,
        sealed=sealed,
        codec=codec,
        exchange=exchange,
        url=address.url,
        reference=str(row.id),
        connection=key.connection,
        trust=key.trust,
        attempts=row.attempts + 1,
        received_at=row.message.received_at,
        deadline=row.deadline,
        is_troubled=breakers.is_troubled(row),
    )


def _codec(row: LoadedDelivery) -> WaCodec:
    """What was written once goes as it was, to where its own profile says, whatever the endpoint
    speaks by now.
    """
    if row.payload_digest is not None and row.payload_profile:
        return wider_access_codec(row.payload_profile)
    return operator_codec(row.endpoint.settings)


def _payload(row: LoadedDelivery, message: BmMessage, codec: WaCodec, at: datetime) -> bytes:
    """Made at the first attempt, and the same bytes ever after."""
    if row.payload_digest is not None and row.payload_at is not None:
        return bodies.read(bytes(row.payload_digest), row.payload_at)
    parcel = codec.encode(Envelope(Stamp(str(row.id), at), (message,)))
    bodies.keep(parcel.content, at)
    return parcel.content


def _completed(row: LoadedDelivery) -> BmMessage:
    """The message to be sent. EDL's answers say neither what kind of instruction they answer nor
    when: the relay knows both.
    """
    message = part_for(row, read_loaded(row.message))
    if not isinstance(message, InstructionAnswer):
        return message
    answered = row.message.answers_id
    assert answered is not None, "an answer is stored with the instruction it answers"
    kind = Instruction.objects.values_list("kind", flat=True).get(message_id=answered)
    return replace(message, kind=InstructionKind(kind), responded_at=row.message.received_at)


def _record_signed(
    row: LoadedDelivery, sealed: Sealed, at: datetime, key: signing.Credentials
) -> None:
    digest = bodies.keep(sealed.record, at)
    detail = {"key": key.signing.thumbprint, "again": row.sealed_digest is not None}
    ledger.record(Fact(Event.SIGNED, at, row.message_id, row.id, digest=digest, detail=detail))
