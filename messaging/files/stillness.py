"""Which files on a tenant's own server have come to rest. One that is written there under its final
name has another size or time at the next look, and half of it must not be taken for the whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from messaging.transports.directories import Directories, write_whole
from messaging.transports.remote_files import RemoteName

_NOTES: Final = "seen.json"
_Seen = dict[str, tuple[RemoteName, datetime]]


def at_rest(
    directories: Directories, there: Iterable[RemoteName], still: timedelta, at: datetime
) -> frozenset[str]:
    """Names of those that were the same at a look at least `still` ago; of all, where that is
    nothing. What was seen is noted for the next look.
    """
    if not still:
        return frozenset(one.name for one in there)
    before = _read(directories)
    seen: _Seen = {}
    for one in there:
        known, since = before.get(one.name, (None, at))
        seen[one.name] = (one, since) if known == one and since <= at else (one, at)
    if seen != before:
        _write(directories, seen)
    return frozenset(name for name, (_, since) in seen.items() if at - since >= still)


def _read(directories: Directories) -> _Seen:
    """Nothing where it can't be read: then all are waited for anew."""
    try:
        told = json.loads((directories.home / _NOTES).read_text(encoding="utf-8"))
        return {
            name: (RemoteName(name, size, modified), datetime.fromisoformat(since))
            for name, (size, modified, since) in told.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write(directories: Directories, seen: _Seen) -> None:
    told = {
        name: (one.size, one.modified, since.isoformat()) for name, (one, since) in seen.items()
    }
    write_whole(directories.home, _NOTES, json.dumps(told).encode())
