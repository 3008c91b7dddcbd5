"""The keys a tenant speaks with and the certificates it is spoken to by, as seals and transports
want them.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from typing import Protocol as Shape
from uuid import UUID

from cryptography import x509

from messaging.protocols.neso.seals import get_seal
from messaging.protocols.neso.seals.base import PrivateKey, Seal, SigningKey, TrustedKey
from messaging.relay import cuts
from messaging.relay.register import Operator
from messaging.relay.settings import operator_settings
from tenants import certificates, peers, tls
from tenants.cache import Bounded
from tenants.certificates import thumbprint
from tenants.ids import digest_of
from tenants.keys.life import CertificatePurpose
from tenants.keys.memory import KeyMemory
from tenants.models import Certificate
from tenants.remembered import Remembered
from tenants.scope import require_tenant
from tenants.tls import ClientContext

OPERATOR = "NGESO"
"""The system operator's name in `iss` and `aud`."""

_trusted_keys: Bounded[tuple[bytes, str], TrustedKey] = Bounded(1024)
_active: Remembered[tuple[str, tuple[CertificatePurpose, ...]], certificates.ActivePairs] = (
    Remembered(1024)
)
_peers: Remembered[UUID, peers.KnownPeer] = Remembered(1024)
_signers: Remembered[str, list[peers.TrustedCertificate]] = Remembered(1024)
_contexts: KeyMemory[cuts.Identity, ClientContext] = KeyMemory(1024)


@dataclass(frozen=True, slots=True)
class ActiveKey:
    """The key that signs for the tenant in scope, and the name it signs under."""

    participant_id: str
    signing: SigningKey


@dataclass(frozen=True, slots=True)
class ConnectionKeys:
    """A TLS context that shows the tenant's client certificate; `identity` changes whenever what it
    is made of does.
    """

    identity: cuts.Identity
    context: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may sign to whom: `audience` is the tenant's own name."""

    audience: str
    keys: tuple[TrustedKey, ...]
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that a message to the system operator needs of keys and certificates."""

    participant_id: str
    signing: SigningKey
    connection: ConnectionKeys
    trust: Trust
    revoked_at: datetime | None
    """When a key that signed was last revoked: what was sealed before is to be sealed anew."""


class EndpointSettings(Shape):
    """As much of an endpoint as keys depend on."""

    @property
    def settings(self) -> dict[str, Any]: ...
    @property
    def environment(self) -> str: ...
    @property
    def peer_id(self) -> UUID | None: ...


def seal_of(settings: dict[str, Any]) -> Seal:
    """How an endpoint's settings say that its messages are signed."""
    return get_seal(operator_settings(settings).seal)


def signing_key(environment: str) -> ActiveKey:
    """Raises CertificateMissing."""
    return _active_key(_pairs(environment, Certificate.Purpose.SIGNING))


def credentials_for(endpoint: EndpointSettings) -> Credentials:
    """What a message to the operator behind an endpoint is signed, connected and answered with.

    Raises CertificateMissing.
    """
    purposes = (Certificate.Purpose.SIGNING, Certificate.Purpose.SO_CLIENT)
    pairs = _pairs(endpoint.environment, *purposes)
    peer_id = endpoint.peer_id
    assert peer_id is not None, "an endpoint that leads to an operator names its peer"
    peer = _peers.get(require_tenant(), peer_id, lambda: peers.get_peer(peer_id))
    key = _active_key(pairs)
    return Credentials(
        key.participant_id,
        key.signing,
        _connection_keys(pairs.by_purpose[Certificate.Purpose.SO_CLIENT].in_time(), peer.ca),
        _trust(key.participant_id, peer.signers, endpoint.settings),
        pairs.revoked_at,
    )


def _active_key(pairs: certificates.ActivePairs) -> ActiveKey:
    pair = pairs.by_purpose[Certificate.Purpose.SIGNING].in_time()
    key = SigningKey(thumbprint(pair.fingerprint), cast(PrivateKey, pair.key), pair.pem)
    return ActiveKey(pairs.participant_id, key)


def _connection_keys(pair: certificates.KeyPair, ca: str) -> ConnectionKeys:
    identity = cuts.Identity(require_tenant(), pair.fingerprint, digest_of(ca.encode()))
    context = _contexts.get(
        identity.tenant_id, identity, lambda: tls.client_context(ca, pair.pem, pair.key)
    )
    cuts.watch(identity, context)
    return ConnectionKeys(identity, context)


def trust_from(endpoint: Operator, audience: str) -> Trust:
    """Who may sign what is sent to the tenant, in the endpoint's environment."""
    environment = endpoint.environment
    signers = _signers.get(require_tenant(), environment, lambda: peers.signers_to(environment))
    return _trust(audience, signers, endpoint.settings)


def _pairs(environment: str, *purposes: CertificatePurpose) -> certificates.ActivePairs:
    """Raises CertificateMissing."""
    return _active.get(
        require_tenant(),
        (environment, purposes),
        lambda: certificates.get_active(environment, *purposes),
    )


def _trust(
    audience: str, trusted: Sequence[peers.TrustedCertificate], settings: dict[str, Any]
) -> Trust:
    algorithms = frozenset(operator_settings(settings).algorithms)
    return Trust(audience, tuple(map(_trusted_key, trusted)), algorithms)


def _trusted_key(trusted: peers.TrustedCertificate) -> TrustedKey:
    return _trusted_keys.get(
        (trusted.fingerprint, trusted.participant_id),
        lambda: TrustedKey(
            thumbprint(trusted.fingerprint),
            x509.load_pem_x509_certificate(trusted.pem.encode()),
            trusted.participant_id,
        ),
    )
