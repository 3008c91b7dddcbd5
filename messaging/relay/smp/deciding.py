"""What people decide: whether a batch that nobody knows of was taken, and that an asset or a unit
is no longer registered.
"""

from __future__ import annotations

from uuid import UUID

from messaging.relay.smp import capacity, due, jobs, settling
from messaging.relay.smp.places import get_platform, lock
from messaging.smp_models import RegisteredAsset, RegisteredUnit, SmpBatch, SmpJob
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now

State = SmpBatch.State


class NotUnknown(Exception):
    """It is known what became of the batch."""


class TransactionTaken(Exception):
    """The transaction is another batch's."""


class NotCurrent(Exception):
    """It is not registered any more."""


def resolve(batch_id: UUID, *, taken: bool, transaction: str, reason: str, by: str) -> SmpBatch:
    """In the open scope. Taken under a transaction that is told, it is asked about; else it counts
    as registered. Not taken, it is sent again under the same messageId.

    Raises SmpBatch.DoesNotExist, NotUnknown and TransactionTaken.
    """
    job_id, endpoint_id = SmpBatch.objects.values_list("job_id", "endpoint_id").get(id=batch_id)
    job = SmpJob.objects.select_for_update().get(id=job_id)
    lock(endpoint_id)
    batch, platform, at = settling.locked(batch_id), get_platform(endpoint_id), now()
    if batch.state != State.UNKNOWN:
        raise NotUnknown
    if transaction and settling.is_known(platform, transaction, batch):
        raise TransactionTaken
    verdict = "taken" if taken else "not taken"
    jobs.record(job, f"{batch}: {verdict}", by=by, reason=reason, transaction=transaction)
    batch.person_called_at = batch.person_called_at or at
    batch.save(update_fields=["person_called_at"])
    if taken and transaction:
        batch.not_known = 0
        batch.save(update_fields=["not_known"])
        settling.take(batch, transaction, at, 0)
    elif taken:
        settling.believe(platform, batch, by, reason)
    else:
        _send_again(job, batch)
    batch.refresh_from_db()
    return batch


def _send_again(job: SmpJob, batch: SmpBatch) -> None:
    at = now()
    batch.transaction_id, batch.person_called_at = "", None
    batch.state, batch.polls, batch.not_known = State.WAITING, 0, 0
    batch.maybe_taken, batch.wait_until = False, None
    if job.state == SmpJob.State.CANCELLING:
        batch.state, batch.settled_at = State.NOT_SENT, at
        batch.settled_by = SmpBatch.SettledBy.PERSON
    batch.save()
    due.remove(batch.id)
    due.put(job.id, at)
    jobs.close_if_done(job)


def withdraw_asset(asset_id: UUID, reason: str, by: str) -> RegisteredAsset:
    """Raises DoesNotExist, NotCurrent."""
    row = RegisteredAsset.objects.select_for_update().get(id=asset_id)
    _end(row, reason, by)
    capacity.look(row.environment, {row.site}, now())
    return row


def withdraw_unit(unit_id: UUID, reason: str, by: str) -> RegisteredUnit:
    """Its assets stay. Raises DoesNotExist, NotCurrent."""
    row = RegisteredUnit.objects.select_for_update().get(id=unit_id)
    _end(row, reason, by)
    return row


def _end(row: RegisteredAsset | RegisteredUnit, reason: str, by: str) -> None:
    if row.valid_to is not None:
        raise NotCurrent
    row.valid_to, row.ended_by, row.end_reason = now(), by, reason
    row.save(update_fields=["valid_to", "ended_by", "end_reason"])
    detail = {"verb": "withdrawn", "what": row._meta.verbose_name, "name": row.name}
    detail |= {"environment": row.environment, "reason": reason, "by": by}
    ledger.record(Fact(Event.REGISTRATION, row.valid_to, detail=detail))
