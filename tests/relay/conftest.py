"""A link of alice's first control point, opened without a socket, and messages to send on it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest

from messaging.domain.messages import BmMessage
from messaging.protocols.base import Envelope, Stamp
from messaging.relay import from_control_point, links
from messaging.relay.from_control_point import Answer, Arrival
from messaging.relay.hold import Hold
from messaging.relay.links import Given
from messaging.relay.register import find_control_point
from tenants.clock import now
from tenants.models import Environment
from tenants.scope import in_tenant
from tests.people import Person

_gateways = itertools.count(1)


@dataclass(slots=True)
class OpenLink:
    """What a gateway holds, and the next number of the control point's."""

    hold: Hold
    last: int
    written: int
    sent: list[Arrival] = field(default_factory=list)

    def arrival(
        self, message: BmMessage, *, number: int | None = None, reply_to: str = ""
    ) -> Arrival:
        number = self.last + 1 if number is None else number
        reference = self.hold.profile.number_text(number)
        parcel = self.hold.codec.encode(Envelope(Stamp(reference, now(), reply_to), (message,)))
        return Arrival(number, reference, parcel.name, reply_to, parcel.content, now())

    def say(self, message: BmMessage, *, reply_to: str = "") -> Answer:
        """Sends it under the next number, as a control point would."""
        return self.deliver(self.arrival(message, reply_to=reply_to))

    def deliver(self, arrival: Arrival) -> Answer:
        answer = from_control_point.take(self.hold, arrival, self.last)
        self.last = arrival.number
        self.sent.append(arrival)
        return answer

    def give(self, limit: int = 100) -> Given:
        """What the gateway would write next."""
        given = links.give(self.hold, limit, self.written)
        if given.outgoing:
            self.written = given.outgoing[-1].number
        return given


def open_link(person: Person, control_point: str, their_last: int = 0) -> OpenLink:
    found = in_tenant(
        person.tenant_id, lambda: find_control_point(control_point, Environment.SIMULATOR)
    )
    assert found is not None
    opened = links.open_link(person.tenant_id, found, next(_gateways), "test", their_last)
    return OpenLink(opened.hold, opened.last_taken, opened.last_given)


@pytest.fixture
def link(alice: Person) -> OpenLink:
    return open_link(alice, alice.control_points[0])
