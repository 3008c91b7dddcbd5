"""How long files are kept, and how many of them: the archive is not for ever, and neither is what
nobody wanted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from messaging.files.uploads import is_final
from messaging.transports.directories import Directories


def tidy(directories: Directories, at: datetime) -> int:
    """Removes what is older than the vendor keeps files, and the oldest of an archive that is over
    its size; what waits to be taken stays. Returns how many.
    """
    before = (at - timedelta(days=settings.FILES_ARCHIVE_DAYS)).timestamp()
    archives = (directories.archive, directories.bad)
    removed = 0
    waiting = (directories.outgoing, directories.fetched)
    for folder in (*archives, directories.incoming, *waiting):
        for path, found in _files(folder):
            waits = folder in waiting and is_final(path.name)
            if found.st_ctime < before and not waits:
                path.unlink(missing_ok=True)
                removed += 1
    return removed + shrink(directories)


def shrink(directories: Directories) -> int:
    """Removes the oldest of an archive that is over its size. Returns how many."""
    kept = [
        (found.st_ctime, found.st_size, path)
        for folder in (directories.archive, directories.bad)
        for path, found in _files(folder)
    ]
    over = sum(size for _, size, _ in kept) - settings.FILES_ARCHIVE_MB * 2**20
    removed = 0
    for _, size, path in sorted(kept):
        if over <= 0:
            break
        path.unlink(missing_ok=True)
        over, removed = over - size, removed + 1
    return removed


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for one in entries:
            # Tenants remove theirs meanwhile.
            with suppress(FileNotFoundError):
                if one.is_file(follow_symlinks=False):
                    yield Path(one.path), one.stat(follow_symlinks=False)
