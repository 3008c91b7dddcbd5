"""Stores, through the relay's own statements, what one redeclaration and one acceptance leave
behind for a tenant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from messaging.domain.acknowledgements import FreeText
from messaging.domain.instructions import BidOfferAcceptance, InstructionKind
from messaging.domain.messages import BmMessage, kind_of, unit_of
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import LevelParameter, LevelRedeclaration
from messaging.models import Delivery, Instruction, Message, OutageNotice
from messaging.protocols.base import Codec, Envelope, Stamp
from messaging.relay import holds, lamps, telephone
from messaging.relay.attempts import NewAttempt, insert_attempt
from messaging.relay.codecs import legacy_codec, operator_codec
from messaging.relay.rows import NewMessage, insert_delivery, insert_message
from messaging.states import DEAD, AttemptOutcome, DeliveryState, Lane
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.ids import digest_of, new_id
from tenants.models import Endpoint
from tenants.scope import tenant_scope
from tests.people import Person

START = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=1)
"""When the first message came; the others follow a minute apart. Bodies can be kept in months about
now only.
"""


@dataclass(frozen=True, slots=True)
class Carried:
    """Ids in the order of receipt: a redeclaration, an acceptance, a text that was refused, and
    broken bytes that nobody forwards.
    """

    redeclaration: UUID
    acceptance: UUID
    text: UUID
    broken: UUID
    instruction: UUID
    endpoint: UUID
    """The one that leads to the system operator."""

    @property
    def messages(self) -> tuple[UUID, ...]:
        return (self.redeclaration, self.acceptance, self.text, self.broken)


def carry(person: Person) -> Carried:
    point = person.control_points[0]
    unit = person.bm_units[point][0]
    levels = (Segment(START, 100, START + timedelta(minutes=30), 80),)
    redeclared = LevelRedeclaration(point, unit, LevelParameter.MEL, levels)
    accepted = BidOfferAcceptance(point, unit, 7, START, False, True, False, False, levels)
    with tenant_scope(person.tenant_id):
        link = Endpoint.objects.get(name=point)
        operator = Endpoint.objects.get(protocol="neso-wa")
        up = _store(link, Message.Origin.CONTROL_POINT, redeclared, 0)
        _deliver(up, operator, Lane.OPERATOR, unit, DeliveryState.ACKNOWLEDGED)
        down = _store(operator, Message.Origin.OPERATOR, accepted, 1)
        _deliver(down, link, Lane.LINK, unit, DeliveryState.PENDING)
        instruction = _instruct(down, link, unit)
        _stand_still(operator, unit)
        text = _store(link, Message.Origin.CONTROL_POINT, FreeText(point, "hello"), 2)
        broken = _insert(link, b"\x00 not EDL", 3, kind="", unit="", refusal="R001")
        _deliver(text, operator, Lane.OPERATOR, unit, DeliveryState.REFUSED)
    return Carried(up, down, text, broken, instruction, operator.id)


def _stand_still(operator: Endpoint, unit: str) -> None:
    """A lamp, a hold that was released, and a notice that nobody has completed."""
    lamps.locked(operator.id)
    hold = holds.place("because", "a person", START, bm_unit=unit)
    holds.release(hold, "no more", "a person", START)
    telephone.post(OutageNotice(text="something is out"), "a person", START)


def _store(endpoint: Endpoint, origin: Message.Origin, message: BmMessage, minute: int) -> UUID:
    codec: Codec = operator_codec({}) if endpoint.protocol == "neso-wa" else legacy_codec({})
    reference = str(new_id()) if endpoint.protocol == "neso-wa" else f"{minute + 1:08d}"
    envelope = Envelope(Stamp(reference, START + timedelta(minutes=minute)), (message,))
    content = codec.encode(envelope).content
    stored = _insert(
        endpoint, content, minute, kind=kind_of(message), unit=unit_of(message), origin=origin
    )
    ledger.record(Fact(Event.RECEIVED, START, stored, digest=digest_of(content)))
    return stored


def signed_form(content: bytes) -> bytes:
    """Of what the operator sent: what stands in it is nobody's to check here."""
    return b"content-type: application/json\r\nx-jws-signature: e30..AA\r\n\r\n" + content


def _insert(
    endpoint: Endpoint,
    content: bytes,
    minute: int,
    *,
    kind: str,
    unit: str,
    origin: Message.Origin = Message.Origin.CONTROL_POINT,
    refusal: str = "",
) -> UUID:
    return insert_message(
        NewMessage(
            endpoint_id=endpoint.id,
            origin=origin,
            kind=kind,
            bm_unit=unit,
            reference=str(minute),
            content=content,
            received_at=START + timedelta(minutes=minute),
            refusal_code=refusal,
            sealed=signed_form(content) if origin == Message.Origin.OPERATOR else b"",
        )
    )


def _deliver(
    message_id: UUID, endpoint: Endpoint, lane: Lane, queue: str, state: DeliveryState
) -> None:
    new = insert_delivery(
        message_id,
        endpoint.id,
        lane,
        queue,
        at=START,
        due_at=START + timedelta(days=1000),
        deadline=START + timedelta(minutes=2),
    )
    moment = datetime.now(UTC)
    settled_at = moment if state in DEAD else None
    Delivery.objects.filter(id=new.id).update(state=state, attempts=1, settled_at=settled_at)
    insert_attempt(
        NewAttempt(
            *(new.id, message_id, lane, AttemptOutcome.DELIVERED),
            *(moment, moment, moment, moment),
            status=200,
        )
    )
    ledger.record(Fact(Event.DELIVERED, moment, message_id, new.id))


def _instruct(message_id: UUID, endpoint: Endpoint, unit: str) -> UUID:
    row = Instruction.objects.create(
        message_id=message_id,
        tenant_id=endpoint.tenant_id,
        endpoint=endpoint,
        kind=InstructionKind.BOA,
        bm_unit=unit,
        number=7,
        content_digest=digest_of(b"content"),
        respond_by=START + timedelta(minutes=2),
    )
    return row.id
