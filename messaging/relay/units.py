"""Messages by BM unit, those about several units among them."""

from __future__ import annotations

from django.db.models import Q

from messaging.models import UnitOfMessage


def about_unit(bm_unit: str) -> Q:
    """Most units were never one of several in a message: for them the index of messages by unit is
    all that is asked.
    """
    among = UnitOfMessage.objects.filter(bm_unit=bm_unit)
    alone = Q(bm_unit=bm_unit)
    return alone | Q(id__in=among.values("message_id")) if among.exists() else alone
