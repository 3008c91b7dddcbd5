"""Who is calling: from the certificate shown in the TLS handshake to a tenant's control point."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from messaging.relay.register import ControlPoint, as_control_point
from tenants import certificates, directory
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.ids import digest_of
from tenants.scope import in_tenant, reconnecting


@dataclass(frozen=True, slots=True)
class Caller:
    """`tenant_id` and `control_point` are None for a certificate that is nobody's, revoked, or out
    of its time.
    """

    fingerprint: bytes
    address: str
    tenant_id: UUID | None = None
    control_point: ControlPoint | None = None

    def record_refusal(self, reason: str, claimed: str) -> None:
        """One entry: in the tenant's chain where the certificate is a tenant's, else in the
        house's.
        """
        detail = {"reason": reason, "address": self.address, "claimed": claimed}
        fact = Fact(Event.REFUSED, now(), digest=self.fingerprint, detail=detail)
        if self.tenant_id is None:
            ledger.record_for_house(fact)
        else:
            in_tenant(self.tenant_id, lambda: ledger.record(fact))


def identify(certificate: bytes, address: str) -> Caller:
    """Who shows this certificate (DER). Identity is the leaf's pinned fingerprint, whatever
    authority signed it.
    """
    fingerprint = digest_of(certificate)
    kind = directory.Known.CONTROL_POINT_CERTIFICATE
    tenant_id = reconnecting(lambda: directory.find_tenant(kind, fingerprint))
    if tenant_id is None:
        return Caller(fingerprint, address)
    row = in_tenant(tenant_id, lambda: certificates.find_control_point(fingerprint))
    return Caller(fingerprint, address, tenant_id, as_control_point(row) if row else None)
