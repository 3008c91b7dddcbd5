"""Where a tenant's certificates come in and are moved: what the API asks for, as one call each, in
the open scope's transaction. Nothing is half-stored: each either stores all or raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cryptography import x509

from tenants import certificates
from tenants.certificates import fingerprint_of
from tenants.clock import now
from tenants.directory import AlreadyKnown
from tenants.ids import new_id
from tenants.keys import possession, requests, store, uploads
from tenants.keys.faults import unfit
from tenants.keys.life import OURS, CertificatePurpose, CertificateState, Move, after, can
from tenants.keys.requests import KeyKind, Subject
from tenants.keys.uploads import Material
from tenants.models import Certificate, Endpoint, Tenant
from tenants.scope import require_tenant

LATEST_SWITCH = timedelta(days=366)

_TOO_EARLY = "The certificate is not valid before {:%Y-%m-%d %H:%M:%S} UTC."


class NotThere(LookupError):
    """The tenant has no such certificate."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a certificate that is handed in is for: an environment, or one of the tenant's
    endpoints.
    """

    purpose: CertificatePurpose
    environment: str | None = None
    endpoint_id: UUID | None = None


def request(
    purpose: CertificatePurpose, environment: str, kind: KeyKind, subject: Subject | None, by: str
) -> Certificate:
    """Makes a key and its signing request. Raises Unfit."""
    if purpose not in OURS:
        raise unfit("purpose", "The keys of your own machines are made where they are used.")
    slot = store.Slot(environment, purpose)
    row_id, key = new_id(), requests.make_key(kind)
    text = requests.request_for(key, purpose, subject or _usual_subject())
    store.add_request(slot, key, text, row_id, by)
    return get(row_id)


def answer(row_id: UUID, certificate: str, switch_at: datetime | None, by: str) -> Certificate:
    """Stores what an authority answered to a request. Raises Unfit, MoveRefused and NotThere."""
    row = _locked(row_id)
    after(CertificateState(row.state), Move.ANSWER)
    sealed, purpose = row.private_key, CertificatePurpose(row.purpose)
    assert sealed is not None, "a request has its key"
    key = certificates.open_key(row.id, bytes(sealed))
    material = uploads.read_answer(certificate, key, purpose, now())
    _refuse_twin(purpose, material.leaf)
    store.answer(row, material.pem, by)
    _switch_when(row, switch_at, by)
    return row


def upload(
    material: Material, place: Place, proof: str, switch_at: datetime | None, by: str
) -> Certificate:
    """Stores what `uploads.read` found fit. Raises Unfit."""
    slot = _slot(place)
    slot.lock()
    _refuse_twin(place.purpose, material.leaf)
    if place.purpose == CertificatePurpose.CONTROL_POINT:
        possession.check(proof, require_tenant(), material.leaf)
    try:
        row = store.add(slot, material.pem, material.key, by)
    except AlreadyKnown:
        text = "This certificate cannot be used here. Use a new one, or ask the host's staff."
        raise unfit("certificate", text) from None
    _switch_when(row, switch_at, by)
    return row


def switch_over(row_id: UUID, at: datetime | None, by: str) -> Certificate:
    """Lets it take over at `at`, or now. Raises Unfit, MoveRefused and NotThere."""
    row = _locked(row_id)
    if at is None or at <= now():
        _switch_now(row, by, "at")
    else:
        _refuse_bad_time(row, at, "at")
        store.set_switch(row, at, by)
    return row


def call_off(row_id: UUID, by: str) -> Certificate:
    """It takes over when somebody says so. Raises MoveRefused and NotThere."""
    row = _locked(row_id)
    store.set_switch(row, None, by)
    return row


def revoke(row_id: UUID, reason: str, by: str) -> Certificate:
    """Raises MoveRefused and NotThere."""
    row = _locked(row_id)
    store.revoke(row, reason, by)
    return row


def get(row_id: UUID) -> Certificate:
    """Raises NotThere."""
    row = Certificate.objects.select_related("endpoint").filter(id=row_id).first()
    if row is None:
        raise NotThere
    return row


def _locked(row_id: UUID) -> Certificate:
    """With its slot's lock, and read under it."""
    store.slot_of(get(row_id)).lock()
    return get(row_id)


def _slot(place: Place) -> store.Slot:
    if place.purpose in OURS:
        if place.endpoint_id is not None:
            raise unfit("endpoint_id", "A certificate of this purpose belongs to no endpoint.")
        if place.environment is None:
            raise unfit("environment", "Say for which environment it is.")
        return store.Slot(place.environment, place.purpose)
    endpoint = Endpoint.objects.filter(id=place.endpoint_id).first() if place.endpoint_id else None
    if endpoint is None:
        raise unfit("endpoint_id", "Name one of your endpoints, whose machine shows it.")
    connects_to_us = not endpoint.address
    if connects_to_us != (place.purpose == CertificatePurpose.CONTROL_POINT):
        who = "connects to the host" if connects_to_us else "is connected to by the host"
        raise unfit("endpoint_id", f"This endpoint {who}, which does not go with the purpose.")
    return store.slot_for(endpoint.environment, place.purpose, endpoint)


def _usual_subject() -> Subject:
    tenant = Tenant.objects.get(id=require_tenant())
    return Subject(requests.fitting(tenant.participant_id), requests.fitting(tenant.name))


def _refuse_twin(purpose: CertificatePurpose, leaf: x509.Certificate) -> None:
    if store.is_there(purpose, fingerprint_of(leaf)):
        raise unfit("certificate", "You have handed in this certificate for this purpose already.")


def _switch_when(row: Certificate, at: datetime | None, by: str) -> None:
    """None leaves it waiting, unless none is in use; a time that is past means now."""
    if at is None:
        store.succeed(store.slot_of(row), by, "none was in use", now())
        row.refresh_from_db()
    elif at <= now():
        _switch_now(row, by, "switch_at")
    else:
        _refuse_bad_time(row, at, "switch_at")
        store.set_switch(row, at, by)


def _switch_now(row: Certificate, by: str, field: str) -> None:
    try:
        store.switch(row, by)
    except store.NotYetValid:
        raise unfit(field, _TOO_EARLY.format(row.not_before)) from None


def _refuse_bad_time(row: Certificate, at: datetime, field: str) -> None:
    if not can(CertificateState(row.state), Move.SWITCH):
        return
    assert row.not_before is not None
    assert row.not_after is not None
    if at < row.not_before:
        raise unfit(field, _TOO_EARLY.format(row.not_before))
    if at >= row.not_after:
        raise unfit(field, f"The certificate has expired by then: {row.not_after:%Y-%m-%d %H:%M}.")
    if at > now() + LATEST_SWITCH:
        raise unfit(field, "This is more than a year away.")
