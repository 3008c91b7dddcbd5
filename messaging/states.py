"""The words for where a delivery stands, what an attempt came to, which hands a delivery waits for,
and how the ways out stand.
"""

from __future__ import annotations

from django.db import models


class DeliveryState(models.TextChoices):
    """PENDING -> CLAIMED -> DELIVERED -> ACKNOWLEDGED is the good way through."""

    PENDING = "PENDING"
    CLAIMED = "CLAIMED"
    DELIVERED = "DELIVERED", "delivered, verdict awaited"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    HELD = "HELD", "held while the other side is out"
    REFUSED = "REFUSED", "the peer said no"
    EXPIRED = "EXPIRED", "the deadline passed"
    ABANDONED = "ABANDONED", "a person stopped it"
    SUPERSEDED = "SUPERSEDED", "a newer one says it otherwise"
    UNROUTABLE = "UNROUTABLE", "no endpoint leads there"


UNDELIVERED = (DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.HELD)
"""States in which a delivery holds back those behind it in the same queue."""

OPEN = (*UNDELIVERED, DeliveryState.DELIVERED)
"""States from which a delivery can still move."""

DEAD = (
    DeliveryState.REFUSED,
    DeliveryState.EXPIRED,
    DeliveryState.ABANDONED,
    DeliveryState.UNROUTABLE,
)
"""Ends that left the message undelivered. The machine never leaves them; a person may replay such a
delivery, which makes it PENDING again, or close it. What was SUPERSEDED is none: the newer message
says what it would have said.
"""

_ENDS = frozenset(
    {
        DeliveryState.ACKNOWLEDGED,
        DeliveryState.REFUSED,
        DeliveryState.EXPIRED,
        DeliveryState.ABANDONED,
    }
)

# What was sent and got no answer waits as PENDING or HELD, and a verdict on it may still come: by a
# receipt of the peer's own, or by a worker that another has overtaken.
_FROM_UNDELIVERED = frozenset(
    {*UNDELIVERED, DeliveryState.DELIVERED, DeliveryState.SUPERSEDED, *_ENDS}
)

MOVES: dict[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.PENDING: _FROM_UNDELIVERED,
    DeliveryState.CLAIMED: _FROM_UNDELIVERED,
    DeliveryState.HELD: _FROM_UNDELIVERED,
    DeliveryState.DELIVERED: _ENDS,
    DeliveryState.ACKNOWLEDGED: frozenset(),
    DeliveryState.REFUSED: frozenset(),
    DeliveryState.EXPIRED: frozenset(),
    DeliveryState.ABANDONED: frozenset(),
    DeliveryState.SUPERSEDED: frozenset(),
    DeliveryState.UNROUTABLE: frozenset(),
}
"""From each state, the states it may become. CLAIMED to CLAIMED is another worker taking over from
a dead one. What a person does with what is DEAD is not in it.
"""


class AttemptOutcome(models.TextChoices):
    """UNKNOWN: bytes left and no answer that counts came back, so a resend may be a repeat to the
    peer.
    """

    DELIVERED = "DELIVERED"
    REFUSED = "REFUSED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class Lane(models.TextChoices):
    """Whose hands a delivery waits for: a Celery worker's, or the gateway's that holds the control
    point's link.
    """

    OPERATOR = "operator", "to the system operator"
    LINK = "link", "to a control point's link"
    FILES = "files", "to a trading point's directory"


class Urgency(models.IntegerChoices):
    """What goes first where hands are few: the lower, the sooner."""

    INSTRUCTION = 0, "an instruction, or an answer to one"
    REDECLARATION = 1
    SUBMISSION = 2
    FILE = 3


class BreakerState(models.TextChoices):
    """CLOSED lets everything through, OPEN nothing, HALF_OPEN one try that is under way."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN", "one try is under way"


class LampState(models.TextChoices):
    """How a connection to the system operator stands. UNKNOWN: not asked yet, or something answers
    that knows no Health.
    """

    UP = "UP"
    OUT = "OUT"
    UNKNOWN = "UNKNOWN"


class NoticeState(models.TextChoices):
    """PLANNED -> ON -> ENDING -> OVER is an outage that is announced, comes and goes. One that is
    UNASKED holds nothing any more, and is OVER once the operator says what was missed, or a person
    that nobody will ask.
    """

    INCOMPLETE = "INCOMPLETE", "a person must complete it"
    PLANNED = "PLANNED"
    ON = "ON", "telephone mode"
    ENDING = "ENDING", "over; what was missed is being asked"
    UNASKED = "UNASKED", "over; the operator does not say what was missed"
    OVER = "OVER"
    CANCELLED = "CANCELLED"
