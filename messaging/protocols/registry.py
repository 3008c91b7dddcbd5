"""The protocols there are: one line a folder adds another, and the contract test runs over all of
them.
"""

from __future__ import annotations

from typing import Final

from messaging.protocols import edl, edt, neso
from messaging.protocols.base import Protocol

_ALL: Final[tuple[Protocol, ...]] = (
    edl.PROTOCOL,
    edt.PROTOCOL,
    neso.PROTOCOL,
)

PROTOCOLS: Final[dict[str, Protocol]] = {protocol.name: protocol for protocol in _ALL}


class UnknownProtocol(Exception):
    """No protocol of that name is registered."""


def find_protocol(name: str) -> Protocol | None:
    return PROTOCOLS.get(name)


def get_protocol(name: str) -> Protocol:
    protocol = find_protocol(name)
    if protocol is None:
        raise UnknownProtocol(name)
    return protocol
