"""Takes a file that a trading point left: decides, stores, and says under which name it is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from messaging.relay.rows import NewDelivery


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file under its final name, out of the tenant's reach: nobody replaces what is at `path`.

    `arrived_at` tells one arrival from another: a file that is given again after a crash must come
    with the moment it came with before.
    """

    tenant_id: UUID
    endpoint_id: UUID
    name: str
    path: Path
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class Filed:
    """What was committed. `archive_as` is the file's name under the archive, "bad/" before it where
    the file was ill-named; `deliveries` are to be woken (wake.wake).
    """

    archive_as: str
    deliveries: tuple[NewDelivery, ...] = ()


def take(arrived: Arrived) -> Filed:
    """Takes a file; it is moved to the archive after this, not before. Safe to do again for the
    same arrival, and twice at once.

    Raises OSError where the file cannot be read, and what the database raises: then nothing was
    taken, and it is to be done again.
    """
    raise NotImplementedError


def in_order(tenant_id: UUID, endpoint_id: UUID, names: Iterable[str]) -> list[str]:
    """Names of files that are there together, in the order they are to be taken; ill-named ones
    come last.
    """
    raise NotImplementedError
