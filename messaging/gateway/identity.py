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
    of its time. One without TLS has no fingerprint: it is known by its address, and has a tenant
    where that is in a tenant's tunnel.
    """

    fingerprint: bytes
    address: str
    tenant_id: UUID | None = None
    control_point: ControlPoint | None = None

    @property
    def is_plain(self) -> bool:
        return not self.fingerprint

    @property
    def key(self) -> bytes:
        """What its connections are counted by."""
        return self.fingerprint or b"plain " + self.host.encode()

    @property
    def host(self) -> str:
        return self.address.rpartition(":")[0]

    @property
    def refusal(self) -> str:
        """What it is told that names a control point which is not its own."""
        if self.is_plain:
            return "not a control point that may connect so"
        return "not the control point of this certificate"

    def note_refusal(self, reason: str, claimed: str = "") -> None:
        """One entry: in the tenant's chain where the certificate, or the tunnel, is a tenant's,
        else in the house's.
        """
        tenant_id = self.tenant_id if self.is_plain else None
        refusals.note(reason, self.address, self.fingerprint, tenant_id, claimed=claimed)


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
