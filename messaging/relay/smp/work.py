"""Does what a job or a batch needs now, whoever asks and however often."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from messaging.protocols.base import UnknownProfile
from messaging.protocols.settings import BadSettings
from messaging.relay import draining, ownership
from messaging.relay.crash_points import Step
from messaging.relay.smp import due, jobs
from messaging.relay.smp.asking import look_after
from messaging.relay.smp.checking import check_on
from messaging.relay.smp.sending import advance
from messaging.smp_models import SmpBatch, SmpJob
from tenants.clock import now
from tenants.scope import in_tenant

State = SmpJob.State
_LEASE: Final = timedelta(minutes=30)
"""Longer than checking a file of the greatest length takes."""

_AFTER_A_FAILURE: Final = timedelta(seconds=30)

AT_ONCE: Final = 20
"""Batches that a worker sends one after the other before other jobs get their turn."""


def work_on(tenant_id: UUID, item_id: UUID) -> bool:
    """True where the item wants a hand again at once."""
    with ownership.in_hand(item_id) as mine:
        if not mine:
            return False
        owner = ownership.owner()
        try:
            return _work_on(tenant_id, item_id, owner)
        except BaseException:
            again = now() + _AFTER_A_FAILURE
            in_tenant(tenant_id, lambda: due.let_go(item_id, owner, again), Step.SMP_LATER)
            raise


def _work_on(tenant_id: UUID, item_id: UUID, owner: int) -> bool:
    job = in_tenant(tenant_id, lambda: SmpJob.objects.filter(id=item_id).first())
    if job is None:
        if in_tenant(tenant_id, lambda: _is_batch(item_id), Step.SMP_LATER):
            look_after(tenant_id, item_id, owner)
        return False
    if job.state == State.CHECKING:
        return _check(tenant_id, job, owner)
    if job.state == State.UPLOADING:
        in_tenant(tenant_id, lambda: _give_up(item_id), Step.SMP_GIVE_UP)
        return False
    return all(not draining.is_on() and advance(tenant_id, item_id, owner) for _ in range(AT_ONCE))


def _is_batch(item_id: UUID) -> bool:
    if SmpBatch.objects.filter(id=item_id).exists():
        return True
    due.remove(item_id)
    return False


def _check(tenant_id: UUID, job: SmpJob, owner: int) -> bool:
    until = now() + _LEASE
    claimed = in_tenant(tenant_id, lambda: due.claim(job.id, owner, until), Step.SMP_CHECK_CLAIM)
    if not claimed:
        return False
    try:
        goes_on = check_on(tenant_id, job)
    except (UnknownProfile, BadSettings) as error:
        text = f"cannot be checked: {error}"
        in_tenant(tenant_id, lambda: _tell(job.id, text), Step.SMP_LATER)
        return False
    if goes_on:
        in_tenant(tenant_id, lambda: due.put(job.id, now()), Step.SMP_LATER)
    return in_tenant(tenant_id, lambda: _goes_on(job.id))


def _tell(job_id: UUID, text: str) -> None:
    """A person must put the endpoint's profile or mapping right; until then it is tried again."""
    jobs.alarm(SmpJob.objects.select_for_update().get(id=job_id), text)
    due.put(job_id, now() + _AFTER_A_FAILURE)


def _goes_on(job_id: UUID) -> bool:
    going = (State.CHECKING, State.SENDING)
    return SmpJob.objects.filter(id=job_id, state__in=going).exists()


def _give_up(job_id: UUID) -> None:
    job = SmpJob.objects.select_for_update().get(id=job_id)
    if job.state == State.UPLOADING:
        jobs.end(job, State.CANCELLED, "the upload did not come to its end")
