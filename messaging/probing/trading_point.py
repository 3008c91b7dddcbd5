"""Whether a tenant's own server lets the host in and shows what is to be fetched. Nothing is
fetched or changed there.
"""

from __future__ import annotations

import time

from messaging.probing.report import Colour, Finding, Step
from messaging.transports.base import TransportError
from messaging.transports.connecting import Guard
from messaging.transports.directories import INCOMING, OUTGOING
from messaging.transports.remote_files import Remote, connected


def try_server(remote: Remote, guard: Guard | None) -> list[Step]:
    """Log-in first, which takes name, address, host key or certificate, and secret; then the two
    directories there must be.
    """
    began, steps = time.monotonic(), []
    name = "log-in"
    try:
        with connected(remote, guard or Guard.of_vendor()) as files:
            steps.append(_step(name, began, Finding(Colour.GREEN, "the server lets the host in")))
            for name in (OUTGOING, INCOMING):
                began = time.monotonic()
                found = Finding(Colour.GREEN, f"{len(files.names(name))} files are there")
                steps.append(_step(name, began, found))
    except TransportError as error:
        steps.append(_step(name, began, Finding(Colour.RED, str(error))))
    return steps


def _step(name: str, began: float, found: Finding) -> Step:
    return Step(name, found, round((time.monotonic() - began) * 1000, 1))
