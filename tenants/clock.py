"""The one clock of the parts that have effects; pure code is given its times."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """UTC, with microseconds."""
    return datetime.now(UTC)
