"""How a tenant's payloads are written on the wire. All else in the simulator knows those of host-1
alone: what travels in another profile is turned into that on its way in, and out of it on its way
out. The other profile's names are `enveloped.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from messaging.simulator import enveloped
from messaging.simulator.services import WA_SERVICES
from messaging.simulator.spelling import Members, NotSpelt
from messaging.simulator.strict_json import NotStrictJson, parse_object, write


@dataclass(frozen=True, slots=True)
class Address:
    """Where a question goes; `{id}` in the path is its messageId."""

    method: str
    path: str

    def of(self, message_id: str) -> str:
        return self.path.replace("{id}", message_id)


@dataclass(frozen=True, slots=True)
class Dialect:
    """`asked` is where the host asks each service, `asking` where the host is asked; `statuses` are
    those that mean what another one means in host-1.
    """

    name: str
    asked: Mapping[str, Address]
    asking: Mapping[str, Address]
    names_of: Callable[[Members], Members] | None = None
    names_for: Callable[[Members], Members] | None = None
    statuses: Mapping[int, int] = field(default_factory=dict)
    host_statuses: Mapping[int, int] = field(default_factory=dict)
    defers: bool = True
    """Whether a final receipt may come later."""

    def read(self, payload: bytes) -> Members:
        """Raises NotStrictJson."""
        members = parse_object(payload)
        if self.names_of is None:
            return members
        try:
            return self.names_of(members)
        except NotSpelt as error:
            raise NotStrictJson(str(error)) from None

    def write(self, payload: bytes) -> bytes:
        return payload if self.names_for is None else write(self.names_for(parse_object(payload)))

    def id_of(self, payload: bytes, message_id: str) -> str:
        """What the payload bears as its messageId: an answer may have the question's."""
        if self.defers:
            return message_id
        return str(parse_object(payload).get("inReplyTo", message_id))

    def status(self, status: int) -> int:
        """As the simulator writes it in a sealed answer."""
        return self.statuses.get(status, status)

    def host_status(self, status: int) -> int:
        """What the host's sealed answer means in host-1."""
        return self.host_statuses.get(status, status)


_PLAIN = {service: Address("POST", f"/{service}") for service in WA_SERVICES}
HOST_1 = Dialect("host-1", _PLAIN, _PLAIN)
ENVELOPED_1 = Dialect(
    enveloped.NAME,
    {service: Address(*place) for service, place in enveloped.ASKED.items()},
    {service: Address(*place) for service, place in enveloped.ASKING.items()},
    enveloped.names_of,
    enveloped.names_for,
    {422: 400, 503: 423},
    {202: 200, 400: 422},
    defers=False,
)
DIALECTS = {one.name: one for one in (HOST_1, ENVELOPED_1)}
