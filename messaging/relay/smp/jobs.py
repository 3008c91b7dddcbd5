"""A job's life: begun with the bytes of a file, cancelled by a person, and ended when the last of
its batches is. Checking and sending are elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from messaging.relay.crash_points import Step
from messaging.relay.smp import due
from messaging.relay.smp.places import Platform
from messaging.smp_models import SmpBatch, SmpJob, SmpPart
from tenants.audit import ledger
from tenants.audit.events import THE_SERVICE, Event, Fact
from tenants.clock import now
from tenants.ids import new_id
from tenants.running import Running
from tenants.scope import in_tenant, require_tenant

PART_BYTES: Final = 256 * 1024
PARTS_AT_ONCE: Final = 16
UPLOAD_WITHIN: Final = timedelta(hours=1)
"""An upload that has not come to its end by then is given up."""

State = SmpJob.State
UNFINISHED: Final = (State.UPLOADING, State.CHECKING, State.SENDING, State.CANCELLING)
UNSETTLED: Final = (
    SmpBatch.State.WAITING,
    SmpBatch.State.SENDING,
    SmpBatch.State.OPEN,
    SmpBatch.State.UNKNOWN,
)


class TooManyJobs(Exception):
    """The tenant has as many unfinished jobs as it may have."""


class TooLarge(Exception):
    """The file has more bytes than one may have."""


class Empty(Exception):
    """The file has no bytes."""


class CannotCancel(Exception):
    """The job has come to its end."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of an upload."""

    kind: str
    format: str
    file_name: str
    check_only: bool
    send_good: bool
    unit: dict[str, Any] | None
    by: str


def take(
    tenant_id: UUID,
    platform: Platform,
    wish: Wish,
    content: Iterable[bytes],
    under: Running | None = None,
) -> SmpJob:
    """Stores the file, a few parts a transaction, and hands the job to a worker. Outside any scope.
    Where a job was handed over `under` the same key before, that is the one.

    Raises TooManyJobs, TooLarge, Empty and Overtaken.
    """
    job_id = new_id()
    job = in_tenant(tenant_id, lambda: _begin(platform, wish, job_id, under), Step.SMP_BEGIN)
    if job.state != State.UPLOADING:
        return job
    try:
        digest, size = _store(tenant_id, job.id, content, under)
    except BaseException as error:
        reason = f"the upload was refused or broke off: {type(error).__name__}"
        in_tenant(tenant_id, lambda: _give_up(job.id, reason), Step.SMP_GIVE_UP)
        raise
    return in_tenant(tenant_id, lambda: _hand_over(job.id, digest, size, under), Step.SMP_HAND_OVER)


def cancel(job_id: UUID, by: str) -> SmpJob:
    """What was not sent is not sent; what was is waited for. Raises CannotCancel."""
    job = SmpJob.objects.select_for_update().get(id=job_id)
    if job.state not in UNFINISHED or job.state == State.CANCELLING:
        raise CannotCancel
    batches = SmpBatch.objects.filter(job_id=job_id, state=SmpBatch.State.WAITING)
    stopped = batches.update(state=SmpBatch.State.NOT_SENT, settled_at=now())
    job.state, job.reason = State.CANCELLING, f"cancelled by {by}"
    job.save(update_fields=["state", "reason"])
    record(job, "cancelled", by=by, batches_not_sent=stopped)
    close_if_done(job)
    return job


def close_if_done(job: SmpJob) -> None:
    """Ends a job of which nothing is under way. `job` is locked."""
    batches = SmpBatch.objects.filter(job_id=job.id)
    if job.state not in (State.SENDING, State.CANCELLING) or (
        batches.filter(state__in=UNSETTLED).exists()
    ):
        return
    registered = batches.filter(state=SmpBatch.State.REGISTERED)
    others = batches.exclude(state=SmpBatch.State.REGISTERED).exists()
    if job.state == State.CANCELLING:
        state = State.CANCELLED
    elif not registered.exists():
        state = State.FAILED
    else:
        state = State.PARTLY if others or job.rows_wrong else State.REGISTERED
    end(job, state, job.reason if state == State.CANCELLED else "")


def end(job: SmpJob, state: SmpJob.State, reason: str) -> None:
    """The job's last move. Its file is no longer needed."""
    job.state, job.reason, job.finished_at = state, reason, now()
    job.save(update_fields=["state", "reason", "finished_at"])
    SmpPart.objects.filter(job_id=job.id).delete()
    due.remove(job.id)
    counts = {name: getattr(job, name) for name in ("rows_read", "rows_wrong", "rows_registered")}
    record(job, state.value, reason=reason, rows_failed=job.rows_failed, **counts)


def alarm(job: SmpJob, text: str) -> None:
    """Once for each reason in turn, however often it is met. `job` is locked."""
    if job.reason == text:
        return
    job.reason = text
    job.save(update_fields=["reason"])
    told = {"what": f"registration job {job}", "text": text}
    ledger.record(Fact(Event.ALARMED, now(), job.id, detail=told))


def record(job: SmpJob, verb: str, *, by: str = THE_SERVICE, **detail: object) -> None:
    told = {"verb": verb, "kind": job.kind, "file_name": job.file_name, "by": by, **detail}
    digest = bytes(job.digest) if job.digest else None
    ledger.record(Fact(Event.REGISTRATION, now(), job.id, digest=digest, detail=told))


def _begin(platform: Platform, wish: Wish, job_id: UUID, under: Running | None) -> SmpJob:
    """Safe to run twice."""
    if under is not None:
        under.hold()
    if (begun := _find_begun(job_id, under)) is not None:
        return begun
    if SmpJob.objects.filter(state__in=UNFINISHED).count() >= settings.SMP_OPEN_JOBS:
        raise TooManyJobs
    at = now()
    job = SmpJob.objects.create(
        id=job_id,
        tenant_id=require_tenant(),
        endpoint_id=platform.id,
        kind=wish.kind,
        format=wish.format,
        file_name=wish.file_name,
        check_only=wish.check_only,
        send_good=wish.send_good,
        unit=wish.unit,
        created_by=wish.by,
        created_at=at,
        asked_under=under.key_id if under is not None else None,
    )
    due.put(job.id, at + UPLOAD_WITHIN)
    return job


def _find_begun(job_id: UUID, under: Running | None) -> SmpJob | None:
    """This one, or the one that was handed over under the same key. Others under it were broken
    off: they are ended, and so will never be.
    """
    mine = SmpJob.objects.filter(id=job_id).first()
    if mine is not None or under is None:
        return mine
    same = SmpJob.objects.filter(asked_under=under.key_id)
    for half in same.filter(state=State.UPLOADING).select_for_update():
        end(half, State.CANCELLED, "the upload broke off, and was begun anew")
    return same.filter(digest__isnull=False).first()


def _store(
    tenant_id: UUID, job_id: UUID, content: Iterable[bytes], under: Running | None
) -> tuple[bytes, int]:
    digest, start = hashlib.sha256(), 0
    limit = settings.SMP_UPLOAD_MB * 2**20
    parts: list[SmpPart] = []
    for piece in _even(content):
        if start + len(piece) > limit:
            raise TooLarge
        digest.update(piece)
        parts.append(
            SmpPart(id=new_id(), tenant_id=tenant_id, job_id=job_id, start=start, content=piece)
        )
        start += len(piece)
        if len(parts) == PARTS_AT_ONCE:
            _write(tenant_id, parts, under)
            parts = []
    if not start:
        raise Empty
    _write(tenant_id, parts, under)
    return digest.digest(), start


def _write(tenant_id: UUID, parts: list[SmpPart], under: Running | None) -> None:
    """Safe to run twice: a part is known by its id."""

    def insert() -> None:
        if under is not None:
            under.hold()
        SmpPart.objects.bulk_create(parts, ignore_conflicts=True)

    in_tenant(tenant_id, insert, Step.SMP_PARTS)


def _even(content: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of one size, but for the last."""
    held: list[bytes] = []
    size = 0
    for piece in content:
        held.append(piece)
        size += len(piece)
        if size >= PART_BYTES:
            whole = b"".join(held)
            for at in range(0, size - PART_BYTES + 1, PART_BYTES):
                yield whole[at : at + PART_BYTES]
            rest = whole[size - size % PART_BYTES :]
            held, size = [rest], len(rest)
    if size:
        yield b"".join(held)


def _hand_over(job_id: UUID, digest: bytes, size: int, under: Running | None) -> SmpJob:
    """Safe to run twice. One that was ended meanwhile is given back as it is."""
    if under is not None:
        under.hold()
    job = SmpJob.objects.select_for_update().get(id=job_id)
    if job.digest is not None:
        return job
    if job.state != State.UPLOADING:
        SmpPart.objects.filter(job_id=job_id).delete()
        return job
    job.state, job.digest, job.size = State.CHECKING, digest, size
    job.save(update_fields=["state", "digest", "size"])
    due.put(job.id, now())
    record(job, "taken", bytes=size, by=job.created_by, check_only=job.check_only)
    return job


def _give_up(job_id: UUID, reason: str) -> None:
    job = SmpJob.objects.select_for_update().get(id=job_id)
    if job.state == State.UPLOADING:
        end(job, State.CANCELLED, reason)
    SmpPart.objects.filter(job_id=job_id).delete()
