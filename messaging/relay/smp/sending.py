"""Sends the batches of a job, one after the other: claim and seal, post with no transaction open,
settle. Safe to run twice and at once.

A batch goes only when all before it in its job were answered, one through an endpoint at a time,
and few are open together. One that was sent and not answered is UNKNOWN, and is never sent again of
itself, unless the endpoint's settings say that the platform refuses duplicates; until its batch
return should have come, nothing else goes through its endpoint, so that a return under a
transaction that nobody knows can only be its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from messaging.protocols.base import LocalProtocolError, RemoteProtocolError, UnknownProfile
from messaging.protocols.neso.seals.base import Sealed, is_fresh
from messaging.protocols.neso.settings import REPEAT
from messaging.protocols.neso.smp.profile import ServiceName
from messaging.protocols.settings import BadSettings
from messaging.relay import deadlines
from messaging.relay.claim import NOTICED_WITHIN
from messaging.relay.crash_points import Step
from messaging.relay.smp import due, jobs, posting, settling
from messaging.relay.smp.places import Platform, get_platform, lock
from messaging.relay.smp.posting import Question, Reply
from messaging.smp_models import SmpBatch, SmpJob, SmpRow
from tenants.audit import bodies, ledger
from tenants.audit.events import Event, Fact
from tenants.certificates import CertificateMissing
from tenants.clock import now
from tenants.scope import in_tenant

MOST_OPEN: Final = 4
"""Transactions of one job under way at the platform."""

LOOK_AGAIN: Final = timedelta(seconds=30)
"""After something that a person, or another job, must bring about."""

_LEASE: Final = timedelta(minutes=10)
_UNSENDABLE: Final = (CertificateMissing, BadSettings, UnknownProfile, LocalProtocolError)
_REFUSED: Final = frozenset({400, 413, 415})
"""Refused for what it is, without a receipt."""

_NOT_TAKEN: Final = frozenset({401, 403, 404, 405, 408, 429, 503})
"""Certainly not taken, and to be sent again later."""

_ALREADY: Final = 409
State = SmpBatch.State


@dataclass(frozen=True, slots=True)
class _Claimed:
    batch_id: UUID
    owner: int
    attempts: int
    question: Question


def advance(tenant_id: UUID, job_id: UUID, owner: int) -> bool:
    """Sends the job's next batch, if there is one to be sent now. True where the next may follow at
    once.
    """
    claimed = in_tenant(tenant_id, lambda: _claim(job_id, owner), Step.SMP_CLAIM)
    if claimed is None:
        return False
    reply = posting.ask(claimed.question, Step.SMP_POST)
    return in_tenant(tenant_id, lambda: _settle(job_id, claimed, reply), Step.SMP_SETTLE)


def _claim(job_id: UUID, owner: int) -> _Claimed | None:
    job = SmpJob.objects.select_for_update().get(id=job_id)
    at = now()
    if job.state not in (SmpJob.State.SENDING, SmpJob.State.CANCELLING):
        due.remove(job_id)
        return None
    if not due.claim(job_id, owner, at + _LEASE):
        return None
    lock(job.endpoint_id)
    try:
        return _next_claimed(job, get_platform(job.endpoint_id), owner, at)
    except _UNSENDABLE as error:
        jobs.alarm(job, f"cannot be sent: {error}")
        due.put(job_id, at + LOOK_AGAIN)
        return None


def _next_claimed(job: SmpJob, platform: Platform, owner: int, at: datetime) -> _Claimed | None:
    """Raises one of _UNSENDABLE."""
    # Only its own sender makes a batch SENDING, and holds the job's claim meanwhile: that is here
    # now, so whoever sent it is gone.
    for lost in SmpBatch.objects.filter(job_id=job.id, state=State.SENDING):
        wait_for_return(platform, lost, "its sender was interrupted", at)
    batch = _next(job, platform, at)
    return _sealed(job, platform, batch, owner, at) if batch else None


def _next(job: SmpJob, platform: Platform, at: datetime) -> SmpBatch | None:
    """The batch whose turn it is; else the job waits for what brings its turn about."""
    mine = SmpBatch.objects.filter(job_id=job.id)
    waiting = mine.filter(state=State.WAITING).order_by("position").first()
    if waiting is not None and _is_late(job, waiting, at):
        due.put(job.id, at)
        settling.expire(waiting, at)
        return None
    unknown = mine.filter(state=State.UNKNOWN).order_by("position").first()
    may_repeat = platform.read.unanswered == REPEAT and job.state == SmpJob.State.SENDING
    if unknown is not None and may_repeat and unknown.person_called_at is None:
        waiting = unknown
    elif unknown is not None or waiting is None or job.state == SmpJob.State.CANCELLING:
        due.put(job.id, at + timedelta(hours=1))
        return None
    if waiting.wait_until is not None and at < waiting.wait_until:
        due.put(job.id, waiting.wait_until)
        return None
    others = SmpBatch.objects.filter(endpoint_id=platform.id).exclude(job_id=job.id)
    is_busy = (
        others.filter(state=State.SENDING).exists()
        or others.filter(state=State.UNKNOWN, person_called_at=None).exists()
    )
    if platform.is_held or is_busy:
        due.put(job.id, at + (LOOK_AGAIN if platform.is_held else timedelta(seconds=2)))
        return None
    if mine.filter(state=State.OPEN).count() >= MOST_OPEN:
        due.put(job.id, at + LOOK_AGAIN)
        return None
    return waiting


def _is_late(job: SmpJob, waiting: SmpBatch, at: datetime) -> bool:
    """One that a person has put back (it waits for no time, though it was sent) has one more
    try.
    """
    is_put_back_by_person = waiting.attempts > 0 and waiting.wait_until is None
    return not is_put_back_by_person and at >= job.created_at + deadlines.REGISTRATION.within


def _sealed(job: SmpJob, platform: Platform, batch: SmpBatch, owner: int, at: datetime) -> _Claimed:
    """The bytes are committed, with a `sending` entry, before the first of them leaves."""
    codec = platform.codec
    name = ServiceName.CREATE_UNIT if job.kind == SmpJob.Kind.UNIT else ServiceName.CREATE_ASSETS
    path = codec.profile.services[name].path
    payload = _payload(job, platform, batch, at)
    question = _fresh(platform, path, batch, at)
    if question is None:
        question = posting.close(platform, path, batch.id, payload, at)
        batch.sealed_at = at
        batch.sealed_digest = bodies.keep(question.sealed.record, at)
        _record(batch, Event.SIGNED, at, batch.sealed_digest, key=question.thumbprint)
    batch.state, batch.sent_at, batch.attempts = State.SENDING, at, batch.attempts + 1
    batch.save()
    assert batch.sealed_digest is not None, "it was sealed just now, or before"
    size = len(question.sealed.body)
    _record(batch, Event.SENDING, at, bytes(batch.sealed_digest), url=question.url, bytes=size)
    return _Claimed(batch.id, owner, batch.attempts, question)


def _fresh(platform: Platform, path: str, batch: SmpBatch, at: datetime) -> Question | None:
    """With the signature of the last attempt, where it is young and its key was not revoked."""
    if batch.sealed_digest is None or batch.sealed_at is None:
        return None
    revoked = posting.revoked_at(platform)
    if not is_fresh(batch.sealed_at, at) or (
        revoked is not None and batch.sealed_at <= revoked + NOTICED_WITHIN
    ):
        return None
    kept = bodies.read(bytes(batch.sealed_digest), batch.sealed_at)
    return posting.reopen(platform, path, batch.id, Sealed.from_record(kept))


def _payload(job: SmpJob, platform: Platform, batch: SmpBatch, at: datetime) -> bytes:
    """Made at the first attempt, and the same bytes ever after."""
    if batch.payload_digest is not None and batch.payload_at is not None:
        return bodies.read(bytes(batch.payload_digest), batch.payload_at)
    rows = SmpRow.objects.filter(
        job_id=job.id, wrong=False, row__range=(batch.first_row, batch.last_row)
    )
    assets = [json.loads(text) for text in rows.order_by("row").values_list("asset", flat=True)]
    assert len(assets) == batch.rows, "rows of a batch do not change"
    codec = platform.codec
    if job.kind == SmpJob.Kind.UNIT:
        payload = codec.create_unit(batch.id, at, job.unit or {}, assets)
    else:
        payload = codec.create_assets(batch.id, at, assets)
    batch.payload_digest, batch.payload_at = bodies.keep(payload, at), at
    return payload


def _record(
    batch: SmpBatch, event: Event, at: datetime, digest: bytes | None, **detail: object
) -> None:
    told = {"what": f"registration, {batch}", "attempt": batch.attempts, **detail}
    ledger.record(Fact(event, at, batch.job_id, batch.id, digest=digest, detail=told))


def _settle(job_id: UUID, claimed: _Claimed, reply: Reply) -> bool:
    platform = claimed.question.platform
    # In the order in which whoever claims takes them.
    SmpJob.objects.select_for_update().get(id=job_id)
    lock(platform.id)
    batch, at = settling.locked(claimed.batch_id), now()
    due.let_go(job_id, claimed.owner, at)
    _record_answer(batch, reply)
    if batch.state not in (State.SENDING, State.UNKNOWN) or _is_overtaken(claimed, batch, reply):
        return False
    if batch.maybe_taken and _says_nothing_of_before(reply):
        # Whether this attempt was taken or not, an earlier one may have been.
        wait_for_return(platform, batch, reply.detail, at)
    elif reply.status is None:
        _unanswered(platform, batch, reply, at)
    elif reply.status == 200 and reply.payload is not None:
        _taken(claimed.question, batch, reply, reply.payload, at)
    elif reply.status == 422 and reply.payload is not None:
        _refused(claimed.question, batch, reply, reply.payload, at)
    elif reply.status in _REFUSED:
        settling.refuse(batch, (), reply.detail)
    elif reply.status in _NOT_TAKEN:
        pause = deadlines.pause_asked(pause_after(batch), reply.retry_after)
        settling.put_back(batch, reply.detail, at, at + pause)
    elif reply.status == _ALREADY:
        settling.lose(batch, "the platform has it already, or something else of this id", at, None)
    else:
        wait_for_return(platform, batch, reply.detail, at)
    return batch.state not in (State.WAITING, State.UNKNOWN)


def _is_overtaken(claimed: _Claimed, batch: SmpBatch, reply: Reply) -> bool:
    """Whether another has sent it again since: what this one does not know is no matter then. A
    verdict is, whoever heard it.
    """
    return batch.attempts != claimed.attempts and _says_nothing_of_before(reply)


def _says_nothing_of_before(reply: Reply) -> bool:
    told = reply.status is not None and (reply.payload is not None or reply.status == _ALREADY)
    return not told or reply.status in _NOT_TAKEN


def _unanswered(platform: Platform, batch: SmpBatch, reply: Reply, at: datetime) -> None:
    if reply.left:
        wait_for_return(platform, batch, reply.detail, at)
        return
    if reply.person:
        job = SmpJob.objects.select_for_update().get(id=batch.job_id)
        jobs.alarm(job, f"cannot be sent: {reply.detail}")
    pause = LOOK_AGAIN if reply.person else pause_after(batch)
    settling.put_back(batch, reply.detail, at, at + pause)


def _taken(question: Question, batch: SmpBatch, reply: Reply, payload: bytes, at: datetime) -> None:
    platform = question.platform
    try:
        transaction = question.codec.transaction(payload, batch.id)
    except RemoteProtocolError as error:
        wait_for_return(platform, batch, f"{reply.detail}: {error.text}", at)
        return
    if settling.is_known(platform, transaction, batch):
        told = f"{reply.detail}: the transaction is another batch's"
        wait_for_return(platform, batch, told, at)
        return
    settling.take(batch, transaction, at, platform.read.poll_seconds)


def _refused(
    question: Question, batch: SmpBatch, reply: Reply, payload: bytes, at: datetime
) -> None:
    try:
        errors = question.codec.refusal(payload, batch.id)
    except RemoteProtocolError as error:
        wait_for_return(question.platform, batch, f"{reply.detail}: {error.text}", at)
        return
    settling.refuse(batch, errors, reply.detail)


def wait_for_return(platform: Platform, batch: SmpBatch, text: str, at: datetime) -> None:
    """It may have been taken. Where the platform refuses duplicates it is sent again after a
    pause.
    """
    sent_at = batch.sent_at or at
    batch.wait_until = at + pause_after(batch)
    batch.save(update_fields=["wait_until"])
    settling.lose(batch, text, at, sent_at + timedelta(seconds=platform.read.return_seconds))


def pause_after(batch: SmpBatch) -> timedelta:
    """Longer after every attempt."""
    return deadlines.pause_after(deadlines.REGISTRATION, batch.attempts, str(batch.id))


def _record_answer(batch: SmpBatch, reply: Reply) -> None:
    if reply.status is None:
        return
    digest = bodies.keep(reply.body, reply.at) if reply.body else None
    _record(batch, Event.ANSWERED, reply.at, digest, status=reply.status, text=reply.detail)
