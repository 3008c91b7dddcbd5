"""Moves certificates through their life: rows, the directory, what is due next, and the audit
entries that tell of it, in the open scope's transaction.

What comes in here was checked by `uploads`, or comes from the vendor's own enrolment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from django.db import connection
from django.db.models import QuerySet

from tenants import certificates, directory
from tenants.audit import ledger
from tenants.audit.events import THE_SERVICE, Event, Fact
from tenants.certificates import fingerprint_of
from tenants.clock import now
from tenants.ids import new_id
from tenants.keys import due
from tenants.keys.life import (
    OURS,
    CertificatePurpose,
    CertificateState,
    Move,
    MoveRefused,
    after,
)
from tenants.models import Certificate, Endpoint
from tenants.scope import require_tenant

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


class NotYetValid(Exception):
    """A certificate takes over before its time begins."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What a certificate is for. In each, at most one is ACTIVE."""

    environment: str
    purpose: CertificatePurpose
    endpoint_id: UUID | None = None

    def rows(self) -> QuerySet[Certificate]:
        place: dict[str, Any] = {
            "environment": self.environment,
            "purpose": self.purpose,
            "endpoint_id": self.endpoint_id,
        }
        return Certificate.objects.filter(**place)

    def lock(self) -> None:
        """Whoever moves a certificate of the slot waits for whoever does."""
        name = f"{require_tenant()} {self.environment} {self.purpose} {self.endpoint_id}"
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [name])


def slot_of(row: Certificate) -> Slot:
    return Slot(row.environment, CertificatePurpose(row.purpose), row.endpoint_id)


def slot_for(environment: str, purpose: CertificatePurpose, endpoint: Endpoint | None) -> Slot:
    """A machine's certificate belongs to its endpoint, and to the endpoint's environment."""
    assert (endpoint is None) == (purpose in OURS), "the tenant's own machines have endpoints"
    if endpoint is not None:
        return Slot(endpoint.environment, purpose, endpoint.id)
    return Slot(environment, purpose)


def add_request(slot: Slot, key: PrivateKeyTypes, request: str, row_id: UUID, by: str) -> None:
    """Stores a key made here with its signing request."""
    Certificate.objects.create(
        id=row_id,
        tenant_id=require_tenant(),
        environment=slot.environment,
        purpose=slot.purpose,
        state=CertificateState.REQUESTED,
        request=request,
        private_key=certificates.seal_key(key, row_id),
    )
    detail = {"certificate": row_id, "purpose": slot.purpose.value, "by": by}
    _record(Event.KEY_REQUESTED, detail | {"environment": slot.environment})


def add(slot: Slot, pem: str, key: PrivateKeyTypes | None, by: str) -> Certificate:
    """Stores a certificate as NEXT: it verifies, and takes over when it is switched to.

    A control point's certificate is entered in the directory, which is how its link is told from
    another tenant's. Raises AlreadyKnown.
    """
    row_id = new_id()
    row = Certificate(
        id=row_id,
        tenant_id=require_tenant(),
        environment=slot.environment,
        purpose=slot.purpose,
        endpoint_id=slot.endpoint_id,
        private_key=certificates.seal_key(key, row_id) if key is not None else None,
    )
    _hold(row, pem, by)
    return row


def answer(row: Certificate, pem: str, by: str) -> None:
    """The authority's answer to a request: from now on the row is a certificate. Raises
    MoveRefused.
    """
    after(CertificateState(row.state), Move.ANSWER)
    _hold(row, pem, by)


def install(
    purpose: CertificatePurpose,
    pem: str,
    key: PrivateKeyTypes | None = None,
    *,
    environment: str,
    endpoint: Endpoint | None = None,
    by: str = THE_SERVICE,
) -> Certificate:
    """Stores a certificate and lets it take over at once; the one before it retires."""
    slot = slot_for(environment, purpose, endpoint)
    slot.lock()
    row = add(slot, pem, key, by)
    switch(row, by)
    return row


def switch(row: Certificate, by: str, why: str = "", at: datetime | None = None) -> None:
    """`row` takes over in its slot; whichever was active retires. Raises MoveRefused, and
    NotYetValid.
    """
    slot, at = slot_of(row), at or now()
    slot.lock()
    row.refresh_from_db(fields=["state", "not_before", "not_after"])
    target = after(CertificateState(row.state), Move.SWITCH)
    assert row.not_before is not None
    assert row.not_after is not None
    if row.not_before > at:
        raise NotYetValid
    if row.not_after <= at:
        raise MoveRefused(CertificateState.EXPIRED, Move.SWITCH)
    before = slot.rows().filter(state=CertificateState.ACTIVE).first()
    if before is not None:
        before.state, before.switch_at = after(CertificateState.ACTIVE, Move.RETIRE), None
        before.save(update_fields=["state", "switch_at"])
        due.plan(before)
    row.state, row.switch_at = target, None
    row.save(update_fields=["state", "switch_at"])
    due.plan(row)
    detail = _told(row, by) | {"before": before.id if before else None, "why": why}
    _record(Event.KEY_SWITCHED, detail, row)


def set_switch(row: Certificate, at: datetime | None, by: str) -> None:
    """`row` takes over at a time to come; with None it waits for a word. Raises MoveRefused."""
    slot_of(row).lock()
    row.refresh_from_db(fields=["state"])
    after(CertificateState(row.state), Move.SWITCH)
    if row.state == CertificateState.RETIRING and at is not None:
        # It takes over again now or not at all: set for later, nobody would expect it.
        raise MoveRefused(CertificateState.RETIRING, Move.SWITCH)
    row.switch_at = at
    row.save(update_fields=["switch_at"])
    due.plan(row)
    _record(Event.KEY_SWITCH_SET, _told(row, by) | {"switch_at": at}, row)


def revoke(row: Certificate, reason: str, by: str) -> None:
    """From now on it neither signs nor verifies, and its private key is destroyed. Where it was in
    use, the next one takes over. Raises MoveRefused.
    """
    _end(row, Move.REVOKE, Event.KEY_REVOKED, by, reason, now())


def expire(row: Certificate, at: datetime) -> None:
    """Its time is over. Raises MoveRefused."""
    _end(row, Move.EXPIRE, Event.KEY_EXPIRED, THE_SERVICE, "", at)


def _end(row: Certificate, move: Move, event: Event, by: str, reason: str, at: datetime) -> None:
    slot = slot_of(row)
    slot.lock()
    row.refresh_from_db(fields=["state", "pem", "fingerprint"])
    was = CertificateState(row.state)
    row.state = after(was, move)
    row.private_key, row.switch_at, row.ended_at, row.reason = None, None, at, reason
    row.save(update_fields=["state", "private_key", "switch_at", "ended_at", "reason"])
    due.plan(row)
    _record(event, _told(row, by) | {"was": was.value, "reason": reason}, row)
    if was is CertificateState.ACTIVE:
        succeed(slot, by, f"the one before it is {row.state}", at)


def succeed(slot: Slot, by: str, why: str, at: datetime) -> None:
    """Where none is active nothing can be signed or connected: the newest that waits takes
    over.
    """
    if slot.rows().filter(state=CertificateState.ACTIVE).exists():
        return
    waiting = slot.rows().filter(state=CertificateState.NEXT, not_before__lte=at, not_after__gt=at)
    if (row := waiting.order_by("-id").first()) is not None:
        switch(row, by, why, at)


def _hold(row: Certificate, pem: str, by: str) -> None:
    leaf = x509.load_pem_x509_certificates(pem.encode())[0]
    fingerprint = fingerprint_of(leaf)
    row.state, row.pem, row.fingerprint, row.held_since = (
        CertificateState.NEXT,
        pem,
        fingerprint,
        now(),
    )
    row.not_before, row.not_after = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if row.purpose == CertificatePurpose.CONTROL_POINT:
        kind = directory.Known.CONTROL_POINT_CERTIFICATE
        directory.enter(kind, fingerprint, require_tenant())
    row.save()
    due.plan(row)
    detail = _told(row, by) | {"serial": format(leaf.serial_number, "x")}
    _record(Event.KEY_INSTALLED, detail, row)


def _told(row: Certificate, by: str) -> dict[str, object]:
    return {
        "certificate": row.id,
        "purpose": row.purpose,
        "environment": row.environment,
        "endpoint": row.endpoint_id,
        "by": by,
    }


def _record(event: Event, detail: dict[str, object], row: Certificate | None = None) -> None:
    digest = bytes(row.fingerprint) if row is not None and row.fingerprint else None
    ledger.record(Fact(event, now(), digest=digest, detail=detail))


def is_there(purpose: CertificatePurpose, fingerprint: bytes) -> bool:
    """Whether the tenant has, or had, this certificate for this purpose."""
    return Certificate.objects.filter(purpose=purpose, fingerprint=fingerprint).exists()
