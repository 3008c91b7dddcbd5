"""Hands what trading points have left to the relay, each file once it is complete, and then keeps
it in the archive.

A file goes from `outgoing` to `taking`, where its tenant has no more reach of it, is taken, and
goes to `archive`. Each step is one change of its name, and what is found in `taking` is taken again
under the moment that its name there tells: so a crash between any two steps loses nothing and takes
nothing twice.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from messaging.files import keeping
from messaging.files.spells import Kind, Spell
from messaging.files.uploads import count_in, is_final, is_whole, may_be_taken, put_aside
from messaging.relay import backlog, from_trading_point
from messaging.relay.crash_points import Step
from messaging.relay.from_trading_point import Arrived, Filed
from messaging.relay.trading_points import NoTradingPoint
from messaging.relay.wake import wake
from messaging.transports.directories import Directories, settle
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.crash import sending
from tenants.scope import in_tenant

Take = Callable[[Arrived], Filed]

MOST_AT_ONCE = 100
"""Files of one trading point that are taken before another has its turn."""

REPLIES_LIMIT = 10_000
"""Replies in `incoming`, beyond which nothing more is taken until the tenant removes some."""

_STAMP = "%Y%m%dT%H%M%S%fZ"
_TAKING = re.compile(r"(\d{8}T\d{12}Z)\.(.+)", re.DOTALL)
_SECOND = re.compile(r"\d{8}T\d{6}Z")
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Found:
    """A file in `taking`."""

    path: Path
    name: str
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class _Place:
    tenant_id: UUID
    endpoint_id: UUID

    @property
    def directories(self) -> Directories:
        return Directories.of(self.tenant_id, self.endpoint_id)

    @property
    def ill_named(self) -> Spell:
        return Spell(self.tenant_id, self.endpoint_id, Kind.ILL_NAMED)


def collect(tenant_id: UUID, endpoint_id: UUID, take: Take = from_trading_point.take) -> bool:
    """Takes what is there, in order; whether it took anything. Nothing where another is at it, or
    where the endpoint is there no more.

    Raises what `take` raises, with the file left to be taken again.
    """
    place = _Place(tenant_id, endpoint_id)
    if not place.directories.outgoing.is_dir():
        return False
    place.directories.make()
    with alone_in(place.directories.taking) as alone:
        if not alone:
            return False
        try:
            return _collect(place, take)
        except NoTradingPoint:
            return False


def waiting(tenant_id: UUID, endpoint_id: UUID) -> bool:
    """Whether anything looks as if it were to be taken, or told."""
    place = _Place(tenant_id, endpoint_id)
    if _names(place.directories.outgoing) or _left(place.directories):
        return True
    return place.ill_named.is_over(now())


def _collect(place: _Place, take: Take) -> bool:
    directories = place.directories
    place.ill_named.end(now())
    left = _left(directories)
    is_full = _may_not(place.tenant_id, directories)
    names = set() if is_full else set(_names(directories.outgoing))
    there = names | {found.name for found in left}
    turns = from_trading_point.in_turns(place.tenant_id, place.endpoint_id, there)
    taken = 0
    for turn in turns:
        for name in turn:
            again = [found for found in left if found.name == name]
            for found in sorted(again, key=lambda one: one.arrived_at):
                taken += _take(place, found, take)
            if name in names and taken < MOST_AT_ONCE:
                moved = _move(directories, name)
                if moved is None or not _take(place, moved, take):
                    # It is written still, or gone: what comes after it would be out of sequence.
                    break
                taken += 1
    if taken:
        keeping.shrink(directories)
    return taken > 0


def admit(directories: Directories, file: Path, name: str) -> datetime:
    """Puts a file that was fetched where it is taken from; its moment there."""
    at = _moment(directories)
    file.rename(directories.taking / f"{at.strftime(_STAMP)}.{name}")
    settle(directories.taking)
    return at


def is_being_taken(directories: Directories, name: str) -> bool:
    return any(found.name == name for found in _left(directories))


def _move(directories: Directories, name: str) -> Found | None:
    """Out of the tenant's reach, unless it is still being written. One whose writer died is put
    aside.
    """
    try:
        descriptor = os.open(directories.outgoing / name, _OPEN)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or not may_be_taken(descriptor):
            return None
        if not is_whole(descriptor):
            put_aside(directories.outgoing / name, descriptor, directories.outgoing, name)
            return None
        at = _moment(directories)
        place = directories.taking / f"{at.strftime(_STAMP)}.{name}"
        try:
            with sending(Step.FILE_MOVE):
                os.rename(directories.outgoing / name, place)
        except FileNotFoundError:
            return None
        settle(directories.taking)
        return Found(place, name, at)
    finally:
        os.close(descriptor)


def _take(place: _Place, found: Found, take: Take) -> bool:
    """Whether it was: another may have taken its name's place in `outgoing` as it was moved, and
    be written still.
    """
    try:
        descriptor = os.open(found.path, _OPEN)
    except FileNotFoundError:
        return False
    try:
        if not may_be_taken(descriptor):
            return False
        if not is_whole(descriptor):
            put_aside(found.path, descriptor, place.directories.outgoing, found.name)
            return False
        arrived = Arrived(
            place.tenant_id, place.endpoint_id, found.name, found.path, found.arrived_at
        )
        filed = take(arrived)
        if filed.alarm:
            place.ill_named.note(filed.alarm, now())
        with sending(Step.FILE_ARCHIVE):
            _archive(place.directories, found.path, filed.archive_as)
    finally:
        os.close(descriptor)
    wake(filed.deliveries)
    return True


def _archive(directories: Directories, path: Path, name: str) -> None:
    """Under the name that it is told, or, where a file has that, under that of the next second."""
    directories.make()
    while True:
        place = directories.archive / name
        try:
            os.link(path, place)
        except FileExistsError:
            if os.path.samefile(path, place):
                break
            name = _next_name(name)
        else:
            break
    settle(place.parent)
    os.unlink(path)


def _next_name(name: str) -> str:
    stamps = list(_SECOND.finditer(name))
    if not stamps:
        return f"{name}.{now():%Y%m%dT%H%M%SZ}"
    last = stamps[-1]
    later = datetime.strptime(last[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) + timedelta(seconds=1)
    return f"{name[: last.start()]}{later:%Y%m%dT%H%M%SZ}{name[last.end() :]}"


def _moment(directories: Directories) -> datetime:
    """Later than that of anything there, whatever the clock does."""
    at, there = now(), _left(directories)
    if there:
        at = max(at, max(found.arrived_at for found in there) + timedelta(microseconds=1))
    return at


def _may_not(tenant_id: UUID, directories: Directories) -> bool:
    """Files wait where they are, and their directory's quota is what stops whoever brings more."""
    is_full = in_tenant(tenant_id, lambda: backlog.is_full("files"))
    return is_full or _is_full(tenant_id, directories)


def _is_full(tenant_id: UUID, directories: Directories) -> bool:
    """Told once, and again only after it was over."""
    replies, _ = count_in(directories.incoming)
    told = directories.home / "full"
    if replies < REPLIES_LIMIT:
        told.unlink(missing_ok=True)
        return False
    if not told.exists():
        text = f"{replies} replies wait in incoming: nothing more is taken until some are removed"
        fact = Fact(Event.ALARMED, now(), detail={"alarm": text})
        in_tenant(tenant_id, lambda: ledger.record(fact))
        told.touch()
    return True


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [
                one.name
                for one in entries
                if is_final(one.name) and one.is_file(follow_symlinks=False)
            ]
    except FileNotFoundError:
        return []


def _left(directories: Directories) -> list[Found]:
    found = []
    for name in _names(directories.taking):
        if match := _TAKING.fullmatch(name):
            at = datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC)
            found.append(Found(directories.taking / name, match[2], at))
    return found


@contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Whether nobody else is at work there meanwhile. The lock is on the directory itself, so that
    it is where the files are, and goes with the process that holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)
