"""The keys a tenant speaks with and the certificates it is spoken to by, as seals and transports
want them.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import cast

from cryptography import x509

from messaging.protocols.neso.seals import get_seal
from messaging.protocols.neso.seals.base import PrivateKey, Seal, SigningKey, TrustedKey
from tenants import certificates, peers, tls
from tenants.cache import Bounded
from tenants.certificates import thumbprint
from tenants.ids import digest_of
from tenants.models import Certificate, Endpoint, Tenant
from tenants.scope import require_tenant

DEFAULT_SEAL = "jws-json"

OPERATOR = "NGESO"
"""The system operator's name in `iss` and `aud`."""

DEFAULT_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")

_trusted_keys: Bounded[bytes, TrustedKey] = Bounded(1024)
_contexts: Bounded[tuple[bytes, bytes], ssl.SSLContext] = Bounded(1024)


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

    identity: tuple[bytes, bytes]
    context: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may sign to whom: `audience` is the tenant's own name."""

    audience: str
    keys: tuple[TrustedKey, ...]
    algorithms: frozenset[str]


def seal_of(endpoint: Endpoint) -> Seal:
    """How the endpoint's settings say that its messages are signed."""
    return get_seal(str(endpoint.settings.get("seal", DEFAULT_SEAL)))


def signing_key() -> ActiveKey:
    """Raises CertificateMissing."""
    pair = certificates.get_active(Certificate.Purpose.SIGNING)
    participant_id = Tenant.objects.values_list("participant_id", flat=True).get(
        id=require_tenant()
    )
    key = SigningKey(thumbprint(pair.fingerprint), cast(PrivateKey, pair.key))
    return ActiveKey(participant_id, key)


def connection_keys(endpoint: Endpoint) -> ConnectionKeys:
    """Raises CertificateMissing."""
    pair = certificates.get_active(Certificate.Purpose.SO_CLIENT)
    assert endpoint.peer is not None, "an endpoint that leads to an operator names its peer"
    ca = endpoint.peer.ca
    identity = (pair.fingerprint, digest_of(ca.encode()))
    context = _contexts.get(identity, lambda: tls.client_context(ca, pair.pem, pair.key))
    return ConnectionKeys(identity, context)


def trust_in(endpoint: Endpoint, audience: str) -> Trust:
    """Who may sign the answers of the peer behind an endpoint."""
    return _trust(audience, peers.signers_of(endpoint), endpoint)


def trust_from(endpoint: Endpoint, audience: str) -> Trust:
    """Who may sign what is sent to the tenant, in the endpoint's environment."""
    return _trust(audience, peers.signers_to(endpoint.environment), endpoint)


def _trust(audience: str, trusted: list[peers.TrustedCertificate], endpoint: Endpoint) -> Trust:
    algorithms = frozenset(endpoint.settings.get("algorithms", DEFAULT_ALGORITHMS))
    return Trust(audience, tuple(map(_trusted_key, trusted)), algorithms)


def _trusted_key(trusted: peers.TrustedCertificate) -> TrustedKey:
    return _trusted_keys.get(
        trusted.fingerprint,
        lambda: TrustedKey(
            thumbprint(trusted.fingerprint),
            x509.load_pem_x509_certificate(trusted.pem.encode()),
            trusted.participant_id,
        ),
    )
