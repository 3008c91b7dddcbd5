"""The directories of a trading point that the host keeps: where they lie, and how a file gets into
one of them whole or not at all. Who may do what in them is said elsewhere.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from django.conf import settings

OUTGOING, INCOMING, ARCHIVE, BAD = "outgoing", "incoming", "archive", "bad"
UNFINISHED = ".tmp"
"""What the name of a file ends with until it is complete."""


@dataclass(frozen=True, slots=True)
class Directories:
    """Those of one endpoint, on one file system, so that a file moves from one to another by its
    name alone.
    """

    home: Path

    @classmethod
    def of(cls, tenant_id: UUID, endpoint_id: UUID) -> Directories:
        return cls(Path(settings.FILES_DIR) / "tenants" / str(tenant_id) / str(endpoint_id))

    @property
    def shown(self) -> Path:
        """What the tenant sees."""
        return self.home / "shown"

    @property
    def outgoing(self) -> Path:
        """From the tenant to the host."""
        return self.shown / OUTGOING

    @property
    def incoming(self) -> Path:
        """From the host to the tenant."""
        return self.shown / INCOMING

    @property
    def archive(self) -> Path:
        return self.shown / ARCHIVE

    @property
    def bad(self) -> Path:
        return self.archive / BAD

    @property
    def taking(self) -> Path:
        """Out of the tenant's reach: what was moved there stays as it is."""
        return self.home / "taking"

    @property
    def fetched(self) -> Path:
        """What was fetched from the tenant's own server and is still there: a note each."""
        return self.home / "fetched"

    def make(self) -> None:
        """Those that are missing, for their owner alone."""
        for folder in (self.outgoing, self.incoming, self.bad, self.taking, self.fetched):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def all_directories() -> Iterator[tuple[UUID, UUID, Directories]]:
    """Of every endpoint that has any, with the ids of its tenant and its own."""
    root = Path(settings.FILES_DIR) / "tenants"
    for tenant in _folders(root):
        for endpoint in _folders(root / str(tenant)):
            yield tenant, endpoint, Directories.of(tenant, endpoint)


def take_turn(tenant_id: UUID) -> BinaryIO | None:
    """Whoever speaks with a server of this tenant's does so alone, whichever process it is: of
    those who bring and fetch files, no tenant's slow servers hold more than one. None where another
    is at it; else to be closed at the end.
    """
    folder = Path(settings.FILES_DIR) / "tenants" / str(tenant_id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (folder / "turn").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def write_whole(folder: Path, name: str, content: bytes) -> None:
    """The file appears under its name once all of it is on the disk, in the place of one that was
    there. Raises OSError.
    """
    unfinished = folder / f"{name}{UNFINISHED}"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    unfinished.replace(folder / name)
    settle(folder)


def settle(folder: Path) -> None:
    """What was renamed there stays so if the machine stops now."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _folders(place: Path) -> Iterator[UUID]:
    try:
        with os.scandir(place) as entries:
            names = sorted(entry.name for entry in entries)
    except FileNotFoundError:
        return
    for name in names:
        try:
            yield UUID(name)
        except ValueError:
            continue
