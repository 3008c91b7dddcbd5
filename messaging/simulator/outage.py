"""Whether the operator's system is out, and until when."""

from __future__ import annotations

import time


class Outage:
    """Ends by itself after the seconds it was given, if any were."""

    def __init__(self) -> None:
        self._on = False
        self._until: float | None = None

    def switch(self, on: bool, seconds: float | None = None) -> None:
        self._on = on
        self._until = None if seconds is None else time.monotonic() + seconds

    def is_on(self) -> bool:
        if self._until is not None and time.monotonic() >= self._until:
            self._on, self._until = False, None
        return self._on
