"""The statements that write messages, instructions and deliveries, each in one round trip, within
the open scope. Those of attempts and receipts stand in modules of their own.

Written in SQL since they are what every message's latency is made of; everything that is not is
done through the models.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from messaging.models import DEFAULT_PROFILE, Message
from messaging.relay import log_lines
from messaging.relay.parts import urgency_of
from messaging.states import Lane
from tenants.ids import digest_of, new_id
from tenants.scope import require_tenant

_MESSAGE = """
WITH body AS (
    INSERT INTO audit_body (tenant_id, digest, month, content)
    VALUES (%(tenant)s, %(digest)s, date_trunc('month', %(at)s AT TIME ZONE 'UTC')::date,
            %(content)s)
    ON CONFLICT DO NOTHING
)
INSERT INTO messaging_message (
    id, tenant_id, endpoint_id, origin, kind, bm_unit, reference, answers_id, body_digest,
    sealed_digest, profile, received_at, refusal_code, refusal_text)
VALUES (
    %(id)s, %(tenant)s, %(endpoint)s, %(origin)s, %(kind)s, %(bm_unit)s, %(reference)s,
    %(answers)s, %(digest)s, %(sealed_digest)s, %(profile)s, %(at)s, %(refusal_code)s,
    %(refusal_text)s)
"""
_SEALED_TOO = """WITH sealed AS (
    INSERT INTO audit_body (tenant_id, digest, month, content)
    VALUES (%(tenant)s, %(sealed_digest)s, date_trunc('month', %(at)s AT TIME ZONE 'UTC')::date,
            %(sealed)s)
    ON CONFLICT DO NOTHING
), body"""
_MESSAGE_SEALED = _MESSAGE.replace("WITH body", _SEALED_TOO)

_PROFILE_NOW = "SELECT settings ->> 'profile' FROM tenants_endpoint WHERE id = %s"

_DELIVERY = """
WITH due AS (
    INSERT INTO messaging_due (delivery_id, tenant_id, lane, due_at, urgency)
    VALUES (%(id)s, %(tenant)s, %(lane)s, %(due_at)s, %(urgency)s)
)
INSERT INTO messaging_delivery (
    id, tenant_id, message_id, endpoint_id, lane, queue, state, created_at, deadline, attempts,
    reference, outcome_code, outcome_text)
VALUES (
    %(id)s, %(tenant)s, %(message)s, %(endpoint)s, %(lane)s, %(queue)s, 'PENDING', %(at)s,
    %(deadline)s, 0, '', '', '')
"""

_UNROUTABLE = """
INSERT INTO messaging_delivery (
    id, tenant_id, message_id, lane, queue, state, created_at, deadline, settled_at, attempts,
    reference, outcome_code, outcome_text)
VALUES (
    %(id)s, %(tenant)s, %(message)s, %(lane)s, %(queue)s, 'UNROUTABLE', %(at)s, %(deadline)s,
    %(at)s, 0, '', %(code)s, %(text)s)
"""

_UNITS = """
INSERT INTO messaging_unitofmessage (id, tenant_id, message_id, bm_unit, received_at)
SELECT unnest(%(ids)s::uuid[]), %(tenant)s, %(message)s, unnest(%(units)s::text[]), %(at)s
"""

_NUMBERED = """
WITH due AS (
    INSERT INTO messaging_due (delivery_id, tenant_id, lane, due_at, urgency)
    VALUES (%(id)s, %(tenant)s, 'link', %(due_at)s, 0)
), body AS (
    INSERT INTO audit_body (tenant_id, digest, month, content)
    VALUES (%(tenant)s, %(digest)s, date_trunc('month', %(at)s AT TIME ZONE 'UTC')::date,
            %(content)s)
    ON CONFLICT DO NOTHING
)
INSERT INTO messaging_delivery (
    id, tenant_id, message_id, endpoint_id, lane, queue, state, created_at, deadline, attempts,
    reference, payload_digest, payload_at, sent_at, outcome_code, outcome_text)
VALUES (
    %(id)s, %(tenant)s, %(message)s, %(endpoint)s, 'link', %(queue)s, 'CLAIMED', %(at)s,
    %(deadline)s, 1, %(reference)s, %(digest)s, %(at)s, %(at)s, '', '')
"""

_INSTRUCTION = """
INSERT INTO messaging_instruction (
    id, tenant_id, message_id, endpoint_id, kind, bm_unit, number, content_digest, respond_by,
    verdict)
VALUES (
    %(id)s, %(tenant)s, %(message_id)s, %(endpoint_id)s, %(kind)s, %(bm_unit)s, %(number)s,
    %(content_digest)s, %(respond_by)s, '')
"""


UNROUTABLE = "UNROUTABLE"
"""The outcome of a delivery for which there is no endpoint."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message about to be stored, with the bytes it came as, in `profile`: without one, in that
    which its endpoint has now. `sealed` is the record of the signed form it came in, if it did.
    """

    endpoint_id: UUID
    origin: Message.Origin
    kind: str
    bm_unit: str
    reference: str
    content: bytes
    received_at: datetime
    answers: UUID | None = None
    refusal_code: str = ""
    refusal_text: str = ""
    profile: str = ""
    sealed: bytes = b""


@dataclass(frozen=True, slots=True)
class Numbered:
    """The bytes of a delivery that has its number on a link, in one epoch of it. At the deadline it
    is too late for the first of them.
    """

    epoch: int
    number: int
    content: bytes
    deadline: datetime


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery just made, as whoever wakes its hands needs it. One that is `numbered` wants only
    to be written.
    """

    id: UUID
    tenant_id: UUID
    endpoint_id: UUID
    lane: Lane
    numbered: Numbered | None = None
    queue: str = ""


@dataclass(frozen=True, slots=True)
class NewInstruction:
    """An instruction that was taken, its verdict yet to come."""

    message_id: UUID
    endpoint_id: UUID
    kind: str
    bm_unit: str
    number: int
    content_digest: bytes
    respond_by: datetime


def insert_message(new: NewMessage) -> UUID:
    """Stores a message and its bytes; returns its id."""
    message_id, tenant_id = new_id(), require_tenant()
    _execute(
        _MESSAGE_SEALED if new.sealed else _MESSAGE,
        {
            "id": message_id,
            "tenant": tenant_id,
            "endpoint": new.endpoint_id,
            "origin": new.origin.value,
            "kind": new.kind,
            "bm_unit": new.bm_unit,
            "reference": new.reference,
            "answers": new.answers,
            "digest": digest_of(new.content),
            "content": new.content,
            "sealed_digest": digest_of(new.sealed) if new.sealed else None,
            "sealed": new.sealed,
            "profile": new.profile or profile_now(new.endpoint_id),
            "at": new.received_at,
            "refusal_code": new.refusal_code,
            "refusal_text": new.refusal_text,
        },
    )
    log_lines.message_stored(tenant_id, message_id, new.kind, new.origin.value, new.refusal_code)
    return message_id


def profile_now(endpoint_id: UUID) -> str:
    """The profile that an endpoint has now."""
    with connection.cursor() as cursor:
        cursor.execute(_PROFILE_NOW, [endpoint_id])
        found = cursor.fetchone()
    return (found[0] if found else None) or DEFAULT_PROFILE


def insert_delivery(
    message_id: UUID,
    endpoint_id: UUID,
    lane: Lane,
    queue: str,
    *,
    at: datetime,
    due_at: datetime,
    deadline: datetime,
) -> NewDelivery:
    """Makes the duty to deliver, due at `due_at` should nobody take it before."""
    new = NewDelivery(new_id(), require_tenant(), endpoint_id, lane, queue=queue)
    _execute(
        _DELIVERY,
        {
            "id": new.id,
            "tenant": new.tenant_id,
            "message": message_id,
            "endpoint": endpoint_id,
            "lane": lane.value,
            "queue": queue,
            "at": at,
            "due_at": due_at,
            "urgency": urgency_of(lane, queue).value,
            "deadline": deadline,
        },
    )
    return new


def insert_unroutable(
    message_id: UUID, lane: Lane, queue: str, *, at: datetime, deadline: datetime, text: str
) -> UUID:
    """Keeps the duty to deliver to where no endpoint leads yet; returns its id."""
    delivery_id = new_id()
    _execute(
        _UNROUTABLE,
        {
            "id": delivery_id,
            "tenant": require_tenant(),
            "message": message_id,
            "lane": lane.value,
            "queue": queue,
            "at": at,
            "deadline": deadline,
            "code": UNROUTABLE,
            "text": text,
        },
    )
    return delivery_id


def insert_units(message_id: UUID, units: Iterable[str], at: datetime) -> None:
    """The BM units of a message about several, which is received `at`."""
    named = list(dict.fromkeys(units))
    _execute(
        _UNITS,
        {
            "ids": [new_id() for _ in named],
            "tenant": require_tenant(),
            "message": message_id,
            "units": named,
            "at": at,
        },
    )


def insert_numbered(
    message_id: UUID,
    endpoint_id: UUID,
    queue: str,
    numbered: Numbered,
    reference: str,
    *,
    at: datetime,
    due_at: datetime,
    deadline: datetime,
) -> NewDelivery:
    """Makes a delivery on a link that is sent under `reference` as soon as this has committed; due
    at `due_at` should it not have been answered before.
    """
    new = NewDelivery(new_id(), require_tenant(), endpoint_id, Lane.LINK, numbered)
    _execute(
        _NUMBERED,
        {
            "id": new.id,
            "tenant": new.tenant_id,
            "message": message_id,
            "endpoint": endpoint_id,
            "queue": queue,
            "reference": reference,
            "digest": digest_of(numbered.content),
            "content": numbered.content,
            "at": at,
            "due_at": due_at,
            "deadline": deadline,
        },
    )
    return new


def insert_instruction(new: NewInstruction) -> None:
    """Raises IntegrityError where another transaction took the same number first."""
    values = {**asdict(new), "id": new_id(), "tenant": require_tenant()}
    _execute(_INSTRUCTION, values)


def _execute(statement: str, values: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
