"""What the operator said when it refused a delivery, read again from the bytes that are kept of it,
for whoever is told later than at the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from messaging.domain.acknowledgements import ReceiptOfMessage, ReceiptStatus
from messaging.models import Attempt, Message
from messaging.protocols.base import Parcel, RemoteProtocolError, UnknownProfile
from messaging.protocols.neso.seals import Sealed, SealError
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.neso.wa.exchange import exchange_of, read_answer
from messaging.relay import signing
from messaging.relay.codecs import wider_access_codec
from messaging.relay.load import LoadedDelivery
from messaging.relay.parts import outline_of
from messaging.relay.questions import open_answer
from messaging.states import AttemptOutcome
from messaging.transports.base import Answered
from tenants.audit import bodies
from tenants.audit.bodies import BodyGone
from tenants.certificates import CertificateMissing

_UNREADABLE: Final = (
    SealError,
    RemoteProtocolError,
    UnknownProfile,
    BodyGone,
    CertificateMissing,
)
"""Its bytes are kept no more, or who signed them is trusted no more."""


@dataclass(frozen=True, slots=True)
class _Sent:
    sealed: Sealed
    trust: signing.Trust
    url: str
    codec: WaCodec


def find_refusal(row: LoadedDelivery) -> ReceiptOfMessage | None:
    """Of a submission that was refused: by a receipt of its own, or by the answer to its last try.
    None where it can't be read any more.
    """
    try:
        return _posted(row) or _answered(row)
    except _UNREADABLE:
        return None


def _posted(row: LoadedDelivery) -> ReceiptOfMessage | None:
    rows = Message.objects.filter(answers_id=row.message_id, kind="RECEIPT").order_by("-id")
    for stored in rows:
        content = bodies.read(bytes(stored.body_digest), stored.received_at)
        codec = wider_access_codec(stored.profile)
        (message,) = codec.decode(Parcel(content, "Submission")).messages
        if isinstance(message, ReceiptOfMessage) and message.status is ReceiptStatus.REJECTED:
            return message
    return None


def _answered(row: LoadedDelivery) -> ReceiptOfMessage | None:
    attempts = Attempt.objects.filter(delivery_id=row.id, outcome=AttemptOutcome.REFUSED)
    attempt = attempts.exclude(answer_digest=None).order_by("-id").first()
    outline = outline_of(row)
    if attempt is None or outline is None or row.sealed_digest is None or row.sealed_at is None:
        return None
    assert attempt.answer_digest is not None, "others were left out"
    kept = Sealed.from_record(bodies.read(bytes(attempt.answer_digest), attempt.settled_at))
    answer = Answered(
        attempt.status or 0,
        {**kept.headers, "content-type": kept.content_type},
        kept.body,
        attempt.answered_at or attempt.settled_at,
        None,
    )
    codec = wider_access_codec(row.payload_profile)
    exchange = exchange_of(codec.profile, outline)
    sent = _Sent(
        Sealed.from_record(bodies.read(bytes(row.sealed_digest), row.sealed_at)),
        signing.credentials_for(row.endpoint).trust,
        row.endpoint.address + exchange.service.path_for(str(row.id)),
        codec,
    )
    payload = open_answer(sent, answer)
    said = read_answer(codec, exchange, answer.status, payload, row.reference).envelope.messages[0]
    return said if isinstance(said, ReceiptOfMessage) else None
