"""Waits for what happens outside this program, up to a bound that only a failure reaches."""

from __future__ import annotations

import time
from collections.abc import Callable

BOUND_SECONDS = 20.0


def eventually(is_so: Callable[[], object], seconds: float = BOUND_SECONDS) -> bool:
    """Whether it becomes so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
