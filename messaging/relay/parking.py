"""The bulkheads of this process, and what becomes of a delivery that finds no room in them: it
waits as a row.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings

from messaging.relay import due
from messaging.relay.bulkheads import Berth, Bulkheads, Looks, Share, Ticket
from messaging.relay.load import Place
from messaging.relay.parts import is_large, urgency_of
from messaging.states import Urgency
from tenants.clock import now
from tenants.scope import require_tenant

LOOK_AGAIN: Final = timedelta(seconds=30)
LOOK_AGAIN_FOR_ANSWERS: Final = timedelta(seconds=5)
"""What finds no room is handed out when there is; these are the safety nets."""

_USUAL_THREADS: Final = 16

BULKHEADS: Final = Bulkheads(Share.of(_USUAL_THREADS, settings.ENDPOINT_SHARE))
"""Of this process; a worker says how many threads it has."""

LOOKS: Final = Looks(_USUAL_THREADS)
"""At tenants' own servers, which may be slow."""


def share_threads(threads: int) -> None:
    """So many threads of this process carry deliveries."""
    BULKHEADS.resize(Share.of(threads, settings.ENDPOINT_SHARE))
    LOOKS.resize(threads)


def park(berth: Berth, delivery_id: UUID, place: Place, owner: int) -> None:
    """Within the tenant's scope: it waits until there is room, as the process `owner`'s, which is
    this one, as long as that lives.
    """
    urgency = urgency_of(place.lane, place.queue)
    large = is_large(place.lane, place.queue)
    berth.park(Ticket(urgency, place.position, delivery_id, require_tenant(), large))
    is_answer = urgency is Urgency.INSTRUCTION
    until = now() + (LOOK_AGAIN_FOR_ANSWERS if is_answer else LOOK_AGAIN)
    due.park(delivery_id, owner, until)
