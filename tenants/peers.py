"""Which certificates speak for the system operator, towards which tenant. Pinned by the vendor; a tenant's CA vouches for nobody here."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from tenants.models import Endpoint, PeerCertificate

_TRUSTED = """
SELECT c.fingerprint, c.pem, p.participant_id FROM tenants_peercertificate c
JOIN tenants_peer p ON p.id = c.peer_id
WHERE c.purpose = %s AND c.state = 'ACTIVE' AND p.environment = %s
AND (p.is_default OR p.id IN (SELECT peer_id FROM tenants_endpoint WHERE environment = %s))
"""


@dataclass(frozen=True, slots=True)
class TrustedCertificate:
    fingerprint: bytes
    pem: str
    participant_id: str


def signers_of(endpoint: Endpoint) -> list[TrustedCertificate]:
    """Who may sign the answers of the peer that an endpoint leads to."""
    rows = PeerCertificate.objects.select_related("peer").filter(
        peer_id=endpoint.peer_id,
        purpose=PeerCertificate.Purpose.SIGNING,
        state=PeerCertificate.State.ACTIVE,
    )
    return [
        TrustedCertificate(bytes(row.fingerprint), row.pem, row.peer.participant_id) for row in rows
    ]


def signers_to(environment: str) -> list[TrustedCertificate]:
    """Who may sign what is sent to the open scope's tenant: the environment's default peer, and one it is pointed to."""
    return _trusted(PeerCertificate.Purpose.SIGNING, environment)


def is_known_client(fingerprint: bytes, environment: str) -> bool:
    """Whether a TLS client certificate is pinned for any peer of the environment. Needs no scope: peers are the vendor's."""
    return PeerCertificate.objects.filter(
        purpose=PeerCertificate.Purpose.TLS_CLIENT,
        state=PeerCertificate.State.ACTIVE,
        peer__environment=environment,
        fingerprint=fingerprint,
    ).exists()


def _trusted(purpose: PeerCertificate.Purpose, environment: str) -> list[TrustedCertificate]:
    with connection.cursor() as cursor:
        cursor.execute(_TRUSTED, [purpose.value, environment, environment])
        return [TrustedCertificate(bytes(f), pem, who) for f, pem, who in cursor.fetchall()]
