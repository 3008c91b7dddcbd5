"""Closes the links of a certificate that is in force no more: revoked, expired, or gone; and plain
ones that their endpoint's settings no longer allow. Every gateway does this for the links it holds,
within a second of the change.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Protocol
from uuid import UUID

from messaging.gateway import plain
from messaging.gateway.identity import Caller
from tenants import certificates
from tenants.changes import HOUSE
from tenants.clock import now
from tenants.keys.life import CertificatePurpose
from tenants.keys.reaction import Reaction
from tenants.scope import in_tenant

REASON = "its certificate is revoked or out of its time"
PLAIN_REASON = "it may not connect without TLS from there any more"


class Guarded(Protocol):
    """A link, as far as it can be closed."""

    async def serve(self) -> None: ...
    def close(self, reason: str) -> None: ...


class LinkGuard:
    """Knows each link of this process by tenant and certificate, while it is served."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._links: dict[UUID, dict[Guarded, Caller]] = {}
        self._timers: dict[Guarded, asyncio.TimerHandle] = {}
        self._reaction = Reaction("link guard", self._look_at)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, link: Guarded, caller: Caller) -> None:
        """Serves `link` to its end, which may be its certificate's. One that was in force for
        nobody when it was looked up gets no further than HELLO, and is answered that.

        Any other is looked at once more at the start: it may have been revoked since.
        """
        tenant_id = caller.tenant_id
        if tenant_id is None or caller.control_point is None:
            await link.serve()
            return
        self._loop = asyncio.get_running_loop()
        with self._lock:
            self._links.setdefault(tenant_id, {})[link] = caller
        self._reaction.start()
        self._reaction.look_at(tenant_id)
        try:
            await link.serve()
        finally:
            self._leave(link, tenant_id)

    def _leave(self, link: Guarded, tenant_id: UUID) -> None:
        with self._lock:
            self._links[tenant_id].pop(link)
            if not self._links[tenant_id]:
                del self._links[tenant_id]
        if (timer := self._timers.pop(link, None)) is not None:
            timer.cancel()

    def _look_at(self, who: UUID | None) -> None:
        """On the reaction's thread."""
        if who == HOUSE:
            return
        with self._lock:
            held = {tenant: dict(links) for tenant, links in self._links.items()}
        for tenant_id, links in held.items():
            if who is None or who == tenant_id:
                self._look_at_links(tenant_id, links)

    def _look_at_links(self, tenant_id: UUID, links: dict[Guarded, Caller]) -> None:
        purpose = CertificatePurpose.CONTROL_POINT
        shown = {caller.fingerprint for caller in links.values() if not caller.is_plain}
        ends = in_tenant(tenant_id, lambda: certificates.still_verify(purpose, shown))
        for link, caller in links.items():
            if caller.is_plain:
                self._look_at_plain(tenant_id, link, caller)
            elif caller.fingerprint in ends:
                self._on_loop(self._time, link, tenant_id, ends[caller.fingerprint])
            else:
                self._on_loop(link.close, REASON)

    def _look_at_plain(self, tenant_id: UUID, link: Guarded, caller: Caller) -> None:
        assert caller.control_point is not None
        if not plain.still_allowed(tenant_id, caller.control_point.endpoint_id, caller.host):
            self._on_loop(link.close, PLAIN_REASON)

    def _time(self, link: Guarded, tenant_id: UUID, not_after: datetime) -> None:
        """Looks again when the certificate ends."""
        with self._lock:
            is_here = link in self._links.get(tenant_id, {})
        if is_here and link not in self._timers:
            assert self._loop is not None
            wait = max((not_after - now()).total_seconds(), 0.0)
            self._timers[link] = self._loop.call_later(wait, self._is_over, link, tenant_id)

    def _is_over(self, link: Guarded, tenant_id: UUID) -> None:
        self._timers.pop(link, None)
        self._reaction.look_at(tenant_id)

    def _on_loop(self, work: Callable[..., None], *details: object) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # The loop is closed, and every link with it.
            self._loop.call_soon_threadsafe(work, *details)
