"""Judges a file that was read: what is there twice, what is registered already, whether anything is
sent at all, and in which batches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from django.db import connection

from messaging.domain.registrations import ASSET_FIELDS, as_members, name_key
from messaging.domain.rules.registrations import BY_ID, broken, read_unit
from messaging.protocols.neso.smp.codec import SmpCodec
from messaging.protocols.neso.smp.profile import ServiceName
from messaging.relay.smp import due, findings, jobs
from messaging.relay.smp.findings import NewFinding
from messaging.relay.smp.places import Platform, get_platform, lock
from messaging.smp_models import RegisteredUnit, SmpBatch, SmpJob, SmpPart, SmpRow
from tenants.clock import now
from tenants.ids import new_id
from tenants.scope import require_tenant

ENVELOPE_BYTES: Final = 4096
"""Room for what stands around the assets of a request, the unit apart."""

_PAGE: Final = 20_000

# One line for each thing that a row is told apart by. An MPAN is one thing, import or export.
_KEYS = """
keys AS (
    SELECT row, 'assetName' AS field, 'name' AS sort, name AS key FROM messaging_smprow
    WHERE tenant_id = %(tenant)s AND job_id = %(job)s AND name <> ''
    UNION ALL
    SELECT row, 'importMpan', 'mpan', import_mpan FROM messaging_smprow
    WHERE tenant_id = %(tenant)s AND job_id = %(job)s AND import_mpan <> ''
    UNION ALL
    SELECT row, 'exportMpan', 'mpan', export_mpan FROM messaging_smprow
    WHERE tenant_id = %(tenant)s AND job_id = %(job)s
      AND export_mpan <> '' AND export_mpan <> import_mpan
)"""
_TWICE = f"""
WITH {_KEYS}, firsts AS (
    SELECT row, field, key, min(row) OVER (PARTITION BY sort, key) AS first FROM keys
), clashes AS (
    SELECT row, field, key, 'the same as in row ' || first AS text
    FROM firsts WHERE row <> first
)
"""  # noqa: S608 - put together of constants
_REGISTERED = f"""
WITH {_KEYS}, current AS (
    SELECT 'name' AS sort, key, name, key AS of FROM messaging_registeredasset
    WHERE tenant_id = %(tenant)s AND environment = %(environment)s AND valid_to IS NULL
      AND NOT %(of_unit)s
    UNION ALL
    SELECT 'mpan', import_mpan, name, key FROM messaging_registeredasset
    WHERE tenant_id = %(tenant)s AND environment = %(environment)s AND valid_to IS NULL
      AND import_mpan <> ''
    UNION ALL
    SELECT 'mpan', export_mpan, name, key FROM messaging_registeredasset
    WHERE tenant_id = %(tenant)s AND environment = %(environment)s AND valid_to IS NULL
      AND export_mpan <> '' AND export_mpan <> import_mpan
), clashes AS (
    SELECT k.row, k.field, k.key, 'registered already, as ' || left(c.name, 100) AS text
    FROM keys k JOIN current c ON c.sort = k.sort AND c.key = k.key
    JOIN messaging_smprow r ON r.tenant_id = %(tenant)s AND r.job_id = %(job)s AND r.row = k.row
    WHERE NOT (%(of_unit)s AND r.name = c.of)
)
"""  # noqa: S608 - put together of constants
_UNDER_WAY = f"""
WITH {_KEYS}, others AS (
    SELECT r.* FROM messaging_smpbatch b
    JOIN messaging_smprow r ON r.tenant_id = b.tenant_id AND r.job_id = b.job_id
        AND r.row BETWEEN b.first_row AND b.last_row AND NOT r.wrong
    WHERE b.tenant_id = %(tenant)s AND b.endpoint_id = %(endpoint)s AND b.job_id <> %(job)s
      AND b.state IN ('WAITING', 'SENDING', 'OPEN', 'UNKNOWN')
), theirs AS (
    SELECT 'name' AS sort, name AS key, job_id FROM others
    UNION ALL SELECT 'mpan', import_mpan, job_id FROM others WHERE import_mpan <> ''
    UNION ALL SELECT 'mpan', export_mpan, job_id FROM others WHERE export_mpan <> ''
), clashes AS (
    SELECT DISTINCT k.row, k.field, k.key, 'being registered by job ' || t.job_id AS text
    FROM keys k JOIN theirs t ON t.sort = k.sort AND t.key = k.key
)
"""  # noqa: S608 - put together of constants
_COUNT = "SELECT count(*) FROM clashes"
_TELL = """
INSERT INTO messaging_smpfinding
    (id, tenant_id, job_id, source, row, "column", field, value, rule, code, text)
SELECT gen_random_uuid(), %(tenant)s, %(job)s, 'HOST', c.row,
       coalesce(%(headings)s::jsonb ->> c.field, c.field), c.field, left(c.key, 80),
       %(rule)s, %(code)s, c.text
FROM clashes c ORDER BY c.row LIMIT %(room)s
"""
_MARK = """
UPDATE messaging_smprow r SET wrong = true FROM (SELECT DISTINCT row FROM clashes) c
WHERE r.tenant_id = %(tenant)s AND r.job_id = %(job)s AND r.row = c.row AND NOT r.wrong
"""
_CLASHES: Final = (
    ("once-in-file", _TWICE),
    ("not-registered", _REGISTERED),
    ("not-registered", _UNDER_WAY),
)
_SIZES = """
SELECT row, octet_length(asset) FROM messaging_smprow
WHERE tenant_id = %s AND job_id = %s AND NOT wrong AND row > %s ORDER BY row LIMIT %s
"""


def end_unread(job_id: UUID, faults: Sequence[NewFinding]) -> None:
    """Ends a job whose file cannot be read to its end: nothing of it is sent."""
    job = _locked(job_id)
    if job is None:
        return
    findings.write(job, faults)
    jobs.end(job, SmpJob.State.REFUSED, f"row {faults[0].row}: {faults[0].text}")


def judge(job_id: UUID) -> None:
    """In the open scope: decides what becomes of a job whose file was read to its end."""
    job = _locked(job_id)
    if job is None:
        return
    lock(job.endpoint_id)
    platform = get_platform(job.endpoint_id)
    of_whole = [*_faults_of_unit(job, platform), *_faults_of_size(job)]
    findings.write(job, of_whole)
    with _great_joins():
        for rule, clashes in _CLASHES:
            _tell_clashes(job, platform, rule, clashes)
    good = SmpRow.objects.filter(job_id=job.id, wrong=False).count()
    job.rows_wrong = max(job.rows_wrong, job.rows_read - good)
    job.save(update_fields=["rows_wrong"])
    reason = _refusal(job, of_whole, good)
    if job.check_only:
        jobs.end(job, SmpJob.State.CHECKED, reason)
    elif reason:
        jobs.end(job, SmpJob.State.REFUSED, reason)
    else:
        _divide(job, platform)


@contextmanager
def _great_joins() -> Iterator[None]:
    """The database knows nothing yet of rows that were added a moment ago, and would look each of
    a million up in a list of a million.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('enable_nestloop', 'off', true)")
        yield
        cursor.execute("SELECT set_config('enable_nestloop', 'on', true)")


def _locked(job_id: UUID) -> SmpJob | None:
    """None where it was judged, or cancelled, meanwhile."""
    job = SmpJob.objects.select_for_update().filter(id=job_id).first()
    return job if job and job.state == SmpJob.State.CHECKING else None


def _faults_of_unit(job: SmpJob, platform: Platform) -> Iterator[NewFinding]:
    if job.kind == SmpJob.Kind.ASSETS:
        if job.unit is not None:
            told = "a unit is uploaded as a job of kind UNIT"
            yield NewFinding.of(0, broken("file-format", "unit", "", told))
        return
    unit, found = read_unit(job.unit or {})
    yield from (NewFinding.of(0, one) for one in found)
    known = RegisteredUnit.objects.filter(
        environment=platform.environment, key=name_key(unit.name), valid_to=None
    )
    if known.exists():
        told = "a unit of this name is registered already"
        yield NewFinding.of(0, broken("not-registered", "unitName", unit.name, told))


def _faults_of_size(job: SmpJob) -> Iterator[NewFinding]:
    most = get_platform(job.endpoint_id).codec.profile.most_assets
    if job.kind == SmpJob.Kind.UNIT and job.rows_read > most:
        told = (
            f"{job.rows_read} assets on one unit: the platform takes at most {most} with a unit,"
            " and they cannot be split"
        )
        yield NewFinding.of(0, broken("unit-size", "", job.rows_read, told))


def _tell_clashes(job: SmpJob, platform: Platform, rule: str, clashes: str) -> None:
    values: dict[str, Any] = {
        "tenant": require_tenant(),
        "job": job.id,
        "endpoint": platform.id,
        "environment": platform.environment,
        "of_unit": job.kind == SmpJob.Kind.UNIT,
        "headings": json.dumps(findings.headings(job)),
        "rule": rule,
        "code": BY_ID[rule].code.value,
        "room": max(0, findings.MOST - job.findings),
    }
    with connection.cursor() as cursor:
        cursor.execute(clashes + _COUNT, values)
        count = int(cursor.fetchone()[0])
        if not count:
            return
        cursor.execute(clashes + _TELL, values)
        written = int(cursor.rowcount)
        cursor.execute(clashes + _MARK, values)
    findings.count_in(job, written, count - written)


def _refusal(job: SmpJob, of_whole: Sequence[NewFinding], good: int) -> str:
    """Why nothing is sent; empty where something is."""
    if of_whole:
        return of_whole[0].text
    if job.rows_wrong and not (job.send_good and job.kind == SmpJob.Kind.ASSETS and good):
        return f"{job.rows_wrong} of {job.rows_read} rows are wrong, and nothing was sent"
    if not good and job.kind == SmpJob.Kind.ASSETS:
        return "the file holds no asset"
    return ""


def _divide(job: SmpJob, platform: Platform) -> None:
    """Makes the batches, in the order of the rows, and has the first one sent."""
    codec = platform.codec
    if job.unit is not None:
        job.unit = as_members(read_unit(job.unit)[0].fields)
    # A unit may have no assets; a job of assets that has none does not come here.
    runs = list(_runs(job, codec)) or [(0, 0, 0)]
    if job.kind == SmpJob.Kind.UNIT and len(runs) > 1:
        jobs.end(job, SmpJob.State.REFUSED, "the unit and its assets are too long for one request")
        return
    SmpBatch.objects.bulk_create(
        [
            SmpBatch(
                id=new_id(),
                tenant_id=require_tenant(),
                job_id=job.id,
                endpoint_id=platform.id,
                position=position,
                first_row=first,
                last_row=last,
                rows=count,
            )
            for position, (first, last, count) in enumerate(runs, 1)
        ],
        batch_size=1000,
    )
    job.state = SmpJob.State.SENDING
    job.save(update_fields=["state", "unit"])
    SmpPart.objects.filter(job_id=job.id).delete()
    jobs.record(job, "checked", rows=job.rows_read, wrong=job.rows_wrong, batches=len(runs))
    due.put(job.id, now())


def _runs(job: SmpJob, codec: SmpCodec) -> Iterator[tuple[int, int, int]]:
    """First row, last row and number of rows of each batch."""
    service = ServiceName.CREATE_UNIT if job.unit is not None else ServiceName.CREATE_ASSETS
    unit_bytes = len(json.dumps(job.unit)) * 2 if job.unit else 0
    room = codec.profile.services[service].max_bytes - ENVELOPE_BYTES - unit_bytes
    growth = _growth(codec)
    first = last = count = size = 0
    for row, octets in _sizes(job.id):
        weight = octets + growth
        if count and (count == codec.profile.most_assets or size + weight > room):
            yield first, last, count
            count = size = 0
        if not count:
            first = row
        last, count, size = row, count + 1, size + weight
    if count:
        yield first, last, count


def _growth(codec: SmpCodec) -> int:
    """By how much real names may be longer than ours, in an asset that has every field."""
    whole: dict[str, Any] = dict.fromkeys(ASSET_FIELDS, "")
    ours = len(json.dumps(whole, separators=(",", ":")))
    return max(0, codec.asset_bytes(whole) - ours) + 1


def _sizes(job_id: UUID) -> Iterator[tuple[int, int]]:
    after = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_SIZES, [require_tenant(), job_id, after, _PAGE])
            found = cursor.fetchall()
        yield from found
        if len(found) < _PAGE:
            return
        after = found[-1][0]
