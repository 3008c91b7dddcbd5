"""Reads and checks an uploaded file, a thousand rows a transaction: whoever takes over goes on
where the last commit was. The whole file is judged when it has been read (`judging`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Final
from uuid import UUID

from django.conf import settings

from messaging.domain.registrations import as_members, name_key
from messaging.domain.rules.registrations import broken, is_storable, read_asset
from messaging.protocols.neso.smp.uploads.base import (
    Column,
    Place,
    RowRead,
    Unreadable,
    Upload,
)
from messaging.protocols.neso.smp.uploads.lists import ListUpload
from messaging.protocols.neso.smp.uploads.tables import TableUpload
from messaging.relay.crash_points import Step
from messaging.relay.smp import findings, judging
from messaging.relay.smp.findings import NewFinding
from messaging.smp_models import SmpJob, SmpPart, SmpRow
from tenants.ids import new_id
from tenants.scope import in_tenant, require_tenant

ROWS_AT_ONCE: Final = 1000
SLICE_SECONDS: Final = 10.0
"""So long a worker reads before it lets go, that other jobs get their turn."""


@dataclass(slots=True)
class _Some:
    """Rows on their way into the database."""

    rows: list[SmpRow] = field(default_factory=list)
    found: list[NewFinding] = field(default_factory=list)
    read: int = 0
    wrong: int = 0
    place: Place | None = None

    def add(self, tenant_id: UUID, job_id: UUID, row: RowRead) -> None:
        self.read += 1
        self.place = row.place
        asset, broken_rules = read_asset(row.values)
        faults = [*row.faults, *broken_rules]
        if row.faults:
            # What a cell was missing for is told by the row's form, not by what is then missing.
            faults = list(row.faults)
        self.found += [NewFinding.of(row.place.row, one) for one in faults]
        self.wrong += bool(faults)
        if row.values:
            members = as_members(asset.fields)
            self.rows.append(
                SmpRow(
                    id=new_id(),
                    tenant_id=tenant_id,
                    job_id=job_id,
                    row=row.place.row,
                    wrong=bool(faults),
                    name=name_key(asset.name),
                    import_mpan=asset.text("importMpan"),
                    export_mpan=asset.text("exportMpan"),
                    asset=json.dumps(members, ensure_ascii=False, separators=(",", ":")),
                )
            )


class _Stopped(Exception):
    """The job was cancelled, or another has taken it over."""


def check_on(tenant_id: UUID, job: SmpJob) -> bool:
    """Reads on for a while. True where there is more to be read: the job is due again at once."""
    try:
        return _check_on(tenant_id, job)
    except _Stopped:
        return False


def _check_on(tenant_id: UUID, job: SmpJob) -> bool:
    until = time.monotonic() + SLICE_SECONDS
    upload = _upload(tenant_id, job)
    some = _Some()
    try:
        for row in upload.rows():
            some.add(tenant_id, job.id, row)
            if job.rows_read + some.read > settings.SMP_ROWS:
                told = f"more than {settings.SMP_ROWS} rows"
                raise Unreadable(broken("file-format", "", "", told), row=row.place.row)
            if some.read == ROWS_AT_ONCE:
                job = _stored(tenant_id, job, upload, some)
                some = _Some()
                if time.monotonic() > until:
                    return True
    except Unreadable as error:
        job = _stored(tenant_id, job, upload, some)
        at = error.row or job.last_row + 1
        faults = [NewFinding.of(at, one) for one in error.faults]
        in_tenant(tenant_id, lambda: judging.end_unread(job.id, faults), Step.SMP_UNREAD)
        return False
    job = _stored(tenant_id, job, upload, some)
    in_tenant(tenant_id, lambda: judging.judge(job.id), Step.SMP_JUDGE)
    return False


def _upload(tenant_id: UUID, job: SmpJob) -> Upload:
    place = Place(**job.reading) if job.reading else Place()
    columns = tuple(Column(one["heading"], one["field"]) for one in job.columns)
    pieces = _pieces(tenant_id, job.id, place.offset)
    if job.format == SmpJob.Format.CSV:
        return TableUpload(pieces, place, columns)
    return ListUpload(pieces, place)


def _pieces(tenant_id: UUID, job_id: UUID, offset: int) -> Iterator[bytes]:
    while True:
        piece = in_tenant(tenant_id, lambda at=offset: _piece(job_id, at))  # type: ignore[misc]
        if not piece:
            return
        offset += len(piece)
        yield piece


def _piece(job_id: UUID, offset: int) -> bytes:
    """The bytes from there to the end of the part they are in."""
    part = SmpPart.objects.filter(job_id=job_id, start__lte=offset).order_by("-start").first()
    return bytes(part.content)[offset - part.start :] if part else b""


def _stored(tenant_id: UUID, job: SmpJob, upload: Upload, some: _Some) -> SmpJob:
    return in_tenant(tenant_id, lambda: _store(job, upload, some), Step.SMP_CHECKED)


def _store(before: SmpJob, upload: Upload, some: _Some) -> SmpJob:
    """Raises _Stopped where the job is no longer as it was when the rows were read."""
    require_tenant()
    job = SmpJob.objects.select_for_update().get(id=before.id)
    if job.state != SmpJob.State.CHECKING or job.rows_read != before.rows_read:
        raise _Stopped
    job.columns = [asdict(column) for column in upload.columns]
    if upload.unit is not None:
        _take_unit(job, upload, some)
    SmpRow.objects.bulk_create(some.rows)
    job.rows_read += some.read
    job.rows_wrong += some.wrong
    if some.place is not None:
        job.reading, job.offset = asdict(some.place), some.place.offset
        job.last_row = some.place.row
    job.save()
    findings.write(job, some.found)
    return job


def _take_unit(job: SmpJob, upload: Upload, some: _Some) -> None:
    """A unit that stands in the file itself."""
    text = json.dumps(upload.unit, default=str, ensure_ascii=False)
    if not is_storable(text):
        told = "it holds characters that cannot be stored"
        some.found.append(NewFinding.of(0, broken("text", "unit", "", told)))
        some.wrong += 1
        return
    unit = json.loads(text)
    if job.unit is not None and job.unit != unit:
        told = "a unit is given beside the file, and another in it"
        some.found.append(NewFinding.of(0, broken("file-format", "unit", "", told)))
        some.wrong += 1
    job.unit = unit
