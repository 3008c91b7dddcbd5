"""Ways to speak as either side, and to see what became of it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from messaging.models import Delivery
from messaging.protocols.neso.seals import SEALS, Sealed
from messaging.relay.carry_file import ClaimedFile
from messaging.relay.claim import Claimed, NotClaimed
from messaging.relay.deliver import take_in_hand
from tenants.clock import now
from tenants.scope import in_tenant, tenant_scope
from tests.e2e.rig import boa
from tests.people import Person
from tests.protocols.neso.plain import TYPES, Writer, open_plain
from tests.relay.conftest import OpenLink
from tests.relay.sealing.both_ends import BothEnds
from tests.relay.test_from_control_point import POINT, UNIT, mel

each_seal = pytest.mark.parametrize("seal", SEALS)
WRONG: dict[str, dict[str, int]] = {
    "bad_signature": {},
    "wrong_key": {},
    "clock_skew": {"seconds": 900},
}


def say(link: OpenLink) -> UUID:
    (made,) = link.say(mel()).deliveries
    return made.id


def state_of(person: Person, delivery_id: UUID) -> str:
    with tenant_scope(person.tenant_id):
        return str(Delivery.objects.get(id=delivery_id).state)


def claim(person: Person, delivery_id: UUID, owner: int = 1) -> Claimed | ClaimedFile | NotClaimed:
    return in_tenant(person.tenant_id, lambda: take_in_hand(delivery_id, owner))


def until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def heard(ends: BothEnds, message_id: UUID | str) -> list[dict[str, Any]]:
    """What the operator got under a messageId."""
    rows = ends.control("GET", "/messages?since=0")["messages"]
    return [
        row
        for row in rows
        if row["direction"] == "in" and (row["payload"] or {}).get("messageId") == str(message_id)
    ]


def dispatch(ends: BothEnds) -> dict[str, Any]:
    """One instruction, tried once."""
    body = boa(UNIT, POINT)
    told: dict[str, Any] = ends.control("POST", "/dispatch?wait=0&persist=0", body)
    return told


@dataclass(frozen=True)
class Answer:
    """What the host said to a request made here."""

    status: int
    sealed: Sealed
    url: str


def writer(ends: BothEnds, **changes: Any) -> Writer:
    """The operator, signing without the simulator."""
    keys = ends.keys
    url = f"https://127.0.0.1:{ends.inbound_port}/wa/simulator/NESO_Health"
    names = {"issuer": "NGESO", "audience": ends.person.participant_id}
    told = {"at": now(), "algorithm": "RS256", "url": url, **names, **changes}
    return Writer(keys.signing.key, keys.signing.certificate, **told)


def health(**changes: Any) -> dict[str, Any]:
    payload = {"type": "health", "messageId": str(uuid4()), "profile": "host-1"}
    return {**payload, "sentAt": now().isoformat().replace("+00:00", "Z"), **changes}


def closed(ends: BothEnds, seal: str, payload: dict[str, Any], **changes: Any) -> Sealed:
    content = json.dumps(payload).encode()
    return writer(ends, **changes).close(seal, content, str(payload.get("messageId")))


def post(ends: BothEnds, sealed: Sealed, *more: tuple[str, str]) -> Answer:
    link = http.client.HTTPSConnection(
        "127.0.0.1", ends.inbound_port, context=ends.operator_context, timeout=30
    )
    try:
        link.putrequest("POST", "/wa/simulator/NESO_Health")
        lines = {"Content-Type": sealed.content_type, "Content-Length": str(len(sealed.body))}
        for name, value in (*lines.items(), *sealed.headers.items(), *more):
            link.putheader(name, value)
        link.endheaders(sealed.body)
        answer = link.getresponse()
        type_ = answer.headers.get_content_type()
        body = Sealed(answer.read(), type_, dict(answer.headers.items()))
        return Answer(answer.status, body, writer(ends).url)
    finally:
        link.close()


def said(ends: BothEnds, seal: str, answer: Answer) -> dict[str, Any]:
    """The answer's payload, once its seal is found to be the tenant's without the host's code."""
    certificate = ends.keys.tenant_signing.certificate
    assert answer.sealed.content_type == TYPES[seal], answer
    payload, told = open_plain(seal, answer.sealed, certificate, "ANSWER", answer.url)
    who = [told.get(name) for name in ("iss", "X-Signature-Issuer") if name in told]
    assert who == [ends.person.participant_id]
    read: dict[str, Any] = json.loads(payload)
    return read
