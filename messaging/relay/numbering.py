"""Gives a message for a control point its log number in the very transaction that makes it, where
its link is up, so that its bytes can leave as soon as that has committed.

Where the link is down, its window is full, or others wait before it, the message waits too, and the
gateway numbers it (relay.links.give).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from messaging.protocols.edl.profile import EdlProfile
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.ids import digest_of

_TAKE = "SELECT epoch, number FROM messaging_take_number(%s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A log number of a link's, good in one epoch only. The link is locked until the transaction
    ends, so numbers and commits come in the same order.
    """

    epoch: int
    number: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A numbered message whose bytes are committed and may leave before the deadline."""

    delivery_id: UUID
    number: int
    content: bytes
    deadline: datetime


def take(endpoint_id: UUID, profile: EdlProfile) -> Ticket | None:
    """The next number on the control point's link in the open scope; None where it must wait."""
    limits = profile.limits
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [endpoint_id, limits.window, limits.number_modulus])
        row = cursor.fetchone()
    return Ticket(*row) if row else None


def record_sending(
    outgoing: Outgoing,
    at: datetime,
    *,
    message_id: UUID | None = None,
    kind: str = "",
    again: bool = False,
) -> None:
    """The entry that stands before the first byte leaves."""
    detail = {"number": outgoing.number, "kind": kind, "again": again}
    digest = digest_of(outgoing.content)
    ledger.record(
        Fact(Event.SENDING, at, message_id, outgoing.delivery_id, digest=digest, detail=detail)
    )
