"""Which of the typed messages that one stored message carries a delivery is for: a message from a
control point may redeclare several BM units, and each has a delivery in a queue of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from messaging.domain.instructions import InstructionAnswer
from messaging.domain.messages import BmMessage, unit_of
from messaging.relay.load import LoadedDelivery

_ANSWERS = " answers"


def queue_of(message: BmMessage) -> str:
    """A BM unit's redeclarations go in order, and so do its answers. An answer has two minutes,
    and must not wait for a redeclaration that the operator won't take.
    """
    unit = unit_of(message)
    return f"{unit}{_ANSWERS}" if isinstance(message, InstructionAnswer) else unit


def queues_of_unit(bm_unit: str) -> tuple[str, ...]:
    """All that a BM unit has."""
    return bm_unit, f"{bm_unit}{_ANSWERS}"


def part_for(row: LoadedDelivery, messages: Iterable[BmMessage]) -> BmMessage:
    """The one that this delivery to the operator is for."""
    return next(message for message in messages if queue_of(message) == row.queue)


def unit_for(row: LoadedDelivery) -> str:
    """The BM unit that a delivery to the operator is about; the stored message names none where it
    carries several.
    """
    return row.message.bm_unit or ("" if row.queue.endswith(_ANSWERS) else row.queue)
