"""What becomes of a batch: taken by the platform, registered, failed, refused, or unknown. Its
rows, its job and what is registered follow in the same transaction, once; what comes after changes
nothing.

Callers hold the endpoint's lock (places.lock).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from messaging.domain.registrations import Asset, name_key
from messaging.domain.rules.registrations import read_asset
from messaging.domain.units import RefusalCode
from messaging.protocols.neso.smp.codec import PeerError, Result
from messaging.protocols.neso.smp.profile import Standing
from messaging.relay.smp import capacity, due, findings, jobs
from messaging.relay.smp.findings import NewFinding
from messaging.relay.smp.places import Platform
from messaging.smp_models import (
    RegisteredAsset,
    RegisteredUnit,
    SmpBatch,
    SmpFinding,
    SmpJob,
    SmpRow,
)
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.ids import new_id
from tenants.scope import require_tenant

State = SmpBatch.State
By = SmpBatch.SettledBy
SETTLED: Final = (State.REGISTERED, State.FAILED, State.REFUSED, State.NOT_SENT)


def locked(batch_id: UUID) -> SmpBatch:
    return SmpBatch.objects.select_for_update().get(id=batch_id)


def is_known(platform: Platform, transaction: str, batch: SmpBatch) -> bool:
    """Whether another batch has this transaction already."""
    rows = SmpBatch.objects.filter(endpoint_id=platform.id, transaction_id=transaction)
    return rows.exclude(id=batch.id).exists()


def take(batch: SmpBatch, transaction: str, at: datetime, poll_seconds: float) -> None:
    """The platform has it, under this transaction: its verdict is asked for."""
    batch.state, batch.transaction_id, batch.text = State.OPEN, transaction, ""
    batch.save(update_fields=["state", "transaction_id", "text"])
    record(batch, Event.DELIVERED, transaction=transaction)
    due.put(batch.id, at + timedelta(seconds=poll_seconds))
    due.hurry(batch.job_id, at)


def lose(batch: SmpBatch, text: str, at: datetime, again_at: datetime | None) -> None:
    """It was sent, and nobody knows what became of it. It waits until `again_at` for the batch
    return, or, where that is None, for a person.
    """
    batch.state, batch.text, batch.maybe_taken = State.UNKNOWN, text, True
    batch.save(update_fields=["state", "text", "maybe_taken"])
    record(batch, Event.UNANSWERED, text=text)
    if again_at is None:
        call_person(batch, at)
    else:
        due.put(batch.id, again_at)
    due.hurry(batch.job_id, at)


def call_person(batch: SmpBatch, at: datetime) -> None:
    """Whether the platform has it, somebody must find out."""
    batch.person_called_at = at
    batch.save(update_fields=["person_called_at"])
    due.remove(batch.id)
    told = "nobody knows whether the platform has taken it: find out, and resolve the batch"
    record(batch, Event.ALARMED, text=told, why=batch.text)


def put_back(batch: SmpBatch, text: str, at: datetime, again_at: datetime) -> None:
    """It was certainly not taken, and is sent again then. The log is told once of each reason."""
    if batch.text != text:
        record(batch, Event.HELD, text=text)
    batch.state, batch.text, batch.wait_until = State.WAITING, text, again_at
    batch.save(update_fields=["state", "text", "wait_until"])
    job = SmpJob.objects.select_for_update().get(id=batch.job_id)
    if job.state == SmpJob.State.CANCELLING:
        batch.state, batch.settled_at = State.NOT_SENT, at
        batch.save(update_fields=["state", "settled_at"])
        jobs.close_if_done(job)
    else:
        due.put(batch.job_id, again_at)


def finish(platform: Platform, batch: SmpBatch, result: Result, by: By) -> bool:
    """A final standing. False where the batch is settled already, or this is not final."""
    if batch.state in SETTLED or result.standing is Standing.OPEN:
        return False
    batch.transaction_id = result.transaction
    if result.standing is Standing.CREATED:
        _register(platform, batch, by)
    else:
        _fail(batch, State.FAILED, result.errors, by)
    return True


def refuse(batch: SmpBatch, errors: Sequence[PeerError], text: str) -> None:
    """The platform refused it at once: nothing was created."""
    batch.text = text
    _fail(batch, State.REFUSED, errors, By.ANSWER)


def believe(platform: Platform, batch: SmpBatch, by: str, reason: str) -> None:
    """A person has found out that the platform has registered it."""
    batch.text = f"{by}: {reason}"
    _register(platform, batch, By.PERSON)


def record(batch: SmpBatch, event: Event, **detail: object) -> None:
    told = {"what": f"registration, {batch}", "attempt": batch.attempts, **detail}
    ledger.record(Fact(event, now(), batch.job_id, batch.id, detail=told))


def _register(platform: Platform, batch: SmpBatch, by: By) -> None:
    at = now()
    job = SmpJob.objects.select_for_update().get(id=batch.job_id)
    assets = [(row, *_asset(text)) for row, text in _rows_of(batch)]
    unit = _register_unit(platform, job, at) if job.kind == SmpJob.Kind.UNIT else None
    keys = [name_key(asset.name) for _, asset, _ in assets]
    current = RegisteredAsset.objects.filter(
        environment=platform.environment, key__in=keys, valid_to=None
    )
    sites = set(current.values_list("site", flat=True))
    current.update(valid_to=at, end_reason="registered anew")
    rows = [
        _registered(platform, job, unit, row, asset, written, at) for row, asset, written in assets
    ]
    RegisteredAsset.objects.bulk_create(rows)
    _settle(batch, State.REGISTERED, by, at)
    job.rows_registered += batch.rows
    job.save(update_fields=["rows_registered"])
    record(batch, Event.ACKNOWLEDGED, by=by.value, rows=batch.rows, text=batch.text)
    capacity.look(platform.environment, sites | {row.site for row in rows}, at)
    jobs.close_if_done(job)


def _fail(batch: SmpBatch, state: State, errors: Sequence[PeerError], by: By) -> None:
    at = now()
    job = SmpJob.objects.select_for_update().get(id=batch.job_id)
    numbers = [row for row, _ in _rows_of(batch)]
    found = [_finding(one, numbers) for one in errors]
    if not found:
        text = batch.text or "the platform gives no reason"
        found = [_whole(batch, RefusalCode.REFUSED_BY_SO.value, text)]
    findings.write(job, found)
    _settle(batch, state, by, at)
    job.rows_failed += batch.rows
    job.save(update_fields=["rows_failed"])
    record(batch, Event.REFUSED, by=by.value, rows=batch.rows, text=found[0].text)
    jobs.close_if_done(job)


def _settle(batch: SmpBatch, state: State, by: By, at: datetime) -> None:
    batch.state, batch.settled_by, batch.settled_at = state, by, at
    batch.save(update_fields=["state", "settled_by", "settled_at", "transaction_id", "text"])
    due.remove(batch.id)
    due.hurry(batch.job_id, at)


def _finding(error: PeerError, rows: Sequence[int]) -> NewFinding:
    """By the uploaded row. An index beyond the batch tells of none."""
    row = rows[error.index] if error.index is not None and error.index < len(rows) else 0
    source = SmpFinding.Source.OPERATOR.value
    return NewFinding(row, error.field, error.code, error.text, source=source)


def _whole(batch: SmpBatch, code: str, text: str) -> NewFinding:
    told = f"rows {batch.first_row} to {batch.last_row}: {text}"
    return NewFinding(0, "", code, told, source=SmpFinding.Source.OPERATOR.value)


def _rows_of(batch: SmpBatch) -> list[tuple[int, str]]:
    """Number and asset of each, in order."""
    rows = SmpRow.objects.filter(
        job_id=batch.job_id, wrong=False, row__range=(batch.first_row, batch.last_row)
    )
    return list(rows.order_by("row").values_list("row", "asset"))


def _asset(text: str) -> tuple[Asset, dict[str, object]]:
    return read_asset(json.loads(text, parse_float=Decimal))[0], json.loads(text)


def _register_unit(platform: Platform, job: SmpJob, at: datetime) -> RegisteredUnit:
    unit = job.unit or {}
    key = name_key(str(unit.get("unitName", "")))
    current = RegisteredUnit.objects.filter(
        environment=platform.environment, key=key, valid_to=None
    )
    current.update(valid_to=at, end_reason="registered anew")
    return RegisteredUnit.objects.create(
        tenant_id=require_tenant(),
        environment=platform.environment,
        name=str(unit.get("unitName", "")),
        key=key,
        valid_from=at,
        job=job,
        unit=unit,
    )


def _registered(
    platform: Platform,
    job: SmpJob,
    unit: RegisteredUnit | None,
    row: int,
    asset: Asset,
    written: dict[str, object],
    at: datetime,
) -> RegisteredAsset:
    return RegisteredAsset(
        id=new_id(),
        tenant_id=require_tenant(),
        environment=platform.environment,
        name=asset.name,
        key=name_key(asset.name),
        valid_from=at,
        job=job,
        row=row,
        unit=unit,
        import_mpan=asset.text("importMpan"),
        export_mpan=asset.text("exportMpan"),
        site=asset.site,
        capacity_mw=asset.capacity,
        asset=written,
    )
