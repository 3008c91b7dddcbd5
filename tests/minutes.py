"""The whole minute in which a test began. It stays the same until the test ends, whatever the
clock's does meanwhile: so what is asked for and what is compared speak of the same one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from tenants.clock import now

_began: datetime | None = None


@contextmanager
def held() -> Iterator[None]:
    """For the time of a test."""
    global _began
    _began = _minute_of(now())
    try:
        yield
    finally:
        _began = None


def minute(after: int = 0) -> datetime:
    """So many minutes after that one; between tests, after the clock's."""
    return (_began or _minute_of(now())) + timedelta(minutes=after)


def _minute_of(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
