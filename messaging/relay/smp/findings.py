"""Writes down what is wrong with rows, by the columns as they were uploaded, and no more of it than
a person reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import F

from messaging.domain.rules.registrations import Broken
from messaging.smp_models import SmpFinding, SmpJob
from tenants.ids import new_id
from tenants.scope import require_tenant

MOST: Final = 100_000
"""Findings of one job; those beyond are counted."""


@dataclass(frozen=True, slots=True)
class NewFinding:
    """Of `row`; 0 is the unit, or the whole."""

    row: int
    field: str
    code: str
    text: str
    value: str = ""
    rule: str = ""
    source: str = SmpFinding.Source.HOST.value

    @classmethod
    def of(cls, row: int, found: Broken) -> NewFinding:
        return cls(row, found.field, found.code.value, found.text, found.value, found.rule)


def headings(job: SmpJob) -> dict[str, str]:
    """By our names of the fields. In a JSON file members are called as we call them."""
    return {column["field"]: column["heading"] for column in job.columns if column["field"]}


def write(job: SmpJob, found: Sequence[NewFinding]) -> None:
    """As many as there is room for. `job` is locked, and is written by the caller or here."""
    room = max(0, MOST - job.findings)
    by_field = headings(job)
    SmpFinding.objects.bulk_create(_rows(job.id, found[:room], by_field), batch_size=1000)
    count_in(job, min(len(found), room), max(0, len(found) - room))


def count_in(job: SmpJob, written: int, left_out: int) -> None:
    SmpJob.objects.filter(id=job.id).update(
        findings=F("findings") + written, findings_left_out=F("findings_left_out") + left_out
    )
    job.findings += written
    job.findings_left_out += left_out


def _rows(job_id: UUID, found: Iterable[NewFinding], by_field: dict[str, str]) -> list[SmpFinding]:
    tenant_id = require_tenant()
    return [
        SmpFinding(
            id=new_id(),
            tenant_id=tenant_id,
            job_id=job_id,
            source=one.source,
            row=one.row,
            column=by_field.get(one.field, one.field),
            field=one.field,
            value=one.value,
            rule=one.rule,
            code=one.code,
            text=one.text,
        )
        for one in found
    ]
