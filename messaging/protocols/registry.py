"""The protocols there are: one line a folder adds another, and the contract test runs over all of
them.
"""

from __future__ import annotations

from pathlib import Path
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


def find_protocol(name: str, profiles: Path | None = None) -> Protocol | None:
    """With `profiles`, a vendor's folder, what stands in its folder of the protocol's name counts
    as well.
    """
    protocol = PROTOCOLS.get(name)
    if protocol is None or protocol.shelf is None or profiles is None:
        return protocol
    return protocol.shelf.beside(profiles / name)


def get_protocol(name: str, profiles: Path | None = None) -> Protocol:
    protocol = find_protocol(name, profiles)
    if protocol is None:
        raise UnknownProtocol(name)
    return protocol
