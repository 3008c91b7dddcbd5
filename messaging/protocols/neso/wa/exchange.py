"""Which service carries what, and what an answer means: pure readings of a profile's exchange
table. No HTTP is done here.
"""

from __future__ import annotations

from dataclasses import dataclass

from messaging.domain.acknowledgements import ReceiptOfMessage, ReceiptStatus
from messaging.domain.messages import BmMessage
from messaging.domain.units import RefusalCode
from messaging.protocols.base import Envelope, LocalProtocolError, Parcel, RemoteProtocolError
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.neso.wa.forms import form_of
from messaging.protocols.neso.wa.profile import (
    Direction,
    Exchange,
    Outcome,
    ReceiptMode,
    Ruling,
    Sealing,
    Service,
    WaProfile,
)

__all__ = [
    "Answer",
    "Direction",
    "Exchange",
    "Outcome",
    "ReceiptMode",
    "Ruling",
    "Sealing",
    "exchange_of",
    "find_service",
    "get_exchange",
    "outcome_of",
    "path_of",
    "read_answer",
    "ruling_of",
    "service_of",
    "verdict_of",
]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an opened answer comes to. With `final` nothing further is to be awaited or sent."""

    outcome: Outcome
    final: bool
    envelope: Envelope


def exchange_of(profile: WaProfile, message: BmMessage) -> Exchange:
    """How a message is asked; LocalProtocolError for one that is only ever an answer, or that the
    profile cannot carry.

    A receipt says nothing of the service it travels on: that takes `get_exchange`.
    """
    layout = profile.by_meaning.get(form_of(message))
    if layout is None or layout.answer:
        raise LocalProtocolError(
            f"{profile.name} carries no {type(message).__name__} as a question"
        )
    return next(row for row in profile.exchanges if row.type == layout.type)


def get_exchange(profile: WaProfile, service: str, type_: str) -> Exchange:
    """The row of the table; LocalProtocolError where the service carries no such payload as a
    question.
    """
    for row in profile.exchanges:
        if row.service.name == service and row.type == type_:
            return row
    raise LocalProtocolError(f"{profile.name}: {service} carries no {type_}")


def service_of(profile: WaProfile, message: BmMessage) -> str:
    """The name of the service that carries a message as a question."""
    return exchange_of(profile, message).service.name


def path_of(profile: WaProfile, service: str, message_id: str = "") -> str:
    """What the URL of a question with that messageId has after the base URL."""
    try:
        return profile.services[service].path_for(message_id)
    except KeyError:
        raise LocalProtocolError(f"{profile.name} has no service {service}") from None


def find_service(profile: WaProfile, path: str) -> Service | None:
    """The service that a path leads to; one that is spelt out goes before one with a messageId."""
    found = [one for one in profile.services.values() if one.is_at(path)]
    return min(found, key=lambda one: one.path != path, default=None)


def ruling_of(profile: WaProfile, status: int) -> Ruling:
    """What an HTTP status means, sealed or not."""
    rulings = profile.rulings
    return rulings.exact.get(status) or rulings.hundreds.get(status // 100) or rulings.other


def outcome_of(profile: WaProfile, status: int) -> Outcome:
    return ruling_of(profile, status).outcome


def verdict_of(receipt: ReceiptOfMessage) -> Outcome:
    """RECEIVED counts as a verdict: the message was taken, whatever is said later."""
    if receipt.status is ReceiptStatus.REJECTED:
        return Outcome.REFUSED
    return Outcome.VERDICT


def read_answer(
    codec: WaCodec, exchange: Exchange, status: int, payload: bytes, asked: str
) -> Answer:
    """What the opened answer to the question with the messageId `asked` says.

    RemoteProtocolError where it counts as no answer: unreadable, to another question, or its
    content and its status contradict each other.
    """
    envelope = codec.decode(Parcel(payload, exchange.service.name))
    reference = envelope.stamp.reference
    if envelope.stamp.in_reply_to != asked:
        raise RemoteProtocolError(
            "answers another message", field=codec.pointer_to("in_reply_to"), reference=reference
        )
    (message,) = envelope.messages
    outcome = outcome_of(codec.profile, status)
    refusal = isinstance(message, ReceiptOfMessage) and verdict_of(message) is Outcome.REFUSED
    promised = codec.type_of(message) == exchange.answer
    if outcome is Outcome.VERDICT and promised:
        return Answer(
            Outcome.REFUSED if refusal else outcome, _is_final(exchange, message), envelope
        )
    if outcome is Outcome.REFUSED and refusal:
        return Answer(outcome, True, envelope)
    if outcome in (Outcome.HELD, Outcome.FAILED) and refusal:
        return Answer(outcome, False, envelope)
    raise RemoteProtocolError(
        f"not what an answer with status {status} says",
        code=RefusalCode.UNKNOWN_TYPE,
        field=codec.pointer_to("type"),
        reference=reference,
    )


def _is_final(exchange: Exchange, message: BmMessage) -> bool:
    return not (
        exchange.receipt is ReceiptMode.LATER
        and isinstance(message, ReceiptOfMessage)
        and message.status is ReceiptStatus.RECEIVED
    )
