"""Which gateways live: each says so twice a second in a row of its own, and one that has been
silent for too long lapses, whether it was killed, frozen, or cut off.

A gateway that learns that it has lapsed gives up what it held and goes on under a new number.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection

BEAT_EVERY = timedelta(seconds=0.5)
SILENT_AFTER = timedelta(seconds=2)
SUSPECTED_FOR = timedelta(seconds=0.8)
"""Between the first look that misses it and the one that lapses it, so that it has a chance to beat
once more after a time in which the database answered nobody.
"""

LAPSES_WITHIN = timedelta(seconds=5)
"""Of a gateway's end, with a look every second."""

_KEPT = timedelta(days=1)
_ANNOUNCE = """
INSERT INTO messaging_gatewayprocess (number, seen_at) VALUES (%s, now())
ON CONFLICT (number) DO NOTHING
"""
_BEAT = """
UPDATE messaging_gatewayprocess SET seen_at = now(), suspected_at = NULL
WHERE number = %s AND lapsed_at IS NULL
"""
_WITHDRAW = """
UPDATE messaging_gatewayprocess SET lapsed_at = now() WHERE number = %s AND lapsed_at IS NULL
"""
_SUSPECT = """
UPDATE messaging_gatewayprocess SET suspected_at = now()
WHERE lapsed_at IS NULL AND suspected_at IS NULL AND seen_at < now() - %s
"""
_LAPSE = """
UPDATE messaging_gatewayprocess SET lapsed_at = now()
WHERE lapsed_at IS NULL AND suspected_at < now() - %s
"""
_FORGET = """
DELETE FROM messaging_gatewayprocess g WHERE lapsed_at < now() - %s
AND NOT EXISTS (SELECT 1 FROM messaging_linkwatch w WHERE w.owner = g.number)
"""
_LIVES = "SELECT 1 FROM messaging_gatewayprocess WHERE number = %s AND lapsed_at IS NULL"


def announce(number: int) -> None:
    """From now on this gateway must beat."""
    _execute(_ANNOUNCE, number)


def beat(number: int) -> bool:
    """Says that it lives; False where it has lapsed, which is for good."""
    return _execute(_BEAT, number) == 1


def withdraw(number: int) -> None:
    """It ends: whatever it may still hold is down."""
    _execute(_WITHDRAW, number)


def is_alive(number: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_LIVES, [number])
        return cursor.fetchone() is not None


def lapse_the_silent() -> int:
    """How many gateways have lapsed by this look. To be called every second, by anybody."""
    lapsed = _execute(_LAPSE, SUSPECTED_FOR)
    _execute(_SUSPECT, SILENT_AFTER)
    _execute(_FORGET, _KEPT)
    return lapsed


def _execute(statement: str, *values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)
