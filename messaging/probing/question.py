"""A Health question to the system operator: sealed with the tenant's key, its answer opened with
the pinned ones, and what the answer tells of the peer's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from messaging.domain.acknowledgements import Health, HealthStatus
from messaging.probing.report import Colour, Finding
from messaging.protocols.base import Envelope, RemoteProtocolError, Stamp
from messaging.protocols.neso.seals import find_seal_of, get_seal
from messaging.protocols.neso.seals.base import Heading, Sealed, SealError, Target
from messaging.protocols.neso.settings import WaSettings
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.neso.wa.exchange import Outcome, exchange_of, read_answer
from messaging.relay.signing import OPERATOR, Credentials
from messaging.transports.base import Answered
from messaging.transports.connecting import Guard
from messaging.transports.https import post
from tenants.clock import now
from tenants.ids import new_id

SKEW_YELLOW = timedelta(seconds=5)
SKEW_RED = timedelta(seconds=60)
_WHOLE_SECONDS = timedelta(seconds=1)
"""How much the peer's stamps leave out."""


@dataclass(frozen=True, slots=True)
class Asking:
    """All that asking takes, so that no transaction is open meanwhile."""

    address: str
    settings: WaSettings
    codec: WaCodec
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Asked:
    """One question and the whole answer to it."""

    reference: str
    sent_at: datetime
    answer: Answered

    @property
    def milliseconds(self) -> float:
        return (self.answer.at - self.sent_at) / timedelta(milliseconds=1)


def ask(asking: Asking, guard: Guard, seconds: float) -> Asked:
    """Raises TransportError."""
    reference, sent_at = str(new_id()), now()
    parcel = asking.codec.encode(Envelope(Stamp(reference, sent_at), (Health(),)))
    exchange = exchange_of(asking.codec.profile, Health())
    url = asking.address + exchange.service.path_for(reference)
    sealed = get_seal(asking.settings.seal).close(
        parcel.content,
        key=asking.credentials.signing,
        issuer=asking.credentials.participant_id,
        audience=OPERATOR,
        reference=reference,
        now=sent_at,
        algorithm=asking.settings.algorithm,
        target=Target(exchange.service.method, url),
    )
    connection = asking.credentials.connection
    answer = post(
        url,
        sealed.body,
        {"Content-Type": sealed.content_type, **sealed.headers},
        context=connection.context,
        identity=connection.identity,
        seconds=seconds,
        guard=guard,
        method=exchange.service.method,
    )
    return Asked(reference, sent_at, answer)


def judge_seal(asking: Asking, asked: Asked) -> Finding:
    """Whether the answer is the operator's, and what it says."""
    answer = asked.answer
    detail: dict[str, object] = {"status": answer.status, "content_type": answer.content_type}
    if find_seal_of(answer.content_type, answer.headers) is None:
        text = f"HTTP {answer.status}, and no seal on the answer"
        colour = Colour.YELLOW if answer.status == 503 else Colour.RED
        return Finding(colour, text, detail)
    service = exchange_of(asking.codec.profile, Health()).service
    url = asking.address + service.path_for(asked.reference)
    trust = asking.credentials.trust
    try:
        opened = get_seal(asking.settings.seal).open(
            Sealed(answer.body, answer.content_type, answer.headers),
            trusted=trust.keys,
            audience=trust.audience,
            issuer=None,
            algorithms=trust.algorithms,
            now=answer.at,
            target=Target("ANSWER", url),
            id_at=asking.codec.profile.envelope.message_id.steps,
        )
        detail |= {"algorithm": opened.heading.algorithm, "signer": opened.signer.thumbprint}
        return _judge_answer(asking, asked, opened.payload, detail)
    except SealError as error:
        return Finding(Colour.RED, f"the answer's seal does not hold: {error.reason}", detail)
    except RemoteProtocolError as error:
        return Finding(Colour.RED, f"the answer can't be read: {error.text}", detail)


def _judge_answer(
    asking: Asking, asked: Asked, payload: bytes, detail: Mapping[str, object]
) -> Finding:
    exchange = exchange_of(asking.codec.profile, Health())
    status = asked.answer.status
    read = read_answer(asking.codec, exchange, status, payload, asked.reference)
    (message,) = read.envelope.messages
    if isinstance(message, Health) and message.status is HealthStatus.OK:
        return Finding(Colour.GREEN, "our seal was taken and the answer's seal holds", detail)
    if read.outcome in (Outcome.HELD, Outcome.VERDICT):
        return Finding(Colour.YELLOW, "the seals hold; the operator says that it is out", detail)
    return Finding(Colour.RED, f"the operator refused the question: HTTP {status}", detail)


def judge_clock(asking: Asking, asked: Asked) -> Finding:
    """How far the peer's clock is from ours, as far as whole seconds tell."""
    told, source = _told_time(asking, asked)
    if told is None:
        return Finding(Colour.GREY, "the answer tells no time")
    apart = _apart(told, asked.sent_at, asked.answer.at)
    seconds = round(apart.total_seconds(), 1)
    detail = {"seconds": seconds, "from": source}
    if not apart:
        return Finding(Colour.GREEN, "the peer's clock and ours agree", detail)
    size = abs(apart)
    colour = Colour.RED if size > SKEW_RED else Colour.YELLOW
    if size <= SKEW_YELLOW:
        colour = Colour.GREEN
    way = "ahead of" if seconds > 0 else "behind"
    return Finding(colour, f"the peer's clock is {abs(seconds)} s {way} ours", detail)


def _apart(told: datetime, sent_at: datetime, answered_at: datetime) -> timedelta:
    """Zero where the peer may have read its clock between question and answer."""
    if told < sent_at - _WHOLE_SECONDS:
        return told - (sent_at - _WHOLE_SECONDS)
    return told - answered_at if told > answered_at else timedelta()


def _told_time(asking: Asking, asked: Asked) -> tuple[datetime | None, str]:
    """By the seal, even one that does not hold for its time; else by HTTP."""
    heading = _heading(asking, asked.answer)
    if heading is not None:
        return heading.issued_at, "the seal"
    try:
        told = parsedate_to_datetime(asked.answer.headers.get("date", ""))
    except ValueError:
        return None, ""
    return told.astimezone(UTC) if told.tzinfo else told.replace(tzinfo=UTC), "the Date header"


def _heading(asking: Asking, answer: Answered) -> Heading | None:
    if find_seal_of(answer.content_type, answer.headers) is None:
        return None
    sealed = Sealed(answer.body, answer.content_type, answer.headers)
    try:
        return get_seal(asking.settings.seal).peek(sealed)
    except SealError:
        return None
