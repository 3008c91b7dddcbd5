"""Takes a file that a trading point left: decides, stores, and says under which name it is kept.
One transaction a file, committed before the file is moved to the archive; its replies are rows of
the same transaction.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID

from messaging.domain.rules import Violation
from messaging.models import Message
from messaging.protocols.base import RemoteProtocolError
from messaging.protocols.edt.names import (
    FileName,
    Turn,
    archive_name,
    in_turn,
    parse_name,
    stamp_text,
    stem_of,
    submission_name,
)
from messaging.protocols.edt.reading import PIECE, Reading, read_file, too_large
from messaging.protocols.edt.replies import (
    Reply,
    ReplyKind,
    faults_of,
    out_of_turn_name,
)
from messaging.relay import reply_files, sequences
from messaging.relay.crash_points import Step
from messaging.relay.rows import NewDelivery
from messaging.relay.submitting import Offer, Submitted, take_submission
from messaging.relay.trading_points import TradingPoint, get_trading_point
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.scope import in_tenant

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_NAME: Final = 100


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
    the file was ill-named: the same whenever the same arrival is taken, and also that of another
    arrival of this name in the same second. `deliveries` are to be woken (wake.wake). What is to be
    alarmed of an ill-named file is in `alarm`: how often, whoever hands files in says.
    """

    archive_as: str
    deliveries: tuple[NewDelivery, ...] = ()
    alarm: str = ""


@dataclass(frozen=True, slots=True)
class _Kept:
    """The bytes of a file, once in memory. Of one that is too large the beginning alone, and the
    digest of its size and as much as the largest file could have.
    """

    content: bytes
    digest: bytes
    size: int
    is_whole: bool


def take(arrived: Arrived) -> Filed:
    """Takes a file; it is moved to the archive after this, not before. Safe to do again for the
    same arrival, and twice at once.

    Raises OSError where the file cannot be read, NoTradingPoint where the endpoint is none (any
    more), and what the database raises: then nothing was taken, and it is to be done again.
    """
    point = in_tenant(arrived.tenant_id, lambda: get_trading_point(arrived.endpoint_id))
    kept = _read(arrived.path, point.profile.lines.max_bytes)
    try:
        name = parse_name(point.profile, arrived.name)
    except RemoteProtocolError as error:
        text = f"a file is named {arrived.name[:_LONGEST_NAME]!r}: {error.text}"
        in_tenant(arrived.tenant_id, lambda: _set_aside(arrived, kept, text), Step.FILE_SET_ASIDE)
        return Filed(f"bad/{_safe(arrived.name)}.{stamp_text(arrived.arrived_at)}", alarm=text)
    archive_as = archive_name(point.profile, name, arrived.arrived_at)
    made = in_tenant(arrived.tenant_id, lambda: _take(point, arrived, name, kept), Step.FILE_TAKE)
    return Filed(archive_as, made)


def in_turns(tenant_id: UUID, endpoint_id: UUID, names: Iterable[str]) -> list[list[str]]:
    """Names of files that are there together, in the order they are to be taken: those of each
    agent, of which none may be taken before the one ahead of it, and then each ill-named one by
    itself. Raises NoTradingPoint.
    """

    def known() -> tuple[TradingPoint, dict[str, int]]:
        point = get_trading_point(endpoint_id)
        return point, sequences.expected(point)

    point, expected = in_tenant(tenant_id, known)
    files, ill_named = [], []
    for name in names:
        try:
            files.append(parse_name(point.profile, name))
        except RemoteProtocolError:
            ill_named.append(name)
    taken = in_turn(point.profile.names, files, expected)
    return [
        *(
            [submission_name(point.profile, file) for file in of_one]
            for _, of_one in groupby(taken, key=lambda file: file.agent)
        ),
        *([name] for name in sorted(ill_named)),
    ]


def _take(
    point: TradingPoint, arrived: Arrived, name: FileName, kept: _Kept
) -> tuple[NewDelivery, ...]:
    """The tenant's set-up may have changed since the point was looked up: it is looked up again."""
    point = get_trading_point(point.endpoint_id)
    sequences.lock(point, name.agent)
    if _is_taken(point, arrived, name):
        return ()
    offer = Offer(
        agent=name.agent,
        sequence=name.sequence,
        content=kept.content,
        digest=kept.digest,
        size=kept.size,
        read=lambda name: _reading(point, name, kept),
        at=arrived.arrived_at,
        origin=Message.Origin.TRADING_POINT,
    )
    return _answer(point, take_submission(point, offer), arrived.arrived_at)


def _is_taken(point: TradingPoint, arrived: Arrived, name: FileName) -> bool:
    """Whether this very arrival was taken before, and only its file left where it was. A repeat
    leaves no message of its own, and is answered again.
    """
    return Message.objects.filter(
        endpoint_id=point.endpoint_id,
        origin=Message.Origin.TRADING_POINT,
        reference=stem_of(point.profile, name),
        received_at=arrived.arrived_at,
    ).exists()


def _reading(point: TradingPoint, name: FileName, kept: _Kept) -> Reading:
    if not kept.is_whole:
        return too_large(point.profile, name)
    return read_file(point.profile, name, (kept.content,))


def _answer(point: TradingPoint, submitted: Submitted, at: datetime) -> tuple[NewDelivery, ...]:
    """The replies that can be given at once, and what is to be delivered besides."""
    profile, name, message_id = point.profile, submitted.name, submitted.message_id
    if submitted.turn is Turn.REPEAT:
        return reply_files.write_again(profile, point.endpoint_id, name, at, message_id)
    if submitted.turn is Turn.GAP:
        reply = _refusal(point, submitted)
        own_name = out_of_turn_name(profile, name, at)
        return (reply_files.write(profile, point.endpoint_id, reply, at, message_id, own_name),)
    received = Reply(ReplyKind.RECEIVED, name, submitted.records_read)
    made = [reply_files.write(profile, point.endpoint_id, received, at, message_id)]
    if submitted.refusals:
        reply = _refusal(point, submitted)
        made.append(reply_files.write(profile, point.endpoint_id, reply, at, message_id))
    return (*made, *submitted.deliveries)


def _refusal(point: TradingPoint, submitted: Submitted) -> Reply:
    records = submitted.reading.submission.records if submitted.reading else ()
    refusals: tuple[Violation, ...] = submitted.refusals
    faults = faults_of(point.profile, records, refusals)
    return Reply(ReplyKind.REJECTED, submitted.name, submitted.records_read, 0, faults)


def _set_aside(arrived: Arrived, kept: _Kept, text: str) -> None:
    """An ill-named file belongs to no agent and no number, so there is nothing to answer it by."""
    detail = {"reason": text, "bytes": kept.size, "endpoint": arrived.endpoint_id}
    ledger.record(Fact(Event.REFUSED, arrived.arrived_at, digest=kept.digest, detail=detail))


def _safe(name: str) -> str:
    """A name of the tenant's as a name of the archive's."""
    return _UNSAFE.sub("_", name)[:_LONGEST_NAME].lstrip(".") or "_"


def _read(path: Path, most: int) -> _Kept:
    """Follows no link, waits for nothing, and reads no more than the largest file could have."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        told = os.fstat(file.fileno())
        if not stat.S_ISREG(told.st_mode):
            raise OSError(f"{path.name} is no regular file")
        if told.st_size > most:
            return _too_large(file, told.st_size, most)
        content = file.read(most + 1)
        if len(content) > most:
            file.seek(0)
            return _too_large(file, len(content), most)
    return _Kept(content, hashlib.sha256(content).digest(), len(content), is_whole=True)


def _too_large(file: BinaryIO, size: int, most: int) -> _Kept:
    beginning = file.read(PIECE)
    digest = hashlib.sha256(b"%d " % size + beginning)
    left = most - len(beginning)
    while left > 0 and (piece := file.read(min(PIECE, left))):
        digest.update(piece)
        left -= len(piece)
    return _Kept(beginning, digest.digest(), size, is_whole=False)
