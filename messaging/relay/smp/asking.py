"""Asks what has become of a batch that the platform took, less and less often; and looks after one
of which nobody knows, until its batch return should have come.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from messaging.protocols.base import LocalProtocolError, RemoteProtocolError, UnknownProfile
from messaging.protocols.neso.smp.profile import ServiceName
from messaging.protocols.settings import BadSettings
from messaging.relay.crash_points import Step
from messaging.relay.smp import due, posting, settling
from messaging.relay.smp.places import Platform, get_platform, lock
from messaging.relay.smp.posting import Question, Reply
from messaging.smp_models import SmpBatch, SmpJob
from tenants.audit import bodies, ledger
from tenants.audit.events import Event, Fact
from tenants.certificates import CertificateMissing
from tenants.clock import now
from tenants.ids import new_id
from tenants.scope import in_tenant

MOST_NOT_KNOWN: Final = 3
"""So often the platform may not know its own transaction before a person is called."""

MANY_POLLS: Final = 100
"""After so many, a transaction that is still open is an alarm; it is asked about for longer."""

_LEASE: Final = timedelta(minutes=5)
_LOOK_AGAIN: Final = timedelta(seconds=30)
_UNSENDABLE: Final = (CertificateMissing, BadSettings, UnknownProfile, LocalProtocolError)
State = SmpBatch.State


@dataclass(frozen=True, slots=True)
class _Claimed:
    batch_id: UUID
    owner: int
    transaction: str
    question: Question


def look_after(tenant_id: UUID, batch_id: UUID, owner: int) -> None:
    """Does what a batch that was sent needs now."""
    claimed = in_tenant(tenant_id, lambda: _claim(batch_id, owner), Step.SMP_ASK_CLAIM)
    if claimed is None:
        return
    reply = posting.ask(claimed.question, Step.SMP_ASK)
    in_tenant(tenant_id, lambda: _settle(claimed, reply), Step.SMP_ASKED)


def _claim(batch_id: UUID, owner: int) -> _Claimed | None:
    batch, at = settling.locked(batch_id), now()
    if batch.state == State.UNKNOWN:
        _look_at_unknown(batch, at)
        return None
    if batch.state != State.OPEN:
        due.remove(batch_id)
        return None
    if not due.claim(batch_id, owner, at + _LEASE):
        return None
    platform = get_platform(batch.endpoint_id)
    if platform.is_held:
        due.put(batch_id, at + _LOOK_AGAIN)
        return None
    message_id = new_id()
    try:
        codec = platform.codec
        path = codec.profile.services[ServiceName.STATUS].path
        payload = codec.ask_status(message_id, at, batch.transaction_id)
        question = posting.close(platform, path, message_id, payload, at)
    except _UNSENDABLE as error:
        if batch.text != str(error):
            batch.text = str(error)
            batch.save(update_fields=["text"])
            settling.record(batch, Event.ALARMED, text=f"cannot be asked about: {error}")
        due.put(batch_id, at + _LOOK_AGAIN)
        return None
    batch.polls += 1
    batch.save(update_fields=["polls"])
    _record(batch, Event.SENDING, at, bodies.keep(question.sealed.record, at), url=question.url)
    return _Claimed(batch_id, owner, batch.transaction_id, question)


def _look_at_unknown(batch: SmpBatch, at: datetime) -> None:
    platform = get_platform(batch.endpoint_id)
    until = (batch.sent_at or at) + timedelta(seconds=platform.read.return_seconds)
    if at < until:
        due.put(batch.id, until)
        return
    if batch.person_called_at is None:
        settling.call_person(batch, at)
    due.remove(batch.id)
    due.hurry(batch.job_id, at)


def _settle(claimed: _Claimed, reply: Reply) -> None:
    question = claimed.question
    job_id = SmpBatch.objects.values_list("job_id", flat=True).get(id=claimed.batch_id)
    SmpJob.objects.select_for_update().get(id=job_id)
    lock(question.platform.id)
    batch, at = settling.locked(claimed.batch_id), now()
    digest = bodies.keep(reply.body, reply.at) if reply.body else None
    event = Event.UNANSWERED if reply.status is None else Event.ANSWERED
    _record(batch, event, reply.at, digest, status=reply.status, text=reply.detail)
    if batch.state != State.OPEN or batch.transaction_id != claimed.transaction:
        return
    if reply.person and batch.text != reply.detail:
        batch.text = reply.detail
        settling.record(batch, Event.ALARMED, text=f"cannot be asked about: {reply.detail}")
    if batch.polls == MANY_POLLS:
        told = f"asked {batch.polls} times, and its transaction is still open"
        settling.record(batch, Event.ALARMED, text=told)
    if reply.status == 404 and _is_not_known(batch, at):
        return
    if reply.status == 200 and reply.payload is not None:
        try:
            result = question.codec.status(reply.payload, question.message_id, claimed.transaction)
        except RemoteProtocolError as error:
            batch.text = f"{reply.detail}: {error.text}"
        else:
            if settling.finish(question.platform, batch, result, SmpBatch.SettledBy.STATUS):
                return
    batch.save(update_fields=["text"])
    due.let_go(batch.id, claimed.owner, at + _pause(question.platform, batch, reply))


def _is_not_known(batch: SmpBatch, at: datetime) -> bool:
    """Whether the platform has said so often enough to be believed."""
    batch.not_known += 1
    batch.save(update_fields=["not_known"])
    if batch.not_known < MOST_NOT_KNOWN:
        return False
    told = f"the platform does not know its transaction {batch.transaction_id}"
    settling.lose(batch, told, at, None)
    return True


def _pause(platform: Platform, batch: SmpBatch, reply: Reply) -> timedelta:
    read = platform.read
    seconds = min(read.poll_seconds * 2.0 ** min(batch.polls, 16), read.poll_at_most_seconds)
    return timedelta(seconds=max(seconds, min(reply.retry_after or 0, 3600)))


def _record(
    batch: SmpBatch, event: Event, at: datetime, digest: bytes | None, **detail: object
) -> None:
    told = {"what": f"status of registration, {batch}", "transaction": batch.transaction_id}
    ledger.record(Fact(event, at, batch.job_id, batch.id, digest=digest, detail={**told, **detail}))
