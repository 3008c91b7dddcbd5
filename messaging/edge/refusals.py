"""Refusals at the service's edges, where no transaction is open and the event loop must not wait:
noted at once, written soon after by one thread, many in a transaction.

However many peers are turned away, the database sees one look-up and one transaction a chain for
all that came meanwhile. A refusal is in the tenant's chain where the certificate that was shown is
a tenant's, or the tenant is known otherwise, else in the house's, which is capped and counted (see
ledger).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from tenants import directory
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.ids import HOUSE
from tenants.scope import in_tenant, reconnecting

MOST_WAITING = 10_000
"""Refusals that may wait to be written; more are only counted."""

MOST_AT_ONCE = 1_000
GATHERED_FOR = 0.05
"""Seconds between the first refusal of a batch and its writing."""

RETRY_AFTER = 1.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Noted:
    """`fingerprint` is that of the certificate shown; empty where none was. `tenant_id` is whose it
    is, where that is known otherwise.
    """

    fingerprint: bytes
    fact: Fact
    tenant_id: UUID | None = None


class Refusals:
    """One a process. Its thread starts with the first refusal."""

    def __init__(self) -> None:
        self._waiting: deque[_Noted] = deque()
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_closing = False

    def note(self, reason: str, address: str, fingerprint: bytes = b"", **detail: object) -> None:
        """Returns at once; never raises."""
        told = {"reason": reason, "address": address, **detail}
        fact = Fact(Event.REFUSED, now(), digest=fingerprint or None, detail=told)
        self._put(_Noted(fingerprint, fact))

    def note_of(self, tenant_id: UUID | None, reason: str, address: str, **detail: object) -> None:
        """The same, where whose it is is known by other means than a certificate; None is
        nobody's.
        """
        told = {"reason": reason, "address": address, **detail}
        self._put(_Noted(b"", Fact(Event.REFUSED, now(), detail=told), tenant_id))

    def _put(self, noted: _Noted) -> None:
        with self._lock:
            has_room = len(self._waiting) < MOST_WAITING
            if has_room:
                self._waiting.append(noted)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="refusals", daemon=True)
                self._thread.start()
        if not has_room:
            ledger.count_for_house(1)
        self._some.set()

    def close(self, seconds: float = 5.0) -> None:
        """Writes what is noted, and what is only counted; for the end of the process."""
        self._is_closing = True
        self._some.set()
        if self._thread is not None:
            self._thread.join(seconds)
        try:
            ledger.tell_suppressed()
        except DatabaseError as error:
            _log.error("refusals could not be told of", error=str(error))

    def _work(self) -> None:
        while True:
            self._some.wait()
            if not self._is_closing:
                time.sleep(GATHERED_FOR)
            self._some.clear()
            while batch := self._drawn():
                left = _write(batch)
                if left:
                    self._put_back(left)
                    if self._is_closing:
                        _log.error("refusals could not be recorded", refusals=len(self._waiting))
                        break
                    time.sleep(RETRY_AFTER)
            if self._is_closing:
                connection.close()
                return

    def _drawn(self) -> list[_Noted]:
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]

    def _put_back(self, left: Iterable[_Noted]) -> None:
        with self._lock:
            self._waiting.extendleft(reversed(list(left)))


def _write(batch: list[_Noted]) -> list[_Noted]:
    """Gives back what is still to be written, as the database was out of reach."""
    try:
        chains = _by_chain(batch)
    except DatabaseError as error:
        _log.warning("refusals cannot be recorded yet", error=str(error))
        return batch
    left: list[_Noted] = []
    for tenant_id, noted in chains.items():
        try:
            _append(tenant_id, [one.fact for one in noted])
        except DatabaseError as error:
            _log.warning("refusals cannot be recorded yet", error=str(error))
            if tenant_id != HOUSE:
                left += noted
    return left


def _by_chain(batch: list[_Noted]) -> dict[UUID, list[_Noted]]:
    shown = {noted.fingerprint for noted in batch if noted.fingerprint}
    kind = directory.Known.CONTROL_POINT_CERTIFICATE
    owners = reconnecting(lambda: directory.find_tenants(kind, shown)) if shown else {}
    chains: dict[UUID, list[_Noted]] = {}
    for noted in batch:
        owner = noted.tenant_id or owners.get(noted.fingerprint, HOUSE)
        chains.setdefault(owner, []).append(noted)
    return chains


def _append(tenant_id: UUID, facts: list[Fact]) -> None:
    if tenant_id == HOUSE:
        ledger.record_for_house(*facts)
    else:
        in_tenant(tenant_id, lambda: ledger.record(*facts))


_refusals = Refusals()
note = _refusals.note
note_of = _refusals.note_of
close = _refusals.close
