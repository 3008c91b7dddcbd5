"""How a tenant comes by its first owner, and by one again when no owner is left who could show
anything: the vendor's administrator mints a key, and the tenant's chain tells of it.
"""

from __future__ import annotations

from uuid import UUID

from tenants import api_keys, members
from tenants.clock import now
from tenants.credentials import is_in_force
from tenants.models import ApiCertificate, ApiKey, Member, Tenant
from tenants.permissions import Permission, Role
from tenants.scope import tenant_scope


class HasOwner(Exception):
    """An owner has a key or a certificate in force. Whoever else is to have one, gets it from
    them.
    """


def has_owner(tenant_id: UUID) -> bool:
    """Whether anybody can look after the tenant's people."""
    moment = now()
    with tenant_scope(tenant_id):
        owners = {"member__role": Role.OWNER, "member__state": Member.State.ACTIVE}
        keys = ApiKey.objects.filter(**owners).select_related("member").defer("hash")
        certificates = ApiCertificate.objects.filter(**owners).select_related("member")
        return any(
            is_in_force(row, moment) and Permission.PEOPLE.value in row.scopes
            for row in (*keys, *certificates)
        )


def mint_owner_key(tenant_id: UUID, name: str, email: str, *, by: str) -> str:
    """A key for the owner of this address, who is added if they are not there. Raises HasOwner, and
    EmailTaken where the address is that of a member in another role.
    """
    told = {"by": by, "vendor": "yes"}
    with tenant_scope(tenant_id):
        # Two who do this at once do it one after the other.
        Tenant.objects.select_for_update().get(id=tenant_id)
        if has_owner(tenant_id):
            raise HasOwner
        owners = Member.objects.filter(state=Member.State.ACTIVE, role=Role.OWNER)
        owner = owners.filter(email=email.lower()).first()
        owner = owner or members.add(name, email, Role.OWNER, by=told)
        return api_keys.mint("first key of an owner", member=owner, by=told).text
