"""Who logs in at a trading point's files, and whether they may: by name and password or SSH key,
from where, and how often one may fail. What is refused is told in the audit log: in the chain of
the tenant whose name it was, else in the house's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from messaging.edge import refusals
from tenants import file_logins, limits
from tenants.audit import ledger
from tenants.credentials import within
from tenants.limits import Bucket
from tenants.models import Endpoint, FileLogin
from tenants.networks import Address
from tenants.scope import in_tenant, reconnecting

REFUSED_AFTER = 0.6
"""Seconds from the question to a refusal, whatever it was refused for: how long it took tells
nothing of which names there are. Whoever asks keeps it back, and no thread waits for it.
"""

PLAIN, BY_TLS, BY_SSH = "ftp", "ftps", "sftp"
_MOST_TOLD = 60


@dataclass(frozen=True, slots=True)
class Admitted:
    """A login that is in force, shown from where it may be."""

    tenant_id: UUID
    endpoint_id: UUID
    login_id: UUID
    username: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`admitted` is None where it is refused, which is to be told after `wait_s` seconds."""

    admitted: Admitted | None
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """`way` is how the client has connected."""

    username: str
    address: str
    way: str

    def by_password(self, password: str) -> Decision:
        return self._decided(lambda row: file_logins.fits(row, password), "wrong password")

    def by_key(self, blob: bytes) -> Decision:
        """`blob` is the public key's SSH wire form; that the client has the private one is seen by
        the server. A client tries its keys one after the other: a wrong one is no failure.
        """
        return self._decided(lambda row: file_logins.has_key(row, blob), "")

    def is_for_plain_ftp(self) -> bool:
        """Whether name and password may come in the clear: before there is any."""
        try:
            tenant_id = reconnecting(lambda: file_logins.find_tenant(self.username))
            if tenant_id is None:
                return False
            row = in_tenant(tenant_id, lambda: file_logins.find(self.username))
            return row is not None and fault_of(row.endpoint, self) == ""
        finally:
            connection.close()

    def note_no_key(self) -> None:
        """That the client has gone, and no key of its fitted."""
        try:
            self._note("no key fits", reconnecting(lambda: file_logins.find_tenant(self.username)))
        finally:
            connection.close()

    def note_too_many(self, tenant_id: UUID) -> None:
        """A log-in that was right, and one too many at once: no failure."""
        told = {"username": self.username, "by": self.way}
        refusals.note("too many file sessions", self.address, b"", tenant_id, **told)

    def _note(self, reason: str, tenant_id: UUID | None) -> None:
        """Counts a failure, and tells of it."""
        limits.take([self._bucket(1)])
        told = self.username[:_MOST_TOLD]
        refusals.note(reason, self.address, b"", tenant_id, username=told, by=self.way)

    def _decided(self, fits: Callable[[FileLogin], bool], told: str) -> Decision:
        """A refusal that counts takes as long for whatever reason."""
        began = time.monotonic()
        try:
            admitted = self._admitted(fits, told)
        finally:
            connection.close()
        if admitted is not None or not told:
            return Decision(admitted)
        return Decision(None, max(0.0, began + REFUSED_AFTER - time.monotonic()))

    def _admitted(self, fits: Callable[[FileLogin], bool], told: str) -> Admitted | None:
        if limits.wait_s(limits.take([self._bucket(0)])) > 0:
            ledger.count_for_house(1)
            return None
        tenant_id = reconnecting(lambda: file_logins.find_tenant(self.username))
        if tenant_id is None:
            reason: str = "unknown file login" if told else ""
            admitted = None
        else:
            admitted, reason = in_tenant(tenant_id, lambda: self._looked_up(fits, told))
        if reason:
            self._note(reason, tenant_id)
        return admitted

    def _looked_up(
        self, fits: Callable[[FileLogin], bool], told: str
    ) -> tuple[Admitted | None, str]:
        """Within the tenant's scope: who it is, or why not, where that is to be told."""
        row = file_logins.find(self.username)
        if row is None:
            return None, "revoked file login" if told else ""
        if not fits(row):
            return None, told
        if fault := fault_of(row.endpoint, self):
            return None, fault
        file_logins.note_use(row.id)
        return Admitted(row.tenant_id, row.endpoint_id, row.id, row.username), ""

    def _bucket(self, cost: int) -> Bucket:
        key = f"files:failures:{place_of(self.address)}"
        return Bucket("failures", key, settings.FAILURE_QUOTA, cost)


def fault_of(endpoint: Endpoint, attempt: Attempt) -> str:
    """Why nobody may be at this endpoint, or not in this way; empty where they may."""
    set_to: dict[str, Any] = endpoint.settings
    networks = set_to.get("networks", [])
    if endpoint.protocol != file_logins.PROTOCOL or set_to.get("mode", "server") != "server":
        return "nobody logs in at this endpoint"
    if networks and not within(_address(attempt.address), networks):
        return "file login from a network it is not meant for"
    if attempt.way == PLAIN and not (endpoint.transport == PLAIN and networks):
        return "FTP without TLS"
    return ""


def _address(text: str) -> Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def place_of(text: str) -> str:
    """What an address is counted as: of IPv6 one /64, which is what one site has."""
    found = _address(text)
    if isinstance(found, IPv6Address):
        return str(ip_network((int(found), 64), strict=False))
    return str(found)
