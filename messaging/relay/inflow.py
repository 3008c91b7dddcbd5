"""A payload from the system operator on its way in, and what examining it came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from messaging.domain.acknowledgements import Health, ReceiptOfMessage
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.relay.codecs import operator_codec
from messaging.relay.register import Operator
from messaging.relay.rows import NewDelivery
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.ids import digest_of


@dataclass(frozen=True, slots=True)
class Inflow:
    """A payload whose seal held. `reference` is the messageId that the seal vouches for; `service`
    what it was sent to.
    """

    endpoint: Operator
    service: str
    reference: str
    payload: bytes
    at: datetime

    @property
    def codec(self) -> WaCodec:
        return operator_codec(self.endpoint.settings)

    def record_arrival(self, message_id: UUID) -> None:
        """Every stored payload's first entry."""
        detail = {
            "reference": self.reference,
            "service": self.service,
            "bytes": len(self.payload),
        }
        digest = digest_of(self.payload)
        ledger.record(Fact(Event.RECEIVED, self.at, message_id, digest=digest, detail=detail))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to answer, the message stored, and the deliveries it made."""

    answer: ReceiptOfMessage | Health
    message_id: UUID | None = None
    deliveries: tuple[NewDelivery, ...] = ()
