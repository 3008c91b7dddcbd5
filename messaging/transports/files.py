"""Puts a file where a trading point finds it: into the directory that the host keeps for it, or on
the tenant's own server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from messaging.transports import remote_files
from messaging.transports.base import Unreachable
from messaging.transports.connecting import Guard
from messaging.transports.directories import INCOMING, Directories, write_whole
from messaging.transports.remote_files import Remote

_NAME = re.compile(r"[A-Za-z0-9-][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where a trading point's files lie: with the host, or, with a `remote`, with the tenant."""

    tenant_id: UUID
    endpoint_id: UUID
    remote: Remote | None = None


def put(place: FilePlace, name: str, content: bytes, guard: Guard | None = None) -> None:
    """Puts the file into `incoming` under its name, whole or not at all; the same again changes
    nothing.

    Raises Unreachable, Refused or Unanswered. Without a `guard` the vendor's networks count.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"no name of a reply: {name!r}")
    if place.remote is None:
        _keep(place, name, content)
    else:
        with remote_files.connected(place.remote, guard or Guard.of_vendor()) as files:
            files.put(INCOMING, name, content)


def _keep(place: FilePlace, name: str, content: bytes) -> None:
    directories = Directories.of(place.tenant_id, place.endpoint_id)
    try:
        directories.make()
        write_whole(directories.incoming, name, content)
    except OSError as error:
        raise Unreachable(f"the directory cannot be written: {error.strerror}") from error
