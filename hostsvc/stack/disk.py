"""Whether the disk under the stack's folder has room: asked before the start, and watched while it
runs.

PostgreSQL refuses what it cannot store and goes on; without a word at the terminal that looks like
any other refusal.
"""

from __future__ import annotations

import enum
import os
import shutil
import time
from pathlib import Path

LEAST_TO_START = 200
"""Megabytes: a fresh database takes 60, its write-ahead log grows by 16 at a time."""
LOW, EMPTY = 500, 20
_ROOM_AGAIN = 1.5
"""So many times the limit must be free before it counts as passed again."""
_EVERY = 2.0


class Room(enum.IntEnum):
    ENOUGH = 0
    LOW = 1
    NONE = 2


def too_little_to_start(var: Path) -> str | None:
    """What to tell instead of starting in that folder."""
    free = free_megabytes(var)
    if free >= LEAST_TO_START:
        return None
    return (
        f"not enough disk space under {var}: {free} MB are free,"
        f" at least {LEAST_TO_START} MB are needed; make room and start again"
    )


class DiskWatch:
    """Looks every two seconds, and has something to say when things change."""

    def __init__(self, var: Path) -> None:
        self._var = var
        self._room = Room.ENOUGH
        self._next = 0.0

    def news(self) -> str | None:
        """What is to be told now, if anything."""
        if time.monotonic() < self._next:
            return None
        self._next = time.monotonic() + _EVERY
        try:
            free = free_megabytes(self._var)
        except OSError:
            return None
        before, self._room = self._room, room(free, self._room)
        return None if self._room is before else f"disk: {self._words(free)}"

    def _words(self, free: int) -> str:
        if self._room is Room.ENOUGH:
            return f"{self._var} has room again, {free} MB"
        if self._room is Room.LOW:
            return f"little room is left under {self._var}: {free} MB"
        return (
            f"no room is left under {self._var} ({free} MB): nothing more can be stored until there"
            " is; what was stored is safe"
        )


def room(free: int, before: Room) -> Room:
    """How it stands with so many megabytes free; better than before only by a clear margin."""
    now = _room(free)
    return now if now >= before else max(now, _room(int(free / _ROOM_AGAIN)))


def _room(free: int) -> Room:
    if free < EMPTY:
        return Room.NONE
    return Room.LOW if free < LOW else Room.ENOUGH


def free_megabytes(folder: Path) -> int:
    """Where the folder is, or will be made."""
    there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    return shutil.disk_usage(there).free // 2**20
