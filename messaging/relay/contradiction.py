"""What the system operator says of a delivery that has ended already. The first end stands; but
where the operator has it otherwise, a person must know.
"""

from __future__ import annotations

from datetime import datetime

from messaging.domain.acknowledgements import ReceiptStatus
from messaging.relay import declared, verdicts
from messaging.relay.load import LoadedDelivery
from messaging.states import DeliveryState

_HAS_IT = (ReceiptStatus.RECEIVED, ReceiptStatus.ACCEPTED)


def note(row: LoadedDelivery, at: datetime, status: ReceiptStatus, reason: str = "") -> None:
    """With the queue locked: alarms where what it says is not as the delivery ended, by
    Normalization, by its deadline, by a person or by an earlier word of the operator's.
    """
    if not _is_otherwise(row, status):
        return
    said = f"{status.value} ({reason})" if reason else status.value
    if row.state == DeliveryState.ACKNOWLEDGED:
        declared.doubt(row, f"was {said} after it counted as accepted")
    elif row.state == DeliveryState.REFUSED:
        declared.doubt(row, "was accepted after it was refused")
    text = f"the system operator says {said} of what ended as {row.state}: telephone"
    verdicts.alarm(row, at, text)


def _is_otherwise(row: LoadedDelivery, status: ReceiptStatus) -> bool:
    """That it was received says nothing of what it judged, but that it has it."""
    match row.state:
        case DeliveryState.ACKNOWLEDGED:
            return status is ReceiptStatus.REJECTED
        case DeliveryState.REFUSED:
            return status is ReceiptStatus.ACCEPTED
        case _:
            return status in _HAS_IT
