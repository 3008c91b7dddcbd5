"""Whether this process is about to end: then it takes nothing more in hand, and ends with what it
has within a bounded time. What it leaves are rows that are due, and others' to take.
"""

from __future__ import annotations

import threading

_asked = threading.Event()


def begin() -> None:
    _asked.set()


def is_on() -> bool:
    return _asked.is_set()
