"""Who is asking: an API key in `Authorization: Bearer` or `X-API-Key`, else the client certificate
of the TLS connection, and nothing else.

Whatever is shown and not in force gets the same answer, whether it is unknown, expired, revoked, or
not for this address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from cryptography.x509 import Certificate
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from tenants import api_certificates, api_keys
from tenants.api import limiting
from tenants.api.address import (
    ForgedHeader,
    UnreadableCertificate,
    client_address,
    peer_address,
    shown_certificate,
)
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.credentials import Address, NotFromHere, Shown, Unknown
from tenants.permissions import Permission
from tenants.scope import tenant_scope

_SCHEME = "bearer"
_LONGEST_KEY = 128
_REFUSED = "The API key or certificate is unknown, expired, revoked, or not for this address."
_NOTHING = (
    'Nothing was shown: send an API key as "Authorization: Bearer KEY" or as "X-API-Key: KEY", or'
    " connect with a client certificate that is pinned."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Stands where Django has a user: whose key or certificate was shown."""

    shown: Shown
    address: Address | None

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def tenant_id(self) -> UUID:
        return self.shown.tenant_id

    @property
    def name(self) -> str:
        """Who did it, as audit entries name them."""
        return self.shown.name

    @property
    def permissions(self) -> frozenset[Permission]:
        return self.shown.permissions


class CredentialAuthentication(BaseAuthentication):
    """What is shown and not in force is refused, also where the address could be read without."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        address = client_address(request)
        try:
            found = _found(request, address)
        except NotFromHere as refused:
            _tell(refused.shown, address)
            found = Unknown(refused.shown.mark)
        if found is None:
            return None
        if isinstance(found, Unknown):
            limiting.count_failure(address, found)
            raise AuthenticationFailed(_REFUSED)
        return Caller(found, address), None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="hostsvc"'


def caller_of(request: Request) -> Caller:
    """Raises NotAuthenticated where nothing was shown."""
    user: object = request.user
    if not isinstance(user, Caller):
        raise NotAuthenticated(_NOTHING)
    return user


def still_may_read(request: Request) -> Callable[[], bool]:
    """Whether what was shown with a request is in force now, and lets its tenant's rows be read:
    for an answer that lasts. Asking counts as no request.
    """
    address, key = client_address(request), _shown_key(request)
    certificate = shown_certificate(request) if key is None else None

    def is_so() -> bool:
        try:
            found = _sought(key, certificate, address)
        except NotFromHere:
            return False
        return isinstance(found, Shown) and Permission.READ in found.permissions

    return is_so


def _found(request: Request, address: Address | None) -> Shown | Unknown | None:
    """None where nothing is shown. A key goes before a certificate."""
    try:
        certificate = shown_certificate(request)
    except ForgedHeader:
        _tell_house(request)
        return Unknown()
    except UnreadableCertificate:
        return Unknown()
    return _sought(_shown_key(request), certificate, address)


def _sought(
    key: str | None, certificate: Certificate | None, address: Address | None
) -> Shown | Unknown | None:
    if key is not None:
        return api_keys.find(key, address) if len(key) <= _LONGEST_KEY else Unknown()
    return api_certificates.find(certificate, address) if certificate else None


def _shown_key(request: Request) -> str | None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == _SCHEME:
        return key.strip()
    return request.headers.get("X-API-Key")


def _tell(refused: Shown, address: Address | None) -> None:
    """Whoever has it may have stolen it: its tenant is to know, and its log not to be filled."""
    if limiting.is_worth_telling(refused):
        detail = {"reason": "network", "address": address, **refused.told}
        with tenant_scope(refused.tenant_id):
            ledger.record(Fact(Event.CREDENTIAL_REFUSED, now(), detail=detail))


def _tell_house(request: Request) -> None:
    detail = {"address": peer_address(request), "path": request.path, "by": "nobody known"}
    ledger.record_for_house(Fact(Event.FORGED_HEADER, now(), detail=detail))
