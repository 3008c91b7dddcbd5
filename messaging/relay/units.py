"""Messages by BM unit, those about several units among them."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from messaging.models import UnitOfMessage


def about_unit(bm_unit: str) -> Q:
    """Most units were never one of several in a message: for them the index of messages by unit is
    all that is asked.
    """
    among = UnitOfMessage.objects.filter(bm_unit=bm_unit)
    alone = Q(bm_unit=bm_unit)
    return alone | Q(id__in=among.values("message_id")) if among.exists() else alone


def is_about(message_id: UUID, bm_unit: str) -> bool:
    """Whether a message about several units is about this one too."""
    return UnitOfMessage.objects.filter(bm_unit=bm_unit, message_id=message_id).exists()
