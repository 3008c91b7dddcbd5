"""Which of the typed messages that one stored message carries a delivery is for: a message from a
control point may redeclare several BM units, and each has a delivery in a queue of its own. Which
deliveries are too large to be carried beside instructions, and which go first.
"""

from __future__ import annotations

from collections.abc import Iterable

from messaging.domain.instructions import InstructionAnswer
from messaging.domain.messages import BmMessage, unit_of
from messaging.domain.submissions import Submission
from messaging.relay.load import LoadedDelivery
from messaging.states import Lane, Urgency

_ANSWERS = " answers"
SUBMISSIONS = " submissions"
"""What the name of a queue of submissions ends in."""


def queue_of(message: BmMessage) -> str:
    """A BM unit's redeclarations go in order, and so do its answers. An answer has two minutes,
    and must not wait for a redeclaration that the operator won't take. A trading agent's
    submissions go in the order of their numbers.
    """
    if isinstance(message, Submission):
        return f"{message.trading_agent}{SUBMISSIONS}"
    unit = unit_of(message)
    return f"{unit}{_ANSWERS}" if isinstance(message, InstructionAnswer) else unit


def answers_instruction(queue: str) -> bool:
    """Whether a queue is one of answers to instructions."""
    return queue.endswith(_ANSWERS)


def carries_submissions(queue: str) -> bool:
    """Whether a queue is that of a trading agent's submissions."""
    return queue.endswith(SUBMISSIONS)


def queues_of_unit(bm_unit: str) -> tuple[str, ...]:
    """All that is a BM unit's own: its redeclarations, and its answers."""
    return bm_unit, f"{bm_unit}{_ANSWERS}"


def part_for(row: LoadedDelivery, messages: Iterable[BmMessage]) -> BmMessage:
    """The one that this delivery to the operator is for."""
    return next(message for message in messages if queue_of(message) == row.queue)


def outline_of(row: LoadedDelivery) -> Submission | None:
    """A submission without its records, once its payload is made: how it travels hangs on none of
    them, and reading two hundred thousand again at each try takes seconds.
    """
    if row.payload_digest is None or not carries_submissions(row.queue):
        return None
    return Submission(row.queue.removesuffix(SUBMISSIONS), 0, ())


def unit_for(row: LoadedDelivery) -> str:
    """The BM unit that a delivery to the operator is about; the stored message names none where it
    carries several.
    """
    return row.message.bm_unit or ("" if " " in row.queue else row.queue)


def is_large(lane: str, queue: str) -> bool:
    """Whether carrying it may take so long that no instruction may wait behind it."""
    return lane == Lane.FILES or carries_submissions(queue)


def urgency_of(lane: str, queue: str) -> Urgency:
    """What of it goes first. All that goes to a control point is an instruction, or soon said."""
    if lane == Lane.FILES:
        return Urgency.FILE
    if carries_submissions(queue):
        return Urgency.SUBMISSION
    is_first = lane == Lane.LINK or answers_instruction(queue)
    return Urgency.INSTRUCTION if is_first else Urgency.REDECLARATION
