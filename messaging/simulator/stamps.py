"""Time as the wire format writes it, always UTC; what a time is for is not known here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", re.ASCII)


def now() -> datetime:
    """The true time."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Clock:
    """The operator's own clock, which a rehearsal may put wrong: what it writes and judges by."""

    offset: timedelta = timedelta(0)

    def now(self) -> datetime:
        return self.told(now())

    def told(self, true: datetime) -> datetime:
        """What this clock shows at a true time."""
        return true + self.offset


@lru_cache(maxsize=8192)
def read_stamp(text: str) -> datetime | None:
    """`YYYY-MM-DDTHH:MM:SS[.ffffff]Z`, or None where the text is anything else."""
    if not _STAMP.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def read_market_time(text: str) -> datetime | None:
    """A stamp on a whole minute."""
    stamp = read_stamp(text)
    if stamp is None or stamp.second or stamp.microsecond:
        return None
    return stamp


def write_stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def write_market_time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:00Z")


def micros(at: datetime) -> int:
    """Whole microseconds since 1970."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
