"""Fetches what tenants leave on servers of their own: a copy first, which is taken as any other
file is, and only then the file there is moved to its archive.

Of each file that was fetched there is a note until it is gone from the server, so that one which
can't be moved there is not taken again. The note is written while the copy lies beside it, which
then moves on in one step: a note with a copy beside it is of a file that was not fetched yet.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.db import connection

from messaging.files import collecting
from messaging.files.uploads import Limits, is_final, is_name
from messaging.relay import draining, from_trading_point
from messaging.relay.file_places import is_fetched, place_of
from messaging.relay.parking import LOOKS
from messaging.relay.register import FILE_PROTOCOL
from messaging.relay.settings import trading_point_settings
from messaging.transports.base import TransportError
from messaging.transports.connecting import Guard
from messaging.transports.directories import ARCHIVE, OUTGOING, UNFINISHED, Directories
from messaging.transports.remote_files import (
    Remote,
    RemoteFiles,
    RemoteName,
    TooLarge,
    connected,
)
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import in_tenant

LONGEST_WAIT = timedelta(minutes=10)
"""Between two looks at a server that is away."""

NO_ROOM = timedelta(seconds=3)
"""Until a server is looked at that there was no room for: slow ones leave the half of a worker's
threads to what is there already.
"""

LEASE = timedelta(minutes=2)
"""After which a look that nobody ended is begun anew, unless it is still under way."""

# The table has no policies, so the tenant is named beside the endpoint.
_PICK = """
WITH picked AS (
    SELECT endpoint_id FROM messaging_fetchdue WHERE due_at <= now()
    ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE messaging_fetchdue d SET due_at = now() + make_interval(secs => %s)
FROM picked WHERE d.endpoint_id = picked.endpoint_id
RETURNING d.tenant_id, d.endpoint_id
"""
_AGAIN = """
UPDATE messaging_fetchdue SET due_at = %s, failing_since = %s
WHERE endpoint_id = %s AND tenant_id = %s
"""
_PUT_OFF = "UPDATE messaging_fetchdue SET due_at = %s WHERE endpoint_id = %s AND tenant_id = %s"
_SINCE = "SELECT failing_since FROM messaging_fetchdue WHERE endpoint_id = %s AND tenant_id = %s"


@dataclass(frozen=True, slots=True)
class _Server:
    """A tenant's own, and how often it is looked at."""

    tenant_id: UUID
    endpoint_id: UUID
    name: str
    remote: Remote
    every: timedelta

    @property
    def directories(self) -> Directories:
        return Directories.of(self.tenant_id, self.endpoint_id)


@dataclass(frozen=True, slots=True)
class _Note:
    """A file that was fetched and is to go to `archive` on its server; where that is empty, one
    that is too large to be fetched, and stays.
    """

    path: Path
    file: RemoteName
    archive: str


def pick(limit: int) -> list[tuple[UUID, UUID]]:
    """Tenants and endpoints whose servers are to be looked at now."""
    with connection.cursor() as cursor:
        cursor.execute(_PICK, [limit, int(LEASE.total_seconds())])
        return list(cursor.fetchall())


def fetch(
    tenant_id: UUID,
    endpoint_id: UUID,
    take: collecting.Take = from_trading_point.take,
    guard: Guard | None = None,
) -> None:
    """Fetches and takes what is there, and says when to look again. A server that is away is told
    of once, and once more when it is back.
    """
    if draining.is_on():
        return
    with LOOKS.one_more() as has_room:
        if has_room:
            _fetch_from(tenant_id, endpoint_id, take, guard)
        else:
            in_tenant(tenant_id, lambda: _put_off(tenant_id, endpoint_id))


def _fetch_from(
    tenant_id: UUID, endpoint_id: UUID, take: collecting.Take, guard: Guard | None
) -> None:
    server = in_tenant(tenant_id, lambda: _find(endpoint_id))
    if server is None:
        return
    server.directories.make()
    with collecting.alone_in(server.directories.fetched) as alone:
        if alone:
            fault = _tried(server, take, guard or Guard.of_vendor())
            in_tenant(tenant_id, lambda: _settle(server, fault))


def _put_off(tenant_id: UUID, endpoint_id: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_PUT_OFF, [now() + NO_ROOM, endpoint_id, tenant_id])


def _tried(server: _Server, take: collecting.Take, guard: Guard) -> str:
    """Why it can't be fetched from, or nothing."""
    try:
        with connected(server.remote, guard) as files:
            _fetch(server, files, take)
    except (TransportError, TooLarge) as error:
        return f"{type(error).__name__}: {error}"[:300]
    return ""


def _find(endpoint_id: UUID) -> _Server | None:
    row = Endpoint.objects.filter(id=endpoint_id, protocol=FILE_PROTOCOL).first()
    if row is None or not is_fetched(row):
        return None
    remote = place_of(row).remote
    assert remote is not None, "what is fetched from has an address"
    every = timedelta(seconds=trading_point_settings(row.settings).poll_seconds)
    return _Server(row.tenant_id, row.id, row.name, remote, every)


def _fetch(server: _Server, files: RemoteFiles, take: collecting.Take) -> None:
    directories = server.directories
    there = {one.name: one for one in files.names(OUTGOING) if is_name(one.name)}
    notes = {note.file.name: note for note in _notes(directories)}
    for name in _wanted(server, there):
        if name not in notes or notes[name].file != there[name]:
            notes[name] = _bring(server, files, there[name])
    collecting.collect(server.tenant_id, server.endpoint_id, take)
    for name, note in notes.items():
        is_there = there.get(name) == note.file
        if (is_there and not note.archive) or collecting.is_being_taken(directories, name):
            continue
        if is_there:
            files.move(OUTGOING, name, f"{ARCHIVE}/{note.archive}")
        note.path.unlink(missing_ok=True)


def _wanted(server: _Server, there: dict[str, RemoteName]) -> list[str]:
    names = [name for name in there if is_final(name)]
    ordered = from_trading_point.in_order(server.tenant_id, server.endpoint_id, names)
    return ordered[: collecting.MOST_AT_ONCE]


def _bring(server: _Server, files: RemoteFiles, file: RemoteName) -> _Note:
    """A copy, and its note before it is there to be taken."""
    directories, limit = server.directories, Limits.of_vendor().size
    if file.size > limit:
        return _left_there(server, file, limit)
    copy = _copy_of(directories, file.name)
    with copy.open("wb") as out:
        files.fetch(OUTGOING, file.name, out, limit)
        out.flush()
        os.fsync(out.fileno())
    stem, dot, ending = file.name.rpartition(".")
    stamp = f"{now():%Y%m%dT%H%M%SZ}"
    archive = f"{stem}.{stamp}.{ending}" if dot else f"{file.name}.{stamp}"
    note = _written(directories, file, archive)
    collecting.admit(directories, copy, file.name)
    return note


def _left_there(server: _Server, file: RemoteName, limit: int) -> _Note:
    reason = f"{file.name} is larger than {limit} bytes: it stays where it is"
    fact = Fact(Event.ALARMED, now(), detail={"reason": reason, "endpoint": server.endpoint_id})
    in_tenant(server.tenant_id, lambda: ledger.record(fact))
    return _written(server.directories, file, "")


def _written(directories: Directories, file: RemoteName, archive: str) -> _Note:
    note = _Note(directories.fetched / f"{file.name}.json", file, archive)
    told = [file.name, file.size, file.modified, archive]
    note.path.write_text(json.dumps(told), encoding="utf-8")
    return note


def _copy_of(directories: Directories, name: str) -> Path:
    return directories.fetched / f"{name}{UNFINISHED}"


def _notes(directories: Directories) -> list[_Note]:
    found = []
    for path in directories.fetched.glob("*.json"):
        try:
            name, size, modified, archive = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if not _copy_of(directories, name).exists():
            found.append(_Note(path, RemoteName(name, size, modified), archive))
    return found


def _settle(server: _Server, fault: str) -> None:
    """Within the tenant's scope."""
    at = now()
    key = [server.endpoint_id, server.tenant_id]
    with connection.cursor() as cursor:
        cursor.execute(_SINCE, key)
        row = cursor.fetchone()
        since: datetime | None = row[0] if row else None
        if bool(fault) != (since is not None):
            reason = (
                f"the server of {server.name} cannot be fetched from: {fault}"
                if fault
                else f"the server of {server.name} is fetched from again"
            )
            detail = {"reason": reason, "endpoint": server.endpoint_id}
            ledger.record(Fact(Event.ALARMED, at, detail=detail))
        failing_since = (since or at) if fault else None
        wait = server.every
        if failing_since is not None:
            # As long again as it has been away.
            wait = max(wait, min(at - failing_since, LONGEST_WAIT))
        cursor.execute(_AGAIN, [at + wait, failing_since, *key])
