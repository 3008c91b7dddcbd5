"""What someone who acts for a tenant may do, and which role may do what. Where it is enforced is
elsewhere: the API's door.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Permission(StrEnum):
    READ = "read"
    OPERATE = "operate"
    """Send, answer, replay, hold and release."""
    KEYS = "keys"
    """Certificates and private keys."""
    SET_UP = "set up"
    """Endpoints and BM units."""
    PEOPLE = "people"
    """Members and API keys."""


class Role(StrEnum):
    OWNER = "OWNER"
    SECURITY_OFFICER = "SECURITY_OFFICER"
    OPERATOR = "OPERATOR"
    OBSERVER = "OBSERVER"


ROLES: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.OWNER: frozenset(Permission),
        Role.SECURITY_OFFICER: frozenset({Permission.READ, Permission.KEYS}),
        Role.OPERATOR: frozenset({Permission.READ, Permission.OPERATE}),
        Role.OBSERVER: frozenset({Permission.READ}),
    }
)


def as_written(permissions: frozenset[Permission]) -> list[str]:
    """In the order in which they are declared."""
    return [one.value for one in Permission if one in permissions]
