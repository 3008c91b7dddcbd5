"""Jobs with their findings, rows and batches; cancelling one, and resolving a batch of which nobody
knows.
"""

from __future__ import annotations

import csv
import io
import tempfile
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import FileResponse, Http404
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.mixins import ListModelMixin
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.api.pages import ByCreation
from messaging.api.smp.serializers import (
    ReasonWanted,
    ResolveWanted,
    SmpBatchSerializer,
    SmpFindingSerializer,
    SmpJobSerializer,
    SmpRowSerializer,
)
from messaging.relay.smp import deciding, jobs
from messaging.smp_models import SmpBatch, SmpFinding, SmpJob, SmpRow
from tenants.api.authentication import caller_of
from tenants.api.described import described
from tenants.api.door import TenantList, TenantView
from tenants.api.pages import OldestFirst
from tenants.api.problems import Conflict
from tenants.api.questions import Question
from tenants.permissions import Permission

EXPORTED = ("row", "column", "field", "value", "source", "rule", "code", "text")
_SPOOL = 1 << 20


class ByRow(OldestFirst):
    ordering = ("row", "id")
    offset_cutoff = 100_000


class ByPosition(OldestFirst):
    ordering = ("position",)


class _CsvRenderer(JSONRenderer):
    """What `Accept` asks for a table by; a refusal, which is none, as JSON."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"


class JobQuestion(Question):
    state = serializers.ChoiceField(SmpJob.State.choices, required=False)
    kind = serializers.ChoiceField(SmpJob.Kind.choices, required=False)


class FindingQuestion(Question):
    vars()["as"] = serializers.ChoiceField(
        [("csv", "csv")],
        required=False,
        help_text="All of them as one file of text/csv, and no page.",
    )


@described("list_smp_jobs", "Jobs, newest first", "registrations", parameters=[JobQuestion])
class JobList(TenantList[SmpJob]):
    serializer_class = SmpJobSerializer
    pagination_class = ByCreation
    question = JobQuestion

    def rows(self, asked: dict[str, Any]) -> QuerySet[SmpJob]:
        return SmpJob.objects.filter(**asked)


@described("get_smp_job", "One job", "registrations", responses=SmpJobSerializer)
class JobDetail(TenantView):
    def get(self, request: Request, job_id: UUID) -> Response:
        return Response(SmpJobSerializer(get_object_or_404(SmpJob, id=job_id)).data)


@described(
    "cancel_smp_job",
    "Cancel a job",
    "registrations",
    method="post",
    request=ReasonWanted,
    responses=SmpJobSerializer,
)
class JobCancel(TenantView):
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request, job_id: UUID) -> Response:
        """What was not sent is not sent any more; what was sent is followed to its end."""
        get_object_or_404(SmpJob, id=job_id)
        reason = ReasonWanted.of(request)["reason"]
        try:
            job = jobs.cancel(job_id, f"{caller_of(request).name}: {reason}")
        except jobs.CannotCancel:
            raise Conflict("job-finished", "The job is cancelled already, or finished.") from None
        return Response(SmpJobSerializer(job).data)


class _OfJob(TenantView, ListModelMixin, GenericAPIView[Any]):
    """A page of something of one job's."""

    pagination_class: Any = ByRow
    question: type[Question] = Question

    def get(self, request: Request, job_id: UUID) -> HttpResponseBase:
        self.job = get_object_or_404(SmpJob, id=job_id)
        self.asked = self.question.of(request)
        return self.list(request)


@described(
    "list_smp_errors",
    "What is wrong with a job's rows, by the uploaded row and column",
    "registrations",
    parameters=[FindingQuestion],
    responses={
        (200, "application/json"): SmpFindingSerializer(many=True),
        (200, "text/csv"): OpenApiTypes.STR,
    },
)
class FindingList(_OfJob):
    renderer_classes = [JSONRenderer, _CsvRenderer]
    serializer_class = SmpFindingSerializer
    question = FindingQuestion

    def get(self, request: Request, job_id: UUID) -> HttpResponseBase:
        page = super().get(request, job_id)
        is_table = isinstance(request.accepted_renderer, _CsvRenderer)
        return self._table() if is_table or self.asked.get("as") == "csv" else page

    def get_queryset(self) -> QuerySet[SmpFinding]:
        return SmpFinding.objects.filter(job_id=self.job.id)

    def _table(self) -> FileResponse:
        """On disk where there are many."""
        spool = tempfile.SpooledTemporaryFile(_SPOOL)  # noqa: SIM115 - closed with the response
        text = io.TextIOWrapper(spool, encoding="utf-8", newline="")
        writer = csv.writer(text)
        writer.writerow(EXPORTED)
        rows = self.get_queryset().order_by("row", "id").values_list(*EXPORTED)
        writer.writerows(map(_harmless, row) for row in rows.iterator(chunk_size=2000))
        text.detach()
        spool.seek(0)
        return FileResponse(
            spool, as_attachment=True, filename=f"errors-{self.job.id}.csv", content_type="text/csv"
        )


def _harmless(value: object) -> object:
    """Text that a spreadsheet would take for a formula is told as text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


@described(
    "list_smp_rows",
    "A job's rows and what became of each",
    "registrations",
    responses=SmpRowSerializer(many=True),
)
class RowList(_OfJob):
    serializer_class = SmpRowSerializer

    def get_queryset(self) -> QuerySet[SmpRow]:
        return SmpRow.objects.filter(job_id=self.job.id)

    def get_serializer(self, rows: list[SmpRow], **more: Any) -> Any:
        numbers = [row.row for row in rows] or [0]
        batches = SmpBatch.objects.filter(
            job_id=self.job.id, first_row__lte=max(numbers), last_row__gte=min(numbers)
        )
        checked = self.job.state in (SmpJob.State.CHECKED, SmpJob.State.CHECKING)
        context = {"batches": list(batches), "without": "CHECKED" if checked else "NOT_SENT"}
        return SmpRowSerializer(rows, context=context, **more)


@described(
    "list_smp_batches",
    "A job's batches, in order",
    "registrations",
    responses=SmpBatchSerializer(many=True),
)
class BatchList(_OfJob):
    serializer_class = SmpBatchSerializer
    pagination_class = ByPosition

    def get_queryset(self) -> QuerySet[SmpBatch]:
        return SmpBatch.objects.filter(job_id=self.job.id)


@described(
    "resolve_smp_batch",
    "Say what became of a batch that was sent and not answered",
    "registrations",
    method="post",
    request=ResolveWanted,
    responses=SmpBatchSerializer,
)
class BatchResolve(TenantView):
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request, batch_id: UUID) -> Response:
        """Taken under a transaction that is told, it is asked about; taken without, it counts as
        registered; not taken, it is sent again under the same messageId.
        """
        get_object_or_404(SmpBatch, id=batch_id)
        asked = ResolveWanted.of(request)
        try:
            batch = deciding.resolve(
                batch_id,
                taken=asked["taken"],
                transaction=asked["transaction_id"],
                reason=asked["reason"],
                by=caller_of(request).name,
            )
        except SmpBatch.DoesNotExist:
            raise Http404 from None
        except deciding.NotUnknown:
            raise Conflict("batch-known", "It is known what became of the batch.") from None
        except deciding.TransactionTaken:
            raise Conflict("transaction-taken", "That transaction is another batch's.") from None
        return Response(SmpBatchSerializer(batch).data)
