"""Which certificates speak for the system operator, towards which tenant. Pinned by the vendor; a
tenant's CA vouches for nobody here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from cryptography import x509
from django.db import connection, transaction

from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.certificates import fingerprint_of
from tenants.clock import now
from tenants.ids import HOUSE
from tenants.models import Environment, Peer, PeerCertificate
from tenants.remembered import Remembered
from tenants.scope import tenant_scope

_TRUSTED = """
SELECT c.fingerprint, c.pem, p.participant_id FROM tenants_peercertificate c
JOIN tenants_peer p ON p.id = c.peer_id
WHERE c.purpose = %s AND c.state = 'ACTIVE' AND p.environment = %s
AND c.not_after > clock_timestamp()
AND (p.is_default OR p.id IN (SELECT peer_id FROM tenants_endpoint WHERE environment = %s))
"""

_CLIENT = """
SELECT 1 FROM tenants_peercertificate c JOIN tenants_peer p ON p.id = c.peer_id
WHERE c.fingerprint = %s AND c.purpose = 'TLS_CLIENT' AND c.state = 'ACTIVE' AND p.environment = %s
AND c.not_after > clock_timestamp()
"""
_CLIENTS = """
SELECT fingerprint FROM tenants_peercertificate
WHERE fingerprint = ANY(%s) AND purpose = 'TLS_CLIENT' AND state = 'ACTIVE'
AND not_after > clock_timestamp()
"""
_PEER = """
SELECT p.ca, c.fingerprint, c.pem, p.participant_id FROM tenants_peer p
LEFT JOIN tenants_peercertificate c
    ON c.peer_id = p.id AND c.purpose = 'SIGNING' AND c.state = 'ACTIVE'
    AND c.not_after > clock_timestamp()
WHERE p.id = %s
"""


_clients: Remembered[tuple[bytes, str], bool] = Remembered(1024)


@dataclass(frozen=True, slots=True)
class TrustedCertificate:
    fingerprint: bytes
    pem: str
    participant_id: str


@dataclass(frozen=True, slots=True)
class KnownPeer:
    """An operator's installation: who signs its TLS server, and who signs its answers."""

    ca: str
    signers: tuple[TrustedCertificate, ...]


def get_peer(peer_id: UUID) -> KnownPeer:
    """The peer with the certificates that may sign its answers now."""
    with connection.cursor() as cursor:
        cursor.execute(_PEER, [peer_id])
        rows = cursor.fetchall()
    signers = (TrustedCertificate(bytes(f), pem, who) for _, f, pem, who in rows if f is not None)
    return KnownPeer(rows[0][0], tuple(signers))


def signers_to(environment: str) -> list[TrustedCertificate]:
    """Who may sign what is sent to the open scope's tenant: the environment's default peer, and one
    it is pointed to.
    """
    return _trusted(PeerCertificate.Purpose.SIGNING, environment)


def is_known_client(fingerprint: bytes, environment: str) -> bool:
    """Whether a TLS client certificate is pinned for any peer of the environment. Needs no scope:
    peers are the vendor's.
    """
    return _clients.get(
        HOUSE, (fingerprint, environment), lambda: _read_client(fingerprint, environment), bool
    )


def _read_client(fingerprint: bytes, environment: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_CLIENT, [fingerprint, environment])
        return cursor.fetchone() is not None


def known_clients(fingerprints: Collection[bytes]) -> set[bytes]:
    """Those of `fingerprints` that are pinned for some peer's TLS client."""
    with connection.cursor() as cursor:
        cursor.execute(_CLIENTS, [list(fingerprints)])
        return {bytes(fingerprint) for (fingerprint,) in cursor.fetchall()}


def _trusted(purpose: PeerCertificate.Purpose, environment: str) -> list[TrustedCertificate]:
    with connection.cursor() as cursor:
        cursor.execute(_TRUSTED, [purpose.value, environment, environment])
        return [TrustedCertificate(bytes(f), pem, who) for f, pem, who in cursor.fetchall()]


def register(
    name: str,
    environment: Environment,
    ca: str,
    certificates: Mapping[PeerCertificate.Purpose, Sequence[str]],
    *,
    is_default: bool = False,
    by: str,
) -> Peer:
    """Registers a peer, or brings it up to date: what is not among its certificates any more is
    trusted no longer. The house's chain tells of what that changed, and names `by`.
    """
    with transaction.atomic():
        before = _stood(name)
        peer, _ = Peer.objects.update_or_create(
            name=name,
            defaults={"environment": environment, "ca": ca, "is_default": is_default},
        )
        keep = []
        for purpose, pems in certificates.items():
            for pem in pems:
                leaf = x509.load_pem_x509_certificates(pem.encode())[0]
                row, _ = PeerCertificate.objects.update_or_create(
                    peer=peer,
                    purpose=purpose,
                    fingerprint=fingerprint_of(leaf),
                    defaults={
                        "pem": pem,
                        "state": PeerCertificate.State.ACTIVE,
                        "not_after": leaf.not_valid_after_utc,
                    },
                )
                keep.append(row.id)
        peer.certificates.exclude(id__in=keep).update(state=PeerCertificate.State.REVOKED)
        _tell(peer, before, _stood(name), by)
        return peer


def _stood(name: str) -> dict[str, object] | None:
    """What an entry tells of a peer: of its certificates, those that are trusted."""
    peer = Peer.objects.filter(name=name).first()
    if peer is None:
        return None
    trusted = peer.certificates.filter(state=PeerCertificate.State.ACTIVE)
    rows = trusted.order_by("purpose", "fingerprint").values_list("purpose", "fingerprint")
    return {
        "environment": peer.environment,
        "ca": hashlib.sha256(peer.ca.encode()).hexdigest(),
        "is_default": peer.is_default,
        "certificates": ", ".join(f"{purpose} {bytes(digest).hex()}" for purpose, digest in rows),
    }


def _tell(
    peer: Peer, before: dict[str, object] | None, after: dict[str, object] | None, by: str
) -> None:
    changed = {
        name: value
        for name, value in (after or {}).items()
        if before is None or before[name] != value
    }
    if not changed:
        return
    detail = {
        "what": f"peer {peer}",
        "verb": "changed" if before else "added",
        "fields": ", ".join(changed),
        "by": by,
        **changed,
    }
    with tenant_scope(HOUSE):
        ledger.record(Fact(Event.REGISTER_CHANGED, now(), detail=detail))
