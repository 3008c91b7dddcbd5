"""The bound's commits: the rows and audit entries the relay writes for the same message, each
commit in one round trip to the database.

Wake-ups are set an hour ahead, so that the stack's own sweep leaves the bound's rows alone.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from tenants.audit.events import Event, Fact, stamp, written
from tenants.ids import digest_of, new_id

LATER = timedelta(hours=1)

_SCOPE = "SELECT set_config('app.tenant_id', %s, true)"
_APPEND = "SELECT audit_append(%s::text[], %s::bytea[], %s::uuid[], %s::uuid[])"
_MONTH = "date_trunc('month', %(at)s AT TIME ZONE 'UTC')::date"

_LINK_IN = """
INSERT INTO messaging_link (id, tenant_id, endpoint_id, epoch, address, last_taken, last_given)
VALUES (%(id)s, %(tenant)s, %(endpoint)s, 1, '', 0, 0)
"""


def _body(name: str) -> str:
    return f"""{name} AS (
    INSERT INTO audit_body (tenant_id, digest, month, content)
    VALUES (%(tenant)s, %({name}_digest)s, {_MONTH}, %({name})s) ON CONFLICT DO NOTHING)"""


_MESSAGE = """INSERT INTO messaging_message (
    id, tenant_id, endpoint_id, origin, kind, bm_unit, reference, answers_id, body_digest,
    received_at, refusal_code, refusal_text)"""
_DELIVERY = """INSERT INTO messaging_delivery (
    id, tenant_id, message_id, endpoint_id, lane, queue, state, created_at, deadline, attempts,
    reference, payload_digest, payload_at, sent_at, outcome_code, outcome_text)"""
_DUE = "INSERT INTO messaging_due (delivery_id, tenant_id, lane, due_at)"
_RECEIPT = """INSERT INTO messaging_receipt (
    id, tenant_id, endpoint_id, reference, digest, message_id, status, answer, taken_at)"""
_ATTEMPT = f"""INSERT INTO messaging_attempt (
    id, tenant_id, delivery_id, month, outcome, received_at, sent_at, answered_at, settled_at,
    status, detail, answer_digest)
    VALUES (%(attempt)s, %(tenant)s, %(delivery)s, {_MONTH}, 'DELIVERED', %(received_at)s,
            %(sent_at)s, %(at)s, %(at)s, %(status)s, %(detail)s, %(answer_digest)s)"""

_TAKE = f"""
WITH standing AS (
    SELECT t.state, u.id FROM tenants_tenant t JOIN tenants_bmunit u ON u.tenant_id = t.id
    WHERE t.id = %(tenant)s AND u.name = %(unit)s AND u.control_point_id = %(endpoint)s),
advanced AS (UPDATE messaging_link SET last_taken = %(number)s
    WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s),
{_body("content")},
receipt AS ({_RECEIPT}
    VALUES (%(receipt)s, %(tenant)s, %(endpoint)s, %(reference)s, %(content_digest)s, %(message)s,
            0, %(answer)s, %(at)s)),
message AS ({_MESSAGE}
    VALUES (%(message)s, %(tenant)s, %(endpoint)s, 'CONTROL_POINT', 'MEL', %(unit)s,
            %(reference)s, NULL, %(content_digest)s, %(at)s, '', '')),
due AS ({_DUE} VALUES (%(delivery)s, %(tenant)s, 'operator', %(later)s)),
delivery AS ({_DELIVERY}
    VALUES (%(delivery)s, %(tenant)s, %(message)s, %(operator)s, 'operator', %(unit)s, 'PENDING',
            %(at)s, %(later)s, 0, '', NULL, NULL, NULL, '', ''))
SELECT count(*) FROM standing
"""

_CLAIM = f"""
WITH {_body("payload")}, {_body("sealed")},
due AS (UPDATE messaging_due SET owner = %(owner)s, due_at = %(later)s
    WHERE delivery_id = %(delivery)s AND owner IS NULL)
UPDATE messaging_delivery SET state = 'CLAIMED', attempts = attempts + 1,
    reference = %(reference)s, payload_digest = %(payload_digest)s, payload_at = %(at)s,
    sealed_digest = %(sealed_digest)s, sealed_at = %(at)s, sent_at = %(at)s
WHERE id = %(delivery)s
"""

_SETTLE = f"""
WITH {_body("answer")}, {_body("content")}, {_body("numbered")},
attempt AS ({_ATTEMPT}),
settled AS (UPDATE messaging_delivery SET state = 'ACKNOWLEDGED', settled_at = %(at)s,
    outcome_code = 'OK' WHERE id = %(delivery)s),
done AS (DELETE FROM messaging_due WHERE delivery_id = %(delivery)s),
given AS (UPDATE messaging_link SET last_given = %(given)s
    WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s),
message AS ({_MESSAGE}
    VALUES (%(result)s, %(tenant)s, %(endpoint)s, 'HOST', 'RESULT', '', '', %(message)s,
            %(content_digest)s, %(at)s, '', '')),
due AS ({_DUE} VALUES (%(result_delivery)s, %(tenant)s, 'link', %(later)s))
{_DELIVERY}
VALUES (%(result_delivery)s, %(tenant)s, %(result)s, %(endpoint)s, 'link', '', 'CLAIMED', %(at)s,
        %(later)s, 1, %(reference)s, %(numbered_digest)s, %(at)s, %(at)s, '', '')
"""

_INSTRUCT = f"""
WITH standing AS (
    SELECT t.state, u.id FROM tenants_tenant t JOIN tenants_bmunit u ON u.tenant_id = t.id
    WHERE t.id = %(tenant)s AND u.name = %(unit)s AND u.control_point_id = %(endpoint)s),
{_body("content")}, {_body("numbered")}, {_body("sealed")},
message AS ({_MESSAGE.replace("received_at", "sealed_digest, received_at")}
    VALUES (%(message)s, %(tenant)s, %(operator)s, 'OPERATOR', 'BOA', %(unit)s, %(reference)s,
            NULL, %(content_digest)s, %(sealed_digest)s, %(at)s, '', '')),
instruction AS (INSERT INTO messaging_instruction (
    id, tenant_id, message_id, endpoint_id, kind, bm_unit, number, content_digest, respond_by,
    verdict)
    VALUES (%(instruction)s, %(tenant)s, %(message)s, %(endpoint)s, 'BOA', %(unit)s, %(number)s,
            %(content_digest)s, %(later)s, '')),
receipt AS ({_RECEIPT}
    VALUES (%(receipt)s, %(tenant)s, %(operator)s, %(reference)s, %(content_digest)s,
            %(message)s, 200, %(answer)s, %(at)s)),
given AS (UPDATE messaging_link SET last_given = %(given)s
    WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s),
due AS ({_DUE} VALUES (%(delivery)s, %(tenant)s, 'link', %(later)s)),
delivery AS ({_DELIVERY}
    VALUES (%(delivery)s, %(tenant)s, %(message)s, %(endpoint)s, 'link', %(unit)s, 'CLAIMED',
            %(at)s, %(later)s, 1, %(link_reference)s, %(numbered_digest)s, %(at)s, %(at)s, '', ''))
SELECT count(*) FROM standing
"""

_ACKNOWLEDGE = f"""
WITH attempt AS ({_ATTEMPT}),
done AS (DELETE FROM messaging_due WHERE delivery_id = %(delivery)s)
UPDATE messaging_delivery SET state = 'ACKNOWLEDGED', settled_at = %(at)s, outcome_code = 'OK'
WHERE id = %(delivery)s
"""


@dataclass(frozen=True, slots=True)
class Commit:
    """One transaction in a tenant's scope: a statement, then what is appended to the chain."""

    tenant: UUID
    statement: str
    values: Mapping[str, Any]
    facts: Sequence[Fact]


@dataclass(slots=True)
class Hop:
    """One redeclaration on its way; the commits of it are made in this order."""

    tenant: UUID
    endpoint: UUID
    operator: UUID
    unit: str
    number: int
    content: bytes
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    message: UUID = field(default_factory=new_id)
    delivery: UUID = field(default_factory=new_id)
    result_delivery: UUID = field(default_factory=new_id)

    def take(self) -> Commit:
        values = {
            **self._common(self.at),
            **_named("content", self.content),
            "receipt": new_id(),
            "message": self.message,
            "operator": self.operator,
            "unit": self.unit,
            "number": self.number,
            "reference": f"{self.number:08d}",
            "answer": b'{"code": "OK", "text": ""}',
        }
        digest = values["content_digest"]
        number = {"number": values["reference"], "type": "MEL", "bytes": len(self.content)}
        received = Fact(Event.RECEIVED, self.at, self.message, digest=digest, detail=number)
        return self._commit(
            _TAKE,
            values,
            received,
            Fact(Event.DECODED, self.at, self.message, detail={"kind": "MEL"}),
            Fact(Event.STORED, self.at, self.message, detail={"deliveries": 1}),
        )

    def claim(self, payload: bytes, sealed: bytes, url: str) -> Commit:
        at = datetime.now(UTC)
        values = {
            **self._common(at),
            **_named("payload", payload),
            **_named("sealed", sealed),
            "reference": str(self.delivery),
        }
        digest, ids = values["sealed_digest"], (self.message, self.delivery)
        detail = {"method": "POST", "url": url, "attempt": 1, "bytes": len(sealed)}
        return self._commit(
            _CLAIM,
            values,
            Fact(Event.SIGNED, at, *ids, digest=digest, detail={"key": "k" * 43, "again": False}),
            Fact(Event.SENDING, at, *ids, digest=digest, detail=detail),
        )

    def settle(
        self, answer: bytes, sent_at: datetime, told: bytes, numbered: bytes, given: int
    ) -> Commit:
        at, result = datetime.now(UTC), new_id()
        values = {
            **self._common(at),
            **_named("answer", answer),
            **_named("content", told),
            **_named("numbered", numbered),
            **_attempt(self.at, sent_at, 200, "HTTP 200"),
            "given": given,
            "message": self.message,
            "result": result,
            "result_delivery": self.result_delivery,
            "reference": f"{given:08d}",
        }
        times = _times(self.at, sent_at, at) | {"outcome": "DELIVERED", "status": 200}
        ids = (self.message, self.delivery)
        digest = values["answer_digest"]
        return self._commit(
            _SETTLE,
            values,
            Fact(Event.ANSWERED, at, *ids, digest=digest, detail=times),
            Fact(Event.ACKNOWLEDGED, at, *ids, detail={"code": "OK", "text": ""}),
            Fact(Event.STORED, at, result, detail={"kind": "RESULT", "origin": "host"}),
            _sending(at, result, self.result_delivery, values["numbered_digest"], "RESULT", given),
        )

    def _common(self, at: datetime) -> dict[str, Any]:
        return {
            "tenant": self.tenant,
            "endpoint": self.endpoint,
            "delivery": self.delivery,
            "at": at,
            "later": at + LATER,
        }

    def _commit(self, statement: str, values: Mapping[str, Any], *facts: Fact) -> Commit:
        return Commit(self.tenant, statement, values, facts)


@dataclass(frozen=True, slots=True)
class Instructed:
    """An instruction that is being stored, in the signed form as well, and given to its link."""

    tenant: UUID
    endpoint: UUID
    operator: UUID
    unit: str
    number: int
    reference: str
    payload: bytes
    sealed: bytes
    delivery: UUID

    def commit(self, answer: bytes, numbered: bytes, given: int) -> Commit:
        at, message = datetime.now(UTC), new_id()
        values = {
            **_named("content", self.payload),
            **_named("numbered", numbered),
            **_named("sealed", self.sealed),
            "tenant": self.tenant,
            "endpoint": self.endpoint,
            "operator": self.operator,
            "unit": self.unit,
            "number": self.number,
            "reference": self.reference,
            "link_reference": f"{given:08d}",
            "message": message,
            "instruction": new_id(),
            "receipt": new_id(),
            "delivery": self.delivery,
            "answer": answer,
            "given": given,
            "at": at,
            "later": at + LATER,
        }
        digest = values["content_digest"]
        detail = {"reference": self.reference, "service": "NESO_Instruction"}
        facts = (
            Fact(Event.RECEIVED, at, message, digest=digest, detail=detail),
            Fact(Event.DECODED, at, message, detail={"kind": "BOA", "number": self.number}),
            Fact(Event.STORED, at, message, detail={"deliveries": 1}),
            _sending(at, message, self.delivery, values["numbered_digest"], "BOA", given),
        )
        return Commit(self.tenant, _INSTRUCT, values, facts)


def acknowledged(tenant: UUID, delivery: UUID, sent_at: datetime) -> Commit:
    """The control point has what it was given."""
    at = datetime.now(UTC)
    values = {
        **_attempt(sent_at, sent_at, None, "ACK"),
        "tenant": tenant,
        "delivery": delivery,
        "answer_digest": None,
        "at": at,
    }
    facts = (
        Fact(Event.ANSWERED, at, None, delivery, detail=_times(sent_at, sent_at, at)),
        Fact(Event.ACKNOWLEDGED, at, None, delivery, detail={"code": "OK", "text": ""}),
    )
    return Commit(tenant, _ACKNOWLEDGE, values, facts)


class Store:
    """Connections to the database, as the application role; each commit has one to itself.

    `owner` is a number whose advisory lock is held, as the relay's processes do: what is claimed
    under any other is taken for orphaned by the stack's sweep.
    """

    def __init__(self, connections: Sequence[psycopg.AsyncConnection], owner: int) -> None:
        self._all = connections
        self._owner = owner
        self._free: asyncio.Queue[psycopg.AsyncConnection] = asyncio.Queue()
        for connection in connections:
            self._free.put_nowait(connection)

    @classmethod
    async def open(cls, url: str, size: int) -> Store:
        connect = psycopg.AsyncConnection.connect
        connections = [await connect(url, autocommit=True) for _ in range(size)]
        owner = secrets.randbits(62) | 1
        await connections[0].execute("SELECT pg_advisory_lock(%s)", [owner])
        return cls(connections, owner)

    async def close(self) -> None:
        for connection in self._all:
            await connection.close()

    async def commit(self, work: Commit, *, append: bool = True) -> None:
        """The statements of a pipeline are one transaction, committed when it ends."""
        connection = await self._free.get()
        values = {**work.values, "owner": self._owner}
        try:
            async with connection.pipeline(), connection.cursor() as cursor:
                await cursor.execute(_SCOPE, [str(work.tenant)], prepare=True)
                await cursor.execute(work.statement.encode(), values, prepare=True)
                if append:
                    await cursor.execute(_APPEND, _columns(work.facts), prepare=True)
        finally:
            self._free.put_nowait(connection)

    async def make_link(self, tenant: UUID, endpoint: UUID) -> None:
        values = {"id": new_id(), "tenant": tenant, "endpoint": endpoint}
        await self.commit(Commit(tenant, _LINK_IN, values, ()), append=False)


def _columns(facts: Sequence[Fact]) -> list[list[Any]]:
    return [
        [fact.event.value for fact in facts],
        [written(fact) for fact in facts],
        [fact.message_id for fact in facts],
        [fact.delivery_id for fact in facts],
    ]


def _named(name: str, content: bytes) -> dict[str, Any]:
    return {name: content, f"{name}_digest": digest_of(content)}


def _attempt(
    received_at: datetime, sent_at: datetime, status: int | None, detail: str
) -> dict[str, Any]:
    return {
        "attempt": new_id(),
        "received_at": received_at,
        "sent_at": sent_at,
        "status": status,
        "detail": detail,
    }


def _sending(
    at: datetime, message: UUID, delivery: UUID, digest: bytes, kind: str, number: int
) -> Fact:
    detail = {"number": number, "kind": kind, "again": False}
    return Fact(Event.SENDING, at, message, delivery, digest=digest, detail=detail)


def _times(received_at: datetime, sent_at: datetime, at: datetime) -> dict[str, object]:
    return {
        "received_at": stamp(received_at),
        "sent_at": stamp(sent_at),
        "answered_at": stamp(at),
        "settled_at": stamp(at),
    }


def redeclaration(point: str, unit: str, reference: str, data: str) -> bytes:
    """The payload that an EDL line's data becomes."""

    def moment(text: str) -> str:
        return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:00Z"

    level = {
        "timeFrom": moment(data[13:25]),
        "levelFrom": int(data[25:31]),
        "timeTo": moment(data[31:43]),
        "levelTo": int(data[43:49]),
    }
    payload = {
        "type": "redeclaration",
        "messageId": reference,
        "sentAt": stamp(datetime.now(UTC)),
        "profile": "host-1",
        "controlPoint": point,
        "bmUnit": unit,
        "parameter": "MEL",
        "levels": [level],
    }
    return json.dumps(payload).encode()
