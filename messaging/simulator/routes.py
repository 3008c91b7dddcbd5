"""What a service is, what it receives, and the pure steps of receiving: open the seal, check the
form. Effects are `reception.py`'s."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from messaging.simulator.checks.envelope import check_envelope
from messaging.simulator.checks.fields import Fields
from messaging.simulator.checks.findings import Findings
from messaging.simulator.config import Config, Tenant
from messaging.simulator.dialect import Dialect
from messaging.simulator.http import MIB
from messaging.simulator.memory import Answer
from messaging.simulator.seals import SEALS
from messaging.simulator.seals.base import Exchange, SealBroken, Wire, judge
from messaging.simulator.strict_json import NotStrictJson
from messaging.simulator.visits import Visit


@dataclass(frozen=True, slots=True)
class Received:
    """A message whose seal and form held; a fault applied while answering it is noted in
    `faults`."""

    tenant: Tenant
    service: str
    message_id: str
    payload: dict[str, object]
    at: datetime
    faults: list[str]


@dataclass(frozen=True, slots=True)
class Route:
    """How one service takes messages. `check` notes what is wrong with the content and must not
    touch anything else: large ones are checked on another thread. `answer` is called once for each
    message and may still refuse."""

    service: str
    type_: str | None
    check: Callable[[Fields, Tenant], object]
    answer: Callable[[Received], Answer]
    largest: int = MIB
    in_outage: bool = False
    is_wider_access: bool = False
    guard: Callable[[Visit, Tenant], None] | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """An opened message; `payload` is None and `fault` says why where the content is no JSON
    object."""

    body: bytes
    message_id: str
    payload: dict[str, object] | None
    fault: str


def open_wire(
    config: Config, tenant: Tenant, wire: Wire, exchange: Exchange, dialect: Dialect, at: datetime
) -> Opening:
    """`at` is now by the operator's clock. Raises SealBroken. A payload that is no JSON, or spelt
    as its profile does not have it, is still the sender's, and refused as content."""
    opened = SEALS[tenant.seal].open(wire, tenant.verifiers, tenant.algorithms, exchange)
    judge(opened, tenant.participant_id, config.participant_id, at)
    named = opened.claims.message_id
    try:
        payload = dialect.read(opened.payload)
    except NotStrictJson as error:
        return Opening(opened.payload, named or "", None, str(error))
    message_id = payload.get("messageId")
    if named is not None and named != message_id:
        raise SealBroken("jti is not the payload's messageId")
    return Opening(opened.payload, message_id if isinstance(message_id, str) else "", payload, "")


def check(route: Route, tenant: Tenant, payload: dict[str, object]) -> Findings:
    """A payload of another type is not looked into any further."""
    findings = Findings()
    fields = Fields(payload, (), findings)
    check_envelope(fields, route.type_)
    if route.type_ is None or payload.get("type") == route.type_:
        route.check(fields, tenant)
    return findings
