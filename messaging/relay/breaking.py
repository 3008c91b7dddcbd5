"""When an endpoint is left alone, and when it is tried again: the circuit breaker as a pure table
of states. Where it is kept, and who is tried, is in `breakers`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

from messaging.states import BreakerState

PAUSES: Final = (timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=5))
"""Between one failed try and the next while it is open, the last repeating: short, for an answer to
an instruction has two minutes.
"""


class Way(Enum):
    """What one exchange said of the way there, whatever was said on it."""

    ANSWERED = "answered"
    FAILED = "failed"
    """No connection, no answer in time, or HTTP 5xx of something that is broken."""
    UNTRIED = "untried"
    """No byte was to leave: nothing is known."""


def way_of(status: int | None, *, tried: bool = True) -> Way:
    """Of an HTTP exchange. 503 is the operator's own word that it is out, and an answer: what is
    held for that is the lamp's matter.
    """
    if not tried:
        return Way.UNTRIED
    if status is None or (status >= 500 and status != 503):
        return Way.FAILED
    return Way.ANSWERED


@dataclass(frozen=True, slots=True)
class Circuit:
    """`failures` in a row; `pauses` since it opened. `probe` is the delivery that is tried while
    HALF_OPEN, and the one tried last while OPEN.
    """

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    pauses: int = 0
    open_until: datetime | None = None
    probe: UUID | None = None

    def may_probe(self, at: datetime) -> bool:
        is_over = self.open_until is None or at >= self.open_until
        return self.state is BreakerState.OPEN and is_over

    def probing(self, delivery_id: UUID) -> Circuit:
        return replace(self, state=BreakerState.HALF_OPEN, probe=delivery_id)

    def after(self, way: Way, delivery_id: UUID, at: datetime, most: int) -> Circuit:
        """What it becomes by an exchange that ended; the `most`th failure in a row opens it.

        Of those that were under way when it opened a failure says nothing new.
        """
        is_probe = self.state is BreakerState.HALF_OPEN and self.probe == delivery_id
        match way:
            case Way.ANSWERED:
                return Circuit()
            case Way.FAILED if self.state is BreakerState.CLOSED:
                failed = replace(self, failures=self.failures + 1)
                return failed.opened(at) if failed.failures >= most else failed
            case Way.FAILED if is_probe:
                return replace(self, failures=self.failures + 1).opened(at)
            case Way.UNTRIED if is_probe:
                return self.given_up(at)
        return self

    def given_up(self, at: datetime) -> Circuit:
        """The one try came to nothing: another may follow at once."""
        return replace(self, state=BreakerState.OPEN, open_until=at)

    def opened(self, at: datetime) -> Circuit:
        pause = PAUSES[min(self.pauses, len(PAUSES) - 1)]
        return replace(self, state=BreakerState.OPEN, pauses=self.pauses + 1, open_until=at + pause)
