"""A question of the host's own to the system operator, and how any answer of the operator's is
opened: sealed with the tenant's key, carried with no transaction open, opened with the keys that
the vendor pinned.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol as Shape

from messaging.domain.messages import BmMessage
from messaging.protocols.base import Envelope, RemoteProtocolError, Stamp, UnknownProfile
from messaging.protocols.neso.seals import KeyDoesNotFit, find_seal_of
from messaging.protocols.neso.seals.base import Sealed, SealError, Target
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.neso.wa.exchange import (
    Answer,
    Exchange,
    Outcome,
    Sealing,
    exchange_of,
    read_answer,
    ruling_of,
)
from messaging.protocols.settings import BadSettings
from messaging.relay import signing
from messaging.relay.codecs import operator_codec
from messaging.relay.crash_points import Step
from messaging.relay.settings import operator_settings
from messaging.transports.base import Answered, TransportError
from messaging.transports.https import post
from tenants.certificates import CertificateMissing
from tenants.models import Endpoint

CANNOT_ASK = (CertificateMissing, KeyDoesNotFit, BadSettings, UnknownProfile)
"""What a person must put right before anything can be asked."""


class Sent(Shape):
    """What an answer is opened against: the question as it was sent, and who may sign to us."""

    @property
    def sealed(self) -> Sealed: ...
    @property
    def trust(self) -> signing.Trust: ...
    @property
    def url(self) -> str: ...
    @property
    def codec(self) -> WaCodec: ...


@dataclass(frozen=True, slots=True)
class Question:
    """All that asking takes, so that no transaction is open meanwhile."""

    url: str
    sealed: Sealed
    codec: WaCodec
    exchange: Exchange
    reference: str
    connection: signing.ConnectionKeys
    trust: signing.Trust


@dataclass(frozen=True, slots=True)
class Asked:
    """What asking came to. Without an `outcome` there was no answer that counts; without a `status`
    none at all. `answer` is there where its seal held; `record` are its bytes as they are kept.
    """

    outcome: Outcome | None
    detail: str
    status: int | None = None
    answer: Answer | None = None
    record: bytes = b""
    retry_after: float | None = None


def prepare(endpoint: Endpoint, message: BmMessage, reference: str, at: datetime) -> Question:
    """Within the tenant's scope. Raises one of CANNOT_ASK."""
    codec = operator_codec(endpoint.settings)
    exchange = exchange_of(codec.profile, message)
    keys = signing.credentials_for(endpoint)
    url = endpoint.address + exchange.service.path_for(reference)
    target = Target(exchange.service.method, url)
    sealed = signing.seal_of(endpoint.settings).close(
        codec.encode(Envelope(Stamp(reference, at), (message,))).content,
        key=keys.signing,
        issuer=keys.participant_id,
        audience=signing.OPERATOR,
        reference=reference,
        now=at,
        algorithm=operator_settings(endpoint.settings).algorithm,
        target=target,
    )
    return Question(target.url, sealed, codec, exchange, reference, keys.connection, keys.trust)


def ask(question: Question, seconds: float, step: Step) -> Asked:
    """Asks and reads the answer. Touches no database, and raises nothing that a peer can bring
    about.
    """
    try:
        answer = post(
            question.url,
            question.sealed.body,
            {"Content-Type": question.sealed.content_type, **question.sealed.headers},
            context=question.connection.context,
            identity=question.connection.identity,
            seconds=seconds,
            method=question.exchange.service.method,
            step=step,
        )
    except TransportError as error:
        return Asked(None, str(error))
    return _read(question, answer)


def _read(question: Question, answer: Answered) -> Asked:
    ruling = ruling_of(question.codec.profile, answer.status)
    outcome: Outcome | None = ruling.outcome
    said, detail = None, f"HTTP {answer.status}"
    try:
        if is_sealed(answer):
            payload = open_answer(question, answer)
            said = read_answer(
                question.codec, question.exchange, answer.status, payload, question.reference
            )
    except (SealError, RemoteProtocolError) as error:
        detail = f"HTTP {answer.status}: {error}"
    if said is not None:
        outcome = said.outcome
    elif ruling.sealing is Sealing.ALWAYS:
        outcome = None
    return Asked(outcome, detail, answer.status, said, kept(answer), answer.retry_after)


def is_sealed(answer: Answered) -> bool:
    return find_seal_of(answer.content_type, answer.headers) is not None


def open_answer(sent: Sent, answer: Answered) -> bytes:
    """The payload; an answer is sealed as its question was. Raises SealError."""
    seal = find_seal_of(sent.sealed.content_type, sent.sealed.headers)
    assert seal is not None, "an answer is sealed as its request was"
    opened = seal.open(
        Sealed(answer.body, answer.content_type, answer.headers),
        trusted=sent.trust.keys,
        audience=sent.trust.audience,
        issuer=None,
        algorithms=sent.trust.algorithms,
        now=answer.at,
        target=Target("ANSWER", sent.url),
        id_at=sent.codec.profile.envelope.message_id.steps,
    )
    return opened.payload


def kept(answer: Answered) -> bytes:
    """The answer with the headers that its seal travels in, as it is kept."""
    if not answer.body:
        return b""
    seal = find_seal_of(answer.content_type, answer.headers)
    names = seal.headers if seal else frozenset()
    headers = {name: value for name, value in answer.headers.items() if name in names}
    return Sealed(answer.body, answer.content_type, headers).record
