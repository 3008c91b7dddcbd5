"""Who is asking: an API key in `Authorization: Bearer` or `X-API-Key`, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from tenants import api_keys

_SCHEME = "bearer"
_LONGEST_KEY = 128


@dataclass(frozen=True, slots=True)
class Caller:
    """Stands where Django has a user: the tenant whose key was shown."""

    tenant_id: UUID

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def name(self) -> str:
        """Who did it, as audit entries name them."""
        return "an API key"


class ApiKeyAuthentication(BaseAuthentication):
    """A key that is shown and not in force is refused, also where the address could be read without
    one.
    """

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        key = _shown(request)
        if key is None:
            return None
        tenant = api_keys.find_tenant(key) if len(key) <= _LONGEST_KEY else None
        if tenant is None:
            raise AuthenticationFailed("The API key is unknown, expired or revoked.")
        return Caller(tenant.id), None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="hostsvc"'


def caller_of(request: Request) -> Caller:
    """Raises NotAuthenticated where no key was shown."""
    user: object = request.user
    if not isinstance(user, Caller):
        raise NotAuthenticated
    return user


def _shown(request: Request) -> str | None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == _SCHEME:
        return key.strip()
    return request.headers.get("X-API-Key")
