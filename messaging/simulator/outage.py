"""Whether the operator's system is out, since when and until when; how it is announced is
`drills/notice.py`'s."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from messaging.simulator.stamps import now


@dataclass(frozen=True, slots=True)
class Window:
    """An outage: when it begins and ends here, and how many times faster than the one it stands
    for. `end` is None where nobody knows it yet."""

    begin: datetime
    end: datetime | None
    speed: float = 1.0

    def told_end(self) -> datetime | None:
        """When the outage that it stands for would end."""
        return None if self.end is None else self.begin + (self.end - self.begin) * self.speed


class Outage:
    """One outage at a time; it begins and ends by itself, or when it is switched."""

    def __init__(self) -> None:
        self._from: float | None = None
        self._until: float | None = None
        self.window: Window | None = None

    def switch(
        self, on: bool, seconds: float | None = None, *, ahead: float = 0.0, speed: float = 1.0
    ) -> None:
        """Out for `seconds` at `speed` times the pace, `ahead` seconds from now; or in again."""
        if not on:
            self._end()
            return
        begin, monotonic = now() + timedelta(seconds=ahead), time.monotonic() + ahead
        lasts = None if seconds is None else seconds / speed
        self._from = monotonic
        self._until = None if lasts is None else monotonic + lasts
        end = None if lasts is None else begin + timedelta(seconds=lasts)
        self.window = Window(begin, end, speed)

    def is_on(self) -> bool:
        if self._from is None:
            return False
        moment = time.monotonic()
        if self._until is not None and moment >= self._until:
            self._from = self._until = None
            return False
        return moment >= self._from

    def is_planned(self) -> bool:
        """It has been announced and has not begun."""
        is_out = self.is_on()
        return self._from is not None and not is_out

    def _end(self) -> None:
        """The window stays, shortened, for whoever wants to read of it."""
        window, moment = self.window, now()
        if self._from is not None and window is not None:
            self.window = Window(window.begin, max(window.begin, moment), window.speed)
        self._from = self._until = None
