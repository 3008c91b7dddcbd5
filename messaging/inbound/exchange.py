"""One request of the system operator's, from its bytes to the bytes of the answer: who is it for,
does its seal hold, what was decided.

The participant it is for is read from the seal, since that is what the seal vouches for; nothing of
any tenant is told to anyone whose certificate and seal do not hold, and each refusal is one entry:
in the tenant's chain where a known client named one, else the house's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError

from messaging.edge import refusals
from messaging.protocols.neso.seals import find_seal_of
from messaging.protocols.neso.seals.base import KeyDoesNotFit, Seal, Sealed, SealError, Target
from messaging.protocols.neso.settings import SmpSettings
from messaging.protocols.neso.smp import loading
from messaging.protocols.neso.smp.profile import ServiceName
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.neso.wa.exchange import find_service
from messaging.protocols.neso.wa.profile import Service, WaProfile
from messaging.relay import from_operator, signing
from messaging.relay.codecs import operator_codec, wider_access_codecs
from messaging.relay.crash_points import Step
from messaging.relay.from_operator import OTHER_CONTENT, BeatenToIt, Reply
from messaging.relay.inflow import Inflow
from messaging.relay.register import Operator, find_operator
from messaging.relay.settings import operator_settings
from messaging.relay.smp import returns
from messaging.relay.smp.places import find_platform
from messaging.relay.wake import wake
from tenants import directory, peers
from tenants.audit import bodies, ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.ids import digest_of
from tenants.models import Environment
from tenants.scope import in_tenant, reconnecting

PROBLEM_TYPE = "application/problem+json"
PREFIX = "/wa/"
SMP_PREFIX = "/smp/"
_TRIES = 3


@dataclass(frozen=True, slots=True)
class HttpQuestion:
    """A request as it was read. `certificate` is the DER of the TLS client's leaf."""

    environment: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    certificate: bytes
    address: str

    @property
    def place(self) -> str:
        """What the path has after the base URL."""
        return self.path.removeprefix(f"{PREFIX}{self.environment}")

    @property
    def is_platform(self) -> bool:
        """Sent by the Single Markets Platform, not by the Wider Access API."""
        return self.path.startswith(SMP_PREFIX)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").split(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    body: bytes
    content_type: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Decided:
    """What was committed, and the key its answer is to be sealed with."""

    reply: Reply
    key: signing.ActiveKey
    algorithm: str | None


@dataclass(frozen=True, slots=True)
class _Refused:
    """Nothing was taken: the problem's status and code, and one sentence why."""

    status: int
    code: str
    reason: str


def services_at(path: str) -> tuple[str, tuple[Service, ...]]:
    """The environment that a path names, and the services there of whichever profile: which one is
    meant, the endpoint of the participant says whom the seal names. Empty where there is nothing.
    """
    prefix = next((one for one in (PREFIX, SMP_PREFIX) if path.startswith(one)), "")
    environment, _, rest = path.removeprefix(prefix).partition("/")
    if not prefix or environment not in Environment.values:
        return "", ()
    if prefix == SMP_PREFIX:
        result = _batch_return()
        return environment, (result,) if result.path == f"/{rest}" else ()
    found = (find_service(codec.profile, f"/{rest}") for codec in _codecs())
    return environment, tuple(service for service in found if service is not None)


def problem(status: int, code: str, title: str, retry_after: float = 0.0) -> HttpAnswer:
    """An unsealed refusal: problem+json (RFC 9457). `retry_after` is in seconds; 0 leaves it
    out.
    """
    body = {"type": f"about:blank#{code}", "title": title, "status": status, "code": code}
    headers = {"retry-after": str(math.ceil(retry_after))} if retry_after else {}
    return HttpAnswer(status, json.dumps(body).encode(), PROBLEM_TYPE, headers)


def refuse_stranger(environment: str, fingerprint: bytes, address: str) -> HttpAnswer | None:
    """The answer to a TLS client that is no pinned one of the environment's, before its body is
    read; None for one that is.
    """
    if reconnecting(lambda: peers.is_known_client(fingerprint, environment)):
        return None
    reason = "The client certificate is not a known one."
    refusals.note(reason, address, fingerprint, environment=environment)
    return problem(401, "unauthorized", reason)


def respond(question: HttpQuestion) -> HttpAnswer:
    """Blocking. Raises only what the database raises when it is out of reach."""
    seal = find_seal_of(question.content_type, question.headers)
    if seal is None:
        title = "This service takes sealed payloads only."
        ledger.record_for_house(_refusal(question, title))
        return problem(415, "media-type", title)
    sealed = Sealed(question.body, question.content_type, question.headers)
    try:
        audience = seal.peek(sealed).audience
    except SealError as error:
        return _refuse_stranger(question, error.reason)
    kind = directory.Known.PARTICIPANT
    tenant_id = reconnecting(lambda: directory.find_tenant(kind, audience.encode()))
    if tenant_id is None:
        return _refuse_stranger(question, "The audience is not known here.")
    return _respond_for(tenant_id, audience, question, seal, sealed)


def _respond_for(
    tenant_id: UUID, audience: str, question: HttpQuestion, seal: Seal, sealed: Sealed
) -> HttpAnswer:
    decided = _decide(tenant_id, audience, question, seal, sealed)
    if isinstance(decided, _Refused):
        return problem(decided.status, decided.code, decided.reason)
    if decided.reply.status == OTHER_CONTENT:
        return problem(409, "conflict", "This messageId was used for another payload.")
    wake(decided.reply.deliveries)
    answer = seal.close(
        decided.reply.payload,
        key=decided.key.signing,
        issuer=decided.key.participant_id,
        audience=signing.OPERATOR,
        reference=decided.reply.reference,
        now=now(),
        algorithm=decided.algorithm,
        target=_target("ANSWER", question),
    )
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if decided.reply.retry_after:
        headers["retry-after"] = str(math.ceil(decided.reply.retry_after))
    return HttpAnswer(decided.reply.status, answer.body, answer.content_type, headers)


def _decide(
    tenant_id: UUID, audience: str, question: HttpQuestion, seal: Seal, sealed: Sealed
) -> _Decided | _Refused:
    """One transaction; again from the start when another took the same thing meanwhile."""

    def work() -> _Decided | _Refused:
        endpoint = _addressee(question)
        if endpoint is None:
            return _Refused(401, "unauthorized", "The audience is not known here.")
        at = now()
        profile = operator_codec(endpoint.settings).profile
        target = _target(question.method, question)
        trust = signing.trust_from(endpoint, audience)
        try:
            opened = seal.open(
                sealed,
                trusted=trust.keys,
                audience=audience,
                issuer=signing.OPERATOR,
                algorithms=trust.algorithms,
                now=at,
                target=target,
                id_at=profile.envelope.message_id.steps,
            )
        except SealError as error:
            _record_refused(question, error.reason)
            return _Refused(401, "unauthorized", error.reason)
        service = _service_for(question, profile, opened.heading.jti)
        if isinstance(service, _Refused):
            return service
        key = signing.signing_key(endpoint.environment)
        algorithm = operator_settings(endpoint.settings).algorithm
        try:
            seal.choose(key.signing, algorithm)
        except KeyDoesNotFit:
            reason = f"This participant cannot answer with the seal {seal.name}."
            _record_refused(question, reason)
            return _Refused(415, "media-type", reason)
        inflow = Inflow(
            endpoint,
            service.name,
            opened.heading.jti,
            opened.payload,
            at,
            _record_of(sealed, seal),
            f"{target.verb} {target.url}",
        )
        reply = returns.take(inflow) if question.is_platform else from_operator.take(inflow)
        return _Decided(reply, key, algorithm)

    return _first_to_commit(tenant_id, work)


def _addressee(question: HttpQuestion) -> Operator | None:
    """The endpoint whose other side sends this: the Wider Access API's, or the platform's."""
    if not question.is_platform:
        return find_operator(question.environment)
    platform = find_platform(question.environment)
    return platform.as_operator if platform else None


def _service_for(question: HttpQuestion, profile: WaProfile, message_id: str) -> Service | _Refused:
    """What the request's address is in the endpoint's profile, once its seal held."""
    if question.is_platform:
        return _batch_return()
    service = find_service(profile, question.place)
    if service is None:
        return _out_of_place(question, 404, "not-found", "There is nothing at this address.")
    if service.method != question.method:
        return _out_of_place(question, 405, "method", f"This service takes {service.method}.")
    named = service.message_id_in(question.place)
    if named is not None and named.lower() != message_id.lower():
        return _out_of_place(question, 404, "not-found", "The path names another message.")
    return service


def _out_of_place(question: HttpQuestion, status: int, code: str, reason: str) -> _Refused:
    _record_refused(question, reason)
    return _Refused(status, code, reason)


def _record_of(sealed: Sealed, seal: Seal) -> bytes:
    """The signed form with no other headers than those that the seal travels in."""
    headers = {name: value for name, value in sealed.headers.items() if name in seal.headers}
    return Sealed(sealed.body, sealed.content_type, headers).record


def _first_to_commit(
    tenant_id: UUID, work: Callable[[], _Decided | _Refused]
) -> _Decided | _Refused:
    for _ in range(_TRIES - 1):
        try:
            return in_tenant(tenant_id, work, Step.OPERATOR_TAKE)
        except (BeatenToIt, IntegrityError):
            continue
    return in_tenant(tenant_id, work, Step.OPERATOR_TAKE)


def _refuse_stranger(question: HttpQuestion, reason: str) -> HttpAnswer:
    """Nobody's tenant can be named, or nobody known has named one: the house's chain has it."""
    ledger.record_for_house(_refusal(question, reason))
    return problem(401, "unauthorized", reason)


def _record_refused(question: HttpQuestion, reason: str) -> None:
    bodies.keep(question.body, now())
    ledger.record(_refusal(question, reason))


def _refusal(question: HttpQuestion, reason: str) -> Fact:
    detail = {
        "reason": reason,
        "path": question.path,
        "address": question.address,
        "client": digest_of(question.certificate).hex(),
        "bytes": len(question.body),
    }
    return Fact(Event.REFUSED, now(), digest=digest_of(question.body), detail=detail)


def _target(verb: str, question: HttpQuestion) -> Target:
    return Target(verb, settings.INBOUND_URL.rstrip("/") + question.path)


@lru_cache(maxsize=1)
def _codecs() -> tuple[WaCodec, ...]:
    """Found once: a new profile takes a restart."""
    return wider_access_codecs()


@lru_cache(maxsize=1)
def _batch_return() -> Service:
    """The one service of the platform's that comes in."""
    profile = loading.load_profile(SmpSettings().profile)
    result = profile.services[ServiceName.RESULT]
    return Service(ServiceName.RESULT, result.path, "POST", result.max_bytes, result.source)
