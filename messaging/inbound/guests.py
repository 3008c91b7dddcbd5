"""The connections of the system operator's that are open now. Those of a client certificate which
the vendor pins no more are closed within a second, in the midst of a request too: what was not
answered is sent again, by whom the vendor trusts then.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID

from tenants import peers
from tenants.changes import HOUSE
from tenants.ids import digest_of
from tenants.keys.reaction import Reaction


class Guests:
    """One a process. Entered and left on the event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[asyncio.Transport, tuple[bytes, asyncio.AbstractEventLoop]] = {}
        self._reaction = Reaction("guests", self._look_at)

    def enter(self, transport: asyncio.Transport, certificate: bytes) -> None:
        with self._lock:
            self._open[transport] = digest_of(certificate), asyncio.get_running_loop()
        self._reaction.start()

    def leave(self, transport: asyncio.Transport) -> None:
        with self._lock:
            self._open.pop(transport, None)

    def _look_at(self, who: UUID | None) -> None:
        if who not in (None, HOUSE):
            return
        with self._lock:
            held: Mapping[asyncio.Transport, tuple[bytes, asyncio.AbstractEventLoop]]
            held = dict(self._open)
        known = peers.known_clients({fingerprint for fingerprint, _ in held.values()})
        for transport, (fingerprint, loop) in held.items():
            if fingerprint not in known:
                with suppress(RuntimeError):  # The loop is closed, and the connection with it.
                    loop.call_soon_threadsafe(transport.abort)


GUESTS = Guests()
