"""Which gateways live: each says so four times a second in a row of its own, and holds the lock of
its number in the session that says it. One that has been silent for too long lapses, whether it was
killed, frozen, or cut off; where its lock is gone, sooner.

A gateway that learns that it has lapsed gives up what it held and goes on under a new number.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection

from tenants.ownership import ALIVE

BEAT_EVERY = timedelta(seconds=0.25)
BEAT_AGAIN = timedelta(seconds=0.1)
"""After one that the database did not take: it may be back."""

SILENT_AFTER = timedelta(seconds=2)
GONE_AFTER = timedelta(seconds=1.75)
"""Of silence, without its lock: its process has ended, or it was cut off for longer than the second
that is ridden out.
"""

SUSPECTED_FOR = timedelta(seconds=0.8)
"""Between the first look that misses it and the one that lapses it, so that it has a chance to beat
once more after a time in which the database answered nobody.
"""

LOOKED_EVERY = timedelta(seconds=0.25)
LAPSES_WITHIN = timedelta(seconds=5)
"""Of being frozen or cut off, though looks be late; of its process's end, two seconds."""

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
_SUSPECT = f"""
UPDATE messaging_gatewayprocess SET suspected_at = now()
WHERE lapsed_at IS NULL AND suspected_at IS NULL
    AND (seen_at < now() - %s OR number <> ALL ({ALIVE}))
"""  # noqa: S608 - a constant
_LAPSE = """
UPDATE messaging_gatewayprocess SET lapsed_at = now()
WHERE lapsed_at IS NULL AND suspected_at < now() - %s AND seen_at < now() - %s
"""
_FORGET = """
DELETE FROM messaging_gatewayprocess g WHERE lapsed_at < now() - %s
AND NOT EXISTS (SELECT 1 FROM messaging_linkwatch w WHERE w.owner = g.number)
"""
_HOLD = "SELECT pg_try_advisory_lock(%s)"
_LIVES = "SELECT 1 FROM messaging_gatewayprocess WHERE number = %s AND lapsed_at IS NULL"


def announce(number: int) -> None:
    """From now on this gateway must beat."""
    _execute(_ANNOUNCE, number)


def hold(number: int) -> bool:
    """Takes the lock of that number for as long as this connection lasts; False while the one
    before it lasts.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, [number])
        return bool(cursor.fetchone()[0])


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
    """How many gateways have lapsed by this look. To be called four times a second,
    by anybody.
    """
    lapsed = _execute(_LAPSE, SUSPECTED_FOR, GONE_AFTER)
    _execute(_SUSPECT, SILENT_AFTER)
    _execute(_FORGET, _KEPT)
    return lapsed


def _execute(statement: str, *values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)
