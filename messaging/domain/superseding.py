"""When a redeclaration has nothing to say any more, because a newer one says it otherwise: pure.
Who is asked, and what becomes of the older one, is the relay's.
"""

from __future__ import annotations

from datetime import datetime

from messaging.domain.profile import Segment
from messaging.domain.redeclarations import LevelRedeclaration, Redeclaration


def replaces(newer: Redeclaration, older: Redeclaration, at: datetime, *, wholly: bool) -> bool:
    """Whether the newer is of the same BM unit and parameter, and says all that the older would
    still say `at` that moment.

    A value and a set of rates are replaced by any other. Levels hold for the times they name, so a
    newer series replaces an older one where it names all of its times that are not over; `wholly`:
    wherever it is newer.
    """
    if (newer.bm_unit, newer.parameter) != (older.bm_unit, older.parameter):
        return False
    if wholly or not isinstance(older, LevelRedeclaration):
        return True
    return isinstance(newer, LevelRedeclaration) and all(
        _names(newer.levels, max(one.time_from, at), one.time_to) for one in older.levels
    )


def _names(levels: tuple[Segment, ...], start: datetime, end: datetime) -> bool:
    """Whether segments, in order of time, leave no gap between the two moments."""
    for one in levels:
        if one.time_from <= start < one.time_to:
            start = one.time_to
    return start >= end
