"""Messages and deliveries by BM unit, those about several units among them."""

from __future__ import annotations

from uuid import UUID

from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import IsNull

from messaging.models import Message, UnitOfMessage
from messaging.relay.parts import SUBMISSIONS, queues_of_unit


def about_unit(bm_unit: str) -> Q:
    """Most units were never one of several in a message: for them the index of messages by unit is
    all that is asked.
    """
    among = UnitOfMessage.objects.filter(bm_unit=bm_unit)
    alone = Q(bm_unit=bm_unit)
    return alone | Q(id__in=among.values("message_id")) if among.exists() else alone


def carries_unit(bm_unit: str) -> Q:
    """Deliveries about it. Of a message about several, that is a submission, which goes out whole,
    and else the delivery of the unit's own part.
    """
    message = Message.objects.filter(id=OuterRef("message_id"))
    among = message.filter(units__bm_unit=bm_unit, units__received_at=F("received_at"))
    own = Q(queue__in=queues_of_unit(bm_unit)) | _is_one(message.filter(bm_unit=bm_unit))
    return own | (Q(queue__endswith=SUBMISSIONS) & _is_one(among))


def _is_one(found: QuerySet[Message]) -> Q:
    """Whether there is such a message, asked of each row by itself: what a join or EXISTS asks, the
    planner answers by reading all messages of the unit, or of the tenant.
    """
    return Q(IsNull(Subquery(found.values("id")[:1]), False))


def is_about(message_id: UUID, bm_unit: str) -> bool:
    """Whether a message about several units is about this one too."""
    return UnitOfMessage.objects.filter(bm_unit=bm_unit, message_id=message_id).exists()
