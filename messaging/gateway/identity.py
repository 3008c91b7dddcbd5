"""Who is calling: from the certificate shown in the TLS handshake to a tenant's control point."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from messaging.edge import refusals
from messaging.relay.register import ControlPoint, as_control_point
from tenants import certificates, directory
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

    def note_refusal(self, reason: str, claimed: str = "") -> None:
        """One entry: in the tenant's chain where the certificate is a tenant's, else in the
        house's.
        """
        refusals.note(reason, self.address, self.fingerprint, claimed=claimed)


def identify(fingerprint: bytes, address: str) -> Caller:
    """Who shows the certificate of this fingerprint, which is its identity whatever authority
    signed it.
    """
    kind = directory.Known.CONTROL_POINT_CERTIFICATE
    tenant_id = reconnecting(lambda: directory.find_tenant(kind, fingerprint))
    if tenant_id is None:
        return Caller(fingerprint, address)
    row = in_tenant(tenant_id, lambda: certificates.find_control_point(fingerprint))
    return Caller(fingerprint, address, tenant_id, as_control_point(row) if row else None)
