"""How long each strike kept messages from going all the way. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Passage:
    """A message that went all the way: begun by its sender, and done with the last word on it."""

    begun: datetime
    done: datetime


def recovered(struck_at: datetime, passages: Iterable[Passage]) -> timedelta | None:
    """From the strike until the first message that was begun after it had gone all the way. None
    where none has.
    """
    ends = [one.done for one in passages if one.begun >= struck_at]
    return min(ends) - struck_at if ends else None
