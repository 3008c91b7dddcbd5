"""One look at a tenant's own server: a copy of each file first, which is taken as any other file
is, and only then the file there is moved to its archive. What changes meanwhile, or is another when
it is to be moved, is left for the next look.

Of each file that was fetched there is a note until it is gone from the server, so that one which
can't be moved there is not taken again. The note is written while the copy lies beside it, which
then moves on in one step: a note with a copy beside it is of a file that was not fetched yet.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from messaging.files import collecting
from messaging.files.spells import Kind, Spell
from messaging.files.stillness import at_rest
from messaging.files.uploads import Limits, is_final, is_name
from messaging.relay import from_trading_point
from messaging.transports.base import Refused
from messaging.transports.directories import ARCHIVE, OUTGOING, UNFINISHED, Directories
from messaging.transports.remote_files import Remote, RemoteFiles, RemoteName
from tenants.clock import now


@dataclass(frozen=True, slots=True)
class Server:
    """A tenant's own, how often it is looked at, and for how long a file there is to be still."""

    tenant_id: UUID
    endpoint_id: UUID
    name: str
    remote: Remote
    every: timedelta
    still: timedelta

    @property
    def directories(self) -> Directories:
        return Directories.of(self.tenant_id, self.endpoint_id)

    @property
    def too_large(self) -> Spell:
        return Spell(self.tenant_id, self.endpoint_id, Kind.TOO_LARGE)


@dataclass(frozen=True, slots=True)
class _Note:
    """A file that was fetched and is to go to `archive` on its server; where that is empty, one
    that is too large to be fetched, and stays.
    """

    path: Path
    file: RemoteName
    archive: str


def look(server: Server, files: RemoteFiles, take: collecting.Take) -> bool:
    """Fetches and takes what is there; whether something there is not at rest. Raises what a
    session with a server raises, and TooLarge.
    """
    directories = server.directories
    server.too_large.end(now())
    there = {
        one.name: one for one in files.names(OUTGOING) if is_name(one.name) and is_final(one.name)
    }
    notes = {note.file.name: note for note in _notes(directories)}
    new = [one for name, one in there.items() if name not in notes or notes[name].file != one]
    still = at_rest(directories, new, server.still, now())
    for note in _brought(server, files, {one.name: one for one in new}, still):
        notes[note.file.name] = note
    collecting.collect(server.tenant_id, server.endpoint_id, take)
    for name, note in notes.items():
        if not collecting.is_being_taken(directories, name):
            _clear_away(files, note, there.get(name))
    return any(one.name not in still for one in new)


def _brought(
    server: Server, files: RemoteFiles, new: dict[str, RemoteName], still: frozenset[str]
) -> Iterator[_Note]:
    """In their turns: what comes after one that is not at rest would be out of sequence. So many,
    and so large together, as the tenant may leave with the host.
    """
    room, left = Limits.of_vendor().size, collecting.MOST_AT_ONCE
    turns = from_trading_point.in_turns(server.tenant_id, server.endpoint_id, new)
    for turn in turns:
        for name in turn:
            if name not in still or left <= 0 or room <= 0:
                break
            note = _bring(server, files, new[name])
            if note is None:
                break
            if note.archive:
                left, room = left - 1, room - max(new[name].size, 0)
            yield note


def _bring(server: Server, files: RemoteFiles, file: RemoteName) -> _Note | None:
    """A copy, and its note before it is there to be taken. None where the file is not, or no more,
    what it was when it was looked at.
    """
    directories, limit = server.directories, Limits.of_vendor().size
    if file.size > limit:
        return _left_there(server, file, limit)
    copy = _copy_of(directories, file.name)
    try:
        size = _copied(files, file, copy, limit)
    except Refused:
        if files.look(OUTGOING, file.name) is not None:
            raise
        size = -1
    if files.look(OUTGOING, file.name) != file or file.size not in (-1, size):
        copy.unlink(missing_ok=True)
        return None
    stem, dot, ending = file.name.rpartition(".")
    stamp = f"{now():%Y%m%dT%H%M%SZ}"
    archive = f"{stem}.{stamp}.{ending}" if dot else f"{file.name}.{stamp}"
    note = _written(directories, file, archive)
    collecting.admit(directories, copy, file.name)
    return note


def _copied(files: RemoteFiles, file: RemoteName, copy: Path, limit: int) -> int:
    try:
        with copy.open("wb") as out:
            files.fetch(OUTGOING, file.name, out, limit)
            out.flush()
            os.fsync(out.fileno())
            return out.tell()
    except Exception:
        copy.unlink(missing_ok=True)
        raise


def _left_there(server: Server, file: RemoteName, limit: int) -> _Note:
    text = f"{file.name} is larger than {limit} bytes: it stays where it is"
    server.too_large.note(text, now())
    return _written(server.directories, file, "")


def _clear_away(files: RemoteFiles, note: _Note, seen: RemoteName | None) -> None:
    """What was taken goes to the archive there, or, where that can't be, is removed; another that
    stands in its place is not touched.
    """
    name = note.file.name
    if seen == note.file and files.look(OUTGOING, name) == note.file:
        if not note.archive:
            return
        _archive(files, note)
    note.path.unlink(missing_ok=True)


def _archive(files: RemoteFiles, note: _Note) -> None:
    name = note.file.name
    try:
        files.move(OUTGOING, name, f"{ARCHIVE}/{note.archive}")
    except Refused:
        files.remove(OUTGOING, name)
        return
    moved = files.look(ARCHIVE, note.archive)
    if moved is not None and not note.file.is_as(moved):
        # Another took its place in that very moment, and was not fetched yet.
        files.move(ARCHIVE, note.archive, f"{OUTGOING}/{name}")


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
