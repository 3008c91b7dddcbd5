"""Messages and deliveries by BM unit, those about several units among them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Case, OuterRef, Q, QuerySet, Subquery, When
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
    own = Q(queue__in=queues_of_unit(bm_unit)) | _found(_alone(bm_unit))
    return own | (Q(queue__endswith=SUBMISSIONS) & _found(_among(bm_unit)))


def _alone(bm_unit: str) -> QuerySet[Any, Any]:
    """A delivery's message by its id, which gives nothing where it is not about this unit alone."""
    fits = Case(When(bm_unit=bm_unit, then="id"))
    return Message.objects.filter(id=OuterRef("message_id")).annotate(fits=fits).values("fits")


def _among(bm_unit: str) -> QuerySet[Any, Any]:
    """Said with all that the index of units holds: the time is the message's."""
    message = Message.objects.filter(id=OuterRef(OuterRef("message_id")))
    units = UnitOfMessage.objects.filter(bm_unit=bm_unit, message_id=OuterRef("message_id"))
    return units.filter(received_at=Subquery(message.values("received_at"))).values("id")[:1]


def _found(row: QuerySet[Any, Any]) -> Q:
    """Whether there is something, asked of each delivery by itself and by its message's id: what a
    join or EXISTS asks, or a condition on the unit, the planner answers by reading all messages of
    the unit, or of the tenant, and that for each delivery again.
    """
    return Q(IsNull(Subquery(row), False))


def is_about(message_id: UUID, bm_unit: str) -> bool:
    """Whether a message about several units is about this one too."""
    return UnitOfMessage.objects.filter(bm_unit=bm_unit, message_id=message_id).exists()
