"""A payload from the system operator on its way in, and what examining it came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from messaging.domain.acknowledgements import Health, ReceiptOfMessage
from messaging.models import Message
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.relay.codecs import operator_codec
from messaging.relay.refusal import Refusal
from messaging.relay.register import Operator
from messaging.relay.rows import NewDelivery, NewMessage, insert_message
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.ids import digest_of


@dataclass(frozen=True, slots=True)
class Inflow:
    """A payload whose seal held. `reference` is the messageId that the seal vouches for; `service`
    what it was sent to; `sealed` the record of the signed form that it came in, and `to` the method
    and URL that some seals cover as well.
    """

    endpoint: Operator
    service: str
    reference: str
    payload: bytes
    at: datetime
    sealed: bytes = b""
    to: str = ""

    @property
    def codec(self) -> WaCodec:
        return operator_codec(self.endpoint.settings)

    def store(
        self,
        kind: str,
        bm_unit: str = "",
        *,
        answers: UUID | None = None,
        refusal: Refusal | None = None,
    ) -> UUID:
        """The payload as a message, with its first entry. Both name the signed form as well, with
        which the tenant can show what the operator signed.
        """
        message_id = insert_message(
            NewMessage(
                endpoint_id=self.endpoint.id,
                origin=Message.Origin.OPERATOR,
                kind=kind,
                bm_unit=bm_unit,
                reference=self.reference,
                content=self.payload,
                received_at=self.at,
                answers=answers,
                refusal_code=refusal.code.value if refusal else "",
                refusal_text=refusal.text if refusal else "",
                profile=self.codec.profile.name,
                sealed=self.sealed,
            )
        )
        self._record_arrival(message_id)
        return message_id

    def _record_arrival(self, message_id: UUID) -> None:
        detail: dict[str, object] = {
            "reference": self.reference,
            "service": self.service,
            "bytes": len(self.payload),
            "profile": self.codec.profile.name,
        }
        if self.sealed:
            detail |= {"sealed": digest_of(self.sealed).hex(), "to": self.to}
        digest = digest_of(self.payload)
        ledger.record(Fact(Event.RECEIVED, self.at, message_id, digest=digest, detail=detail))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to answer, the message stored, and the deliveries it made."""

    answer: ReceiptOfMessage | Health
    message_id: UUID | None = None
    deliveries: tuple[NewDelivery, ...] = ()
