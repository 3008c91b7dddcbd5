"""Messages about a BM unit, page by page: those about it alone and those about it among others are
each found along an index of their own, in the order of the page, however many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from django.db.models import QuerySet

from messaging.models import Message, UnitOfMessage


class OfUnit:
    """As much of a queryset as a page asks of one."""

    def __init__(
        self,
        alone: QuerySet[Message],
        among: QuerySet[UnitOfMessage],
        ordering: Sequence[str] = (),
    ) -> None:
        self._alone, self._among, self._ordering = alone, among, ordering

    def order_by(self, *names: str) -> OfUnit:
        """By `received_at` and `id`, which a message and its units share."""
        shared = [name.replace("id", "message_id") for name in names]
        return OfUnit(self._alone.order_by(*names), self._among.order_by(*shared), names)

    def filter(self, **lookups: Any) -> OfUnit:
        """By `received_at`."""
        found = self._alone.filter(**lookups), self._among.filter(**lookups)
        return OfUnit(*found, self._ordering)

    def __getitem__(self, part: slice) -> list[Message]:
        ids = list(self._among.values_list("message_id", flat=True)[: part.stop])
        rows = [*self._alone[: part.stop], *Message.objects.filter(id__in=ids)]
        for name in reversed(self._ordering):
            rows.sort(key=attrgetter(name.lstrip("-")), reverse=name.startswith("-"))
        return rows[part]


def messages_of(bm_unit: str, kind: str | None, received: dict[str, Any]) -> OfUnit:
    """`received` are look-ups of the time, which a message and its units share."""
    alone = Message.objects.filter(bm_unit=bm_unit, **received)
    among = UnitOfMessage.objects.filter(bm_unit=bm_unit, **received)
    if kind is not None:
        alone, among = alone.filter(kind=kind), among.filter(message__kind=kind)
    return OfUnit(alone, among)
