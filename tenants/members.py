"""The people of the open scope's tenant: added, given another role, removed. There is always one
owner at least.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q

from tenants import api_certificates, api_keys
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.credentials import THE_HOST
from tenants.models import ApiCertificate, ApiKey, Member
from tenants.permissions import Role
from tenants.scope import require_tenant


class LastOwner(Exception):
    """Nobody would be left who could look after the tenant's people."""


class EmailTaken(Exception):
    """An active member of the same tenant has this address."""


def find_locked(member_id: UUID) -> Member | None:
    """An active member, locked together with all owners and in one order: of two who would remove
    each other at once, the second waits and is then refused.
    """
    owners = Q(role=Role.OWNER, state=Member.State.ACTIVE)
    rows = Member.objects.filter(owners | Q(id=member_id)).order_by("id").select_for_update()
    found = (row for row in rows if row.id == member_id and row.state == Member.State.ACTIVE)
    return next(found, None)


def add(name: str, email: str, role: Role, *, by: Mapping[str, object] = THE_HOST) -> Member:
    """Raises EmailTaken."""
    values = {"name": name, "email": email.lower(), "role": role}
    try:
        with transaction.atomic():
            row = Member.objects.create(tenant_id=require_tenant(), **values)
    except IntegrityError:
        raise EmailTaken from None
    _record(Event.MEMBER_ADDED, row, by)
    return row


def change(row: Member, name: str, role: Role, *, by: Mapping[str, object] = THE_HOST) -> None:
    """Of a locked row. The member's keys may do what the new role and their scopes allow, from the
    end of the transaction on. Raises LastOwner.
    """
    if role != Role.OWNER:
        _keep_an_owner_beside(row)
    before, row.name, row.role = row.role, name, role
    row.save(update_fields=["name", "role"])
    _record(Event.MEMBER_CHANGED, row, {**by, "role_before": before})


def remove(row: Member, *, by: Mapping[str, object] = THE_HOST) -> None:
    """A locked row. Their keys and certificates are revoked. Raises LastOwner."""
    _keep_an_owner_beside(row)
    row.state, row.removed_at = Member.State.REMOVED, now()
    row.save(update_fields=["state", "removed_at"])
    for key in ApiKey.objects.filter(member=row, revoked_at=None).select_related("member"):
        api_keys.revoke(key, by=by)
    certificates = ApiCertificate.objects.filter(member=row, revoked_at=None)
    for certificate in certificates.select_related("member"):
        api_certificates.revoke(certificate, by=by)
    _record(Event.MEMBER_REMOVED, row, by)


def _keep_an_owner_beside(row: Member) -> None:
    owners = Member.objects.filter(state=Member.State.ACTIVE, role=Role.OWNER)
    if row.role == Role.OWNER and not owners.exclude(id=row.id).exists():
        raise LastOwner


def _record(event: Event, row: Member, by: Mapping[str, object]) -> None:
    detail = {"member": row.name, "email": row.email, "role": row.role, **by}
    ledger.record(Fact(event, now(), detail=detail))
