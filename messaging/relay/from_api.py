"""Takes what a tenant submits through the API for one of its BM units: examined by the same rules,
stored, and sent on as if the unit's control point had said it. Requests and their answers are the
API's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from messaging.domain.messages import kind_of
from messaging.domain.redeclarations import Redeclaration
from messaging.domain.rules import BY_ID, Violation, violations
from messaging.domain.units import BM_UNIT_NAME
from messaging.models import Message
from messaging.relay import route
from messaging.relay.register import LEGACY_PROTOCOL, Standing, standing_of
from messaging.relay.rows import NewDelivery, NewMessage, insert_message
from messaging.relay.settings import control_point_settings
from tenants.audit import bodies, ledger
from tenants.audit.events import Event, Fact
from tenants.ids import digest_of
from tenants.models import BmUnit, Endpoint

By = Mapping[str, object]
"""Who sent it, as members of an audit entry's detail."""


class Suspended(Exception):
    """Nothing is taken from the tenant now."""


class Refused(Exception):
    """The message breaks rules; `found` is every violation that is no warning."""

    def __init__(self, found: tuple[Violation, ...]) -> None:
        super().__init__(found[0].text)
        self.found = found


@dataclass(frozen=True, slots=True)
class Examined:
    """A message that may be taken, for the control point it will seem to come from."""

    message: Redeclaration
    control_point: Endpoint
    standing: Standing
    warnings: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """What was committed; `deliveries` are to be woken after that."""

    message_id: UUID
    deliveries: tuple[NewDelivery, ...]


def examine(message: Redeclaration, at: datetime) -> Examined:
    """Holds it against the register and the rules. Raises Suspended and Refused."""
    control_point = _control_point(message)
    standing = standing_of(control_point.id, control_point.environment, message.bm_unit)
    if standing.suspended:
        raise Suspended
    lenient = control_point_settings(control_point.settings).warn_only
    found = violations(message, at, lenient)
    if refused := tuple(one for one in found if not one.warning):
        raise Refused(refused)
    return Examined(message, control_point, standing, found)


def take(examined: Examined, content: bytes, reference: str, at: datetime, by: By) -> Taken:
    """Stores it under the sender's reference, with its bytes, and makes its delivery."""
    message = examined.message
    message_id = insert_message(
        NewMessage(
            endpoint_id=examined.control_point.id,
            origin=Message.Origin.API,
            kind=kind_of(message),
            bm_unit=message.bm_unit,
            reference=reference,
            content=content,
            received_at=at,
        )
    )
    record_arrival(message_id, content, kind_of(message), at, by)
    made = route.to_operator(message, message_id, at, examined.standing, None)
    ledger.record(Fact(Event.STORED, at, message_id, detail={"deliveries": len(made)}))
    return Taken(message_id, made)


def record_arrival(message_id: UUID, content: bytes, kind: str, at: datetime, by: By) -> None:
    detail = {"way": "API", "bytes": len(content), **by}
    ledger.record(
        Fact(Event.RECEIVED, at, message_id, digest=digest_of(content), detail=detail),
        Fact(Event.DECODED, at, message_id, detail={"kind": kind}),
    )


def note_refused(content: bytes, found: Sequence[Violation], at: datetime, by: By) -> None:
    """The bytes and the first finding, in the audit log: what is refused belongs to no endpoint and
    becomes no message.
    """
    first = found[0]
    detail = {
        "way": "API",
        "code": first.code.value,
        "text": first.text,
        "field": "".join(f"/{step}" for step in first.path),
        "rule": first.rule,
        "value": first.value,
        "findings": len(found),
        **by,
    }
    digest = bodies.keep(content, at)
    ledger.record(Fact(Event.REFUSED, at, digest=digest, detail=detail))


def _control_point(message: Redeclaration) -> Endpoint:
    """That of the BM unit. Another tenant's unit is refused exactly as one that does not exist."""
    unit = None
    if BM_UNIT_NAME.fullmatch(message.bm_unit):
        unit = BmUnit.objects.select_related("control_point").filter(name=message.bm_unit).first()
    if unit is None or unit.control_point.protocol != LEGACY_PROTOCOL:
        raise Refused((_not_yours(("bm_unit",), message.bm_unit, "unknown BM unit"),))
    if unit.control_point.name != message.control_point:
        text = "not the control point of this BM unit"
        raise Refused((_not_yours(("control_point",), message.control_point, text),))
    return unit.control_point


def _not_yours(path: tuple[str, ...], value: str, text: str) -> Violation:
    rule = BY_ID["unit-yours"]
    return Violation(rule.id, rule.code, path, value, text, file_code=rule.file_code)
