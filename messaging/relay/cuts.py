"""Closes the connections that show a client certificate which is in force no more, or that rest on
an authority which the vendor trusts no more: idle ones and those in use, within a second of the
change, in every process that has any.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID
from weakref import WeakSet

import structlog

from messaging.transports import https
from tenants import certificates
from tenants.changes import HOUSE
from tenants.ids import digest_of
from tenants.keys.life import CertificatePurpose
from tenants.keys.reaction import Reaction
from tenants.models import Peer
from tenants.scope import in_tenant
from tenants.tls import ClientContext

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose connections these are: the tenant, its client certificate, and the digest of the
    authorities that the other side must chain to.
    """

    tenant_id: UUID
    fingerprint: bytes
    authorities: bytes


_lock = threading.Lock()
_contexts: dict[Identity, WeakSet[ClientContext]] = {}


def watch(identity: Identity, context: ClientContext) -> None:
    """From now on, connections made by `context` last no longer than `identity` is in force."""
    with _lock:
        known = _contexts.setdefault(identity, WeakSet())
        is_new = context not in known
        known.add(context)
    _reaction.start()
    if is_new:
        # It may have been revoked since it was looked up.
        _reaction.look_at(identity.tenant_id)


def _look_at(who: UUID | None) -> None:
    with _lock:
        for identity in [one for one, known in _contexts.items() if not known]:
            del _contexts[identity]
        held = [one for one in _contexts if who in (None, HOUSE, one.tenant_id)]
    authorities = {digest_of(ca.encode()) for ca in Peer.objects.values_list("ca", flat=True)}
    for tenant_id in {identity.tenant_id for identity in held}:
        theirs = [identity for identity in held if identity.tenant_id == tenant_id]
        in_force = _in_force(tenant_id, {identity.fingerprint for identity in theirs})
        for identity in theirs:
            holds = identity.fingerprint in in_force and identity.authorities in authorities
            _settle(identity, holds)


def _in_force(tenant_id: UUID, fingerprints: set[bytes]) -> Collection[bytes]:
    purpose = CertificatePurpose.SO_CLIENT
    return in_tenant(tenant_id, lambda: certificates.still_verify(purpose, fingerprints))


def _settle(identity: Identity, holds: bool) -> None:
    with _lock:
        contexts = list(_contexts.get(identity, ()))
    if holds:
        for context in contexts:
            context.mend()
        return
    closed = sum(context.cut() for context in contexts)
    https.let_go(identity)
    _log.info("connections cut", tenant_id=str(identity.tenant_id), closed=closed)


_reaction = Reaction("connection cuts", _look_at)
