"""How a tenant comes by its first owner, and by one again when nobody is left who could look after
its people: the vendor's administrator mints a key, and the tenant's chain tells of it.
"""

from __future__ import annotations

from uuid import UUID

from tenants import api_keys, members
from tenants.clock import now
from tenants.credentials import is_in_force, permissions_of
from tenants.models import ApiCertificate, ApiKey, Member, Tenant
from tenants.permissions import Permission, Role
from tenants.scope import tenant_scope


class LookedAfter(Exception):
    """Somebody of the tenant's own can mint keys. Whoever is to have one gets it from them."""


def is_looked_after(tenant_id: UUID) -> bool:
    """Whether anything in force may look after the tenant's people."""
    moment = now()
    with tenant_scope(tenant_id):
        keys = ApiKey.objects.filter(revoked_at=None).select_related("member").defer("hash")
        certificates = ApiCertificate.objects.filter(revoked_at=None).select_related("member")
        return any(
            is_in_force(row, moment) and Permission.PEOPLE in permissions_of(row, row.member)
            for row in (*keys, *certificates)
        )


def mint_owner_key(tenant_id: UUID, name: str, email: str, *, by: str) -> str:
    """A key for the owner of this address, who is added if they are not there. Raises LookedAfter,
    and EmailTaken where the address is that of a member in another role.
    """
    told = {"by": by, "vendor": "yes"}
    with tenant_scope(tenant_id):
        # Two who do this at once do it one after the other.
        Tenant.objects.select_for_update().get(id=tenant_id)
        if is_looked_after(tenant_id):
            raise LookedAfter
        owners = Member.objects.filter(state=Member.State.ACTIVE, role=Role.OWNER)
        owner = owners.filter(email=email.lower()).first()
        owner = owner or members.add(name, email, Role.OWNER, by=told)
        return api_keys.mint("first key of an owner", member=owner, by=told).text
