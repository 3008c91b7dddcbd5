"""One sealed question to the Single Markets Platform and its answer: with a token, and with another
one once more where it was refused. What it means is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from messaging.protocols.neso.seals import find_seal_of
from messaging.protocols.neso.seals.base import Sealed, SealError, Target
from messaging.protocols.neso.smp.codec import SmpCodec
from messaging.relay import signing
from messaging.relay.crash_points import Step
from messaging.relay.settings import operator_settings
from messaging.relay.smp import logins
from messaging.relay.smp.places import Platform
from messaging.transports.base import Answered, TransportError, Unanswered
from messaging.transports.https import post
from tenants.clock import now
from tenants.scope import require_tenant

NOT_LET_IN: Final = 401


@dataclass(frozen=True, slots=True)
class Question:
    """All that the way out needs, so that no transaction is open meanwhile."""

    tenant_id: UUID
    platform: Platform
    codec: SmpCodec
    message_id: UUID
    url: str
    sealed: Sealed
    keys: signing.Credentials

    @property
    def thumbprint(self) -> str:
        return self.keys.signing.thumbprint


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of it. `payload` is an answer whose seal held; `left` says that bytes left which
    the peer may have taken; `status` is None where there was no whole answer.
    """

    at: datetime
    detail: str
    status: int | None = None
    payload: bytes | None = None
    retry_after: float | None = None
    left: bool = True
    body: bytes = b""
    person: bool = False
    """A person must put something right before it can be sent."""


def close(
    platform: Platform, path: str, message_id: UUID, payload: bytes, at: datetime
) -> Question:
    """Seals `payload` for the open scope's tenant. Raises CertificateMissing, KeyDoesNotFit."""
    keys = signing.credentials_for(platform.sealing)
    return _question(
        platform, path, message_id, _closed(platform, path, message_id, payload, at, keys), keys
    )


def reopen(platform: Platform, path: str, message_id: UUID, sealed: Sealed) -> Question:
    """With bytes that were sealed before and are still fresh."""
    keys = signing.credentials_for(platform.sealing)
    return _question(platform, path, message_id, sealed, keys)


def revoked_at(platform: Platform) -> datetime | None:
    """When a key that signed was last revoked."""
    return signing.credentials_for(platform.sealing).revoked_at


def ask(question: Question, step: Step | None = None) -> Reply:
    """Outside any scope; `step` is the sending's name. Raises nothing of the network's."""
    try:
        bearer = logins.bearer(question.tenant_id, question.platform)
        reply = _send(question, bearer, step)
        if reply.status == NOT_LET_IN:
            bearer = logins.bearer(question.tenant_id, question.platform, refused=bearer)
            reply = _send(question, bearer, step)
        return reply
    except logins.NoLogin as error:
        return Reply(now(), str(error), left=False, person=True)
    except TransportError as error:
        return Reply(now(), str(error), left=False)


def _send(question: Question, bearer: logins.Bearer, step: Step | None) -> Reply:
    headers = {
        "Content-Type": question.sealed.content_type,
        **question.sealed.headers,
        "Authorization": f"Bearer {bearer.text}",
    }
    try:
        answer = post(
            question.url,
            question.sealed.body,
            headers,
            context=question.keys.connection.context,
            identity=question.keys.connection.identity,
            seconds=question.platform.read.answer_seconds,
            step=step,
        )
    except TransportError as error:
        return Reply(now(), str(error), left=isinstance(error, Unanswered))
    detail, payload = f"HTTP {answer.status}", None
    seal = find_seal_of(answer.content_type, answer.headers)
    if seal is not None:
        try:
            payload = _opened(question, answer)
        except SealError as error:
            detail = f"HTTP {answer.status}: {error}"
    return Reply(answer.at, detail, answer.status, payload, answer.retry_after, body=_kept(answer))


def _opened(question: Question, answer: Answered) -> bytes:
    sealed = question.sealed
    seal = find_seal_of(sealed.content_type, sealed.headers)
    assert seal is not None, "an answer is sealed as its request was"
    trust = question.keys.trust
    return seal.open(
        Sealed(answer.body, answer.content_type, answer.headers),
        trusted=trust.keys,
        audience=trust.audience,
        issuer=None,
        algorithms=trust.algorithms,
        now=answer.at,
        target=Target("ANSWER", question.url),
    ).payload


def _kept(answer: Answered) -> bytes:
    """The answer with the headers that its seal travels in, as it is kept."""
    if not answer.body:
        return b""
    seal = find_seal_of(answer.content_type, answer.headers)
    names = seal.headers if seal else frozenset()
    headers = {name: value for name, value in answer.headers.items() if name in names}
    return Sealed(answer.body, answer.content_type, headers).record


def _closed(
    platform: Platform,
    path: str,
    message_id: UUID,
    payload: bytes,
    at: datetime,
    keys: signing.Credentials,
) -> Sealed:
    sealing = platform.sealing.settings
    return signing.seal_of(sealing).close(
        payload,
        key=keys.signing,
        issuer=keys.participant_id,
        audience=signing.OPERATOR,
        reference=str(message_id),
        now=at,
        algorithm=operator_settings(sealing).algorithm,
        target=Target("POST", platform.address + path),
    )


def _question(
    platform: Platform, path: str, message_id: UUID, sealed: Sealed, keys: signing.Credentials
) -> Question:
    url = platform.address + path
    tenant_id = require_tenant()
    return Question(tenant_id, platform, platform.codec, message_id, url, sealed, keys)
