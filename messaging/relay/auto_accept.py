"""Accepts, for a BM unit that is set so, an acceptance that keeps within all that is declared;
leaves every other to the control point or a person, and says why.

It is done in the transaction that takes the acceptance. The control point gets it as always: what
it says afterwards is a repeat, or comes too late to say otherwise (correlate).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from messaging.domain.instructions import BidOfferAcceptance, InstructionAnswer, Verdict
from messaging.domain.judging import LOOK_BACK, Accept, Earlier, Judgement, Leave, judge
from messaging.domain.messages import kind_of
from messaging.models import Instruction, Message
from messaging.protocols.base import Envelope, RemoteProtocolError, Stamp
from messaging.relay import in_force
from messaging.relay.codecs import legacy_codec, read_content
from messaging.relay.parts import queue_of
from messaging.relay.register import OPERATOR_PROTOCOL, ControlPoint, Operator
from messaging.relay.rows import NewDelivery, NewMessage, insert_delivery, insert_message
from messaging.states import Lane
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.models import BmUnit
from tenants.scope import require_tenant

_WORKER_GRACE = timedelta(seconds=1)
_MOST_EARLIER = 300
"""Acceptances of one unit that are looked at: more in a day are for a person."""

_LONGEST = timedelta(days=1)
"""An acceptance ends within the last gate-closed period, so it is far shorter than this."""

_EARLIER = """
SELECT i.number, i.verdict, m.profile, b.content
FROM messaging_instruction i
JOIN messaging_message m ON m.id = i.message_id
LEFT JOIN audit_body b ON b.tenant_id = m.tenant_id AND b.digest = m.body_digest
    AND b.month = date_trunc('month', m.received_at AT TIME ZONE 'UTC')::date
WHERE i.tenant_id = %s AND i.endpoint_id = %s AND i.kind = 'BOA' AND i.bm_unit = %s
    AND i.number < %s AND m.received_at > %s
ORDER BY i.number DESC LIMIT %s
"""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """An acceptance that was just stored, and goes to its control point. `is_late`: one of a higher
    number came before it.
    """

    acceptance: BidOfferAcceptance
    message_id: UUID
    control_point: ControlPoint
    operator: Operator
    at: datetime
    respond_by: datetime
    is_late: bool


def consider(taken: Taken) -> tuple[NewDelivery, ...]:
    """The answer's delivery to the operator, where it was accepted.

    A fault of the judgement never costs the acceptance its way to the control point: it is then
    left to a person like any other.
    """
    try:
        judgement = _judged(taken)
    except DatabaseError:
        raise
    except Exception as error:
        _log.exception("an acceptance could not be judged", message=str(taken.message_id))
        judgement = Leave(f"it could not be judged: {type(error).__name__}")
    if judgement is None:
        return ()
    event = Event.AUTO_ACCEPTED if isinstance(judgement, Accept) else Event.LEFT_TO_PERSON
    detail = {
        "bm_unit": taken.acceptance.bm_unit,
        "number": taken.acceptance.number,
        "reason": judgement.reason,
    }
    ledger.record(Fact(event, taken.at, taken.message_id, detail=detail))
    return (_accept(taken),) if isinstance(judgement, Accept) else ()


def _judged(taken: Taken) -> Judgement | None:
    """None where it was switched off a moment ago: what says that it is on may be a second old."""
    unit = taken.acceptance.bm_unit
    if not BmUnit.objects.filter(name=unit, auto_accept=True).exists():
        return None
    if taken.is_late:
        return Leave("one of a higher number came before it")
    coming = in_force.find_on_its_way(taken.operator.id, unit, taken.at)
    if coming:
        return Leave(coming)
    history = _history(taken)
    if len(history) >= _MOST_EARLIER:
        return Leave(f"{_MOST_EARLIER} acceptances or more came before it within a day")
    return judge(taken.acceptance, in_force.read(unit), history, taken.at)


def _history(taken: Taken) -> list[Earlier]:
    acceptance = taken.acceptance
    since = min(taken.at, acceptance.accepted_at) - LOOK_BACK - _LONGEST
    values: list[Any] = [
        *(require_tenant(), taken.control_point.endpoint_id, acceptance.bm_unit),
        *(acceptance.number, since, _MOST_EARLIER),
    ]
    with connection.cursor() as cursor:
        cursor.execute(_EARLIER, values)
        return [_earlier(*row) for row in cursor.fetchall()]


def _earlier(number: int, verdict: str, profile: str, content: bytes | None) -> Earlier:
    """Raises RemoteProtocolError for one that can't be read."""
    if content is None:
        raise RemoteProtocolError(f"the bytes of acceptance {number} are gone")
    (said,) = read_content(OPERATOR_PROTOCOL, profile, bytes(content)).messages
    levels = said.levels if isinstance(said, BidOfferAcceptance) else ()
    return Earlier(number, levels, Verdict(verdict) if verdict else None)


def _accept(taken: Taken) -> NewDelivery:
    """Stores the answer as the control point would have written it, and what it comes to."""
    acceptance, point = taken.acceptance, taken.control_point
    answer = InstructionAnswer(
        acceptance.control_point, acceptance.bm_unit, acceptance.number, Verdict.ACCEPTED
    )
    parcel = legacy_codec(point.settings).encode(Envelope(Stamp("", taken.at), (answer,)))
    answer_id = insert_message(
        NewMessage(
            endpoint_id=point.endpoint_id,
            origin=Message.Origin.HOST,
            kind=kind_of(answer),
            bm_unit=answer.bm_unit,
            reference="",
            content=parcel.content,
            received_at=taken.at,
            answers=taken.message_id,
        )
    )
    Instruction.objects.filter(message_id=taken.message_id).update(
        verdict=answer.verdict.value, answer_id=answer_id
    )
    made = insert_delivery(
        answer_id,
        taken.operator.id,
        Lane.OPERATOR,
        queue_of(answer),
        at=taken.at,
        due_at=taken.at + _WORKER_GRACE,
        deadline=taken.respond_by,
    )
    detail = {"kind": kind_of(answer), "origin": "host"}
    ledger.record(Fact(Event.STORED, taken.at, answer_id, made.id, detail=detail))
    return made
