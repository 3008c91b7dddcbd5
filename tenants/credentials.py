"""What API keys and API certificates have in common: whom they speak for, what they may do, and
when they are in force.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection

from tenants.audit.events import THE_SERVICE
from tenants.clock import now
from tenants.models import ApiCertificate, ApiKey, Credential, Member
from tenants.permissions import ROLES, Permission, Role, as_written
from tenants.scope import tenant_scope

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

THE_HOST: Mapping[str, object] = {"by": THE_SERVICE}
"""Who acts where nobody is named."""
NOTED_EVERY = timedelta(minutes=1)

_log = logging.getLogger(__name__)

# A row that somebody else has locked is being noted already, or changed: neither is waited for.
_NOTE = """
UPDATE {table} SET {column} = %s WHERE id IN (
    SELECT id FROM {table} WHERE id = %s AND ({column} IS NULL OR {column} < %s)
    FOR UPDATE SKIP LOCKED)
"""


class TooWide(ValueError):
    """A credential was to be given more than its member's role has, or than its maker has. `beyond`
    says what.
    """

    def __init__(self, beyond: frozenset[Permission]) -> None:
        super().__init__(", ".join(as_written(beyond)))
        self.beyond = beyond


class NotFromHere(Exception):
    """A credential that is in force was shown from a network it is not meant for."""

    def __init__(self, shown: Shown) -> None:
        super().__init__("shown from a network it is not meant for")
        self.shown = shown


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing in force was shown. `mark` names the credential that was meant, where there is
    one.
    """

    mark: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A credential in force, as it was shown. `permissions` is what it may do now: its scopes
    within its member's role.
    """

    tenant_id: UUID
    kind: type[Credential]
    id: UUID
    mark: str
    label: str
    member_id: UUID | None
    member_name: str
    role: Role | None
    permissions: frozenset[Permission]
    expires_at: datetime | None
    is_rotated: bool
    is_to_be_noted: bool
    tenant_quota: int | None
    own_quota: int | None

    @property
    def name(self) -> str:
        """Who acts, as the audit log names them."""
        return self.member_name or f"service {self.label or self.mark}"

    @property
    def told(self) -> Mapping[str, object]:
        """Who acts, as members of an audit entry's detail."""
        return {"by": self.name, "member_id": self.member_id, "credential": self.mark}


def shown(row: ApiKey | ApiCertificate, mark: str, address: Address | None) -> Shown | None:
    """What a row, read with its member and tenant, says now; None when it is not in force.

    Raises NotFromHere.
    """
    moment = now()
    if not is_in_force(row, moment):
        return None
    member: Member | None = row.member
    last = row.last_used_at
    told = Shown(
        tenant_id=row.tenant_id,
        kind=type(row),
        id=row.id,
        mark=mark,
        label=row.label,
        member_id=member.id if member else None,
        member_name=member.name if member else "",
        role=Role(member.role) if member else None,
        permissions=permissions_of(row, member),
        expires_at=row.expires_at,
        is_rotated=getattr(row, "replaced_by_id", None) is not None,
        is_to_be_noted=last is None or last <= moment - NOTED_EVERY,
        tenant_quota=row.tenant.requests_per_minute,
        own_quota=row.tenant.key_requests_per_minute,
    )
    if row.networks and not within(address, row.networks):
        raise NotFromHere(told)
    return told


def is_in_force(row: Credential, at: datetime) -> bool:
    member_left = row.member is not None and row.member.state != Member.State.ACTIVE
    expired = row.expires_at is not None and row.expires_at <= at
    early = isinstance(row, ApiCertificate) and row.not_before > at
    return row.revoked_at is None and not (expired or early or member_left)


def permissions_of(row: Credential, member: Member | None) -> frozenset[Permission]:
    """A name that is no permission any more gives nothing."""
    scopes = frozenset(one for one in Permission if one.value in row.scopes)
    return scopes & ROLES[Role(member.role)] if member else scopes


def within(address: Address | None, networks: Iterable[str]) -> bool:
    """An IPv4 address that came in an IPv6 socket is the IPv4 address it stands for."""
    if address is None:
        return False
    return any(address in ipaddress.ip_network(network) for network in networks)


def granted(
    wanted: Collection[Permission] | None,
    member: Member | None,
    within_: frozenset[Permission],
) -> list[str]:
    """The scopes of a new credential: what is wanted, else all that its member's role and its maker
    have in common, and to read for one without a member. Raises TooWide.
    """
    role = ROLES[Role(member.role)] if member else frozenset(Permission)
    if wanted is None:
        usual = role if member else frozenset({Permission.READ})
        return as_written(usual & within_)
    if beyond := frozenset(wanted) - (role & within_):
        raise TooWide(beyond)
    return as_written(frozenset(wanted))


def note_use(used: Shown) -> None:
    """Writes down that a credential was used, and so its member seen: once a minute at most, in a
    transaction of its own, and never at the cost of the request.
    """
    if not used.is_to_be_noted:
        return
    try:
        with tenant_scope(used.tenant_id), connection.cursor() as cursor:
            _note(cursor, used.kind._meta.db_table, "last_used_at", used.id)
            if used.member_id is not None:
                _note(cursor, Member._meta.db_table, "last_seen_at", used.member_id)
    except (DatabaseError, InterfaceError):
        _log.warning("the use of a credential was not noted", exc_info=True)


def _note(cursor: Any, table: str, column: str, row_id: UUID) -> None:
    moment = now()
    statement = _NOTE.format(table=table, column=column)
    cursor.execute(statement, [moment, row_id, moment - NOTED_EVERY])
