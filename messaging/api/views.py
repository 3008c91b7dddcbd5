"""Messages, deliveries and instructions of the asking tenant, newest first."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.db.models import F, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.api.of_unit import messages_of
from messaging.api.pages import ByCreation, ByReceipt
from messaging.api.questions import DeliveryQuestion, InstructionQuestion, MessageQuestion
from messaging.api.serializers import (
    DeliverySerializer,
    InstructionSerializer,
    MessageSerializer,
    TimelineSerializer,
)
from messaging.api.submitting import (
    EXAMPLE,
    ONE,
    CsvBytes,
    JsonBytes,
    OneQuestion,
    SubmissionView,
    TakenSerializer,
    post_one,
)
from messaging.api.timeline import timeline_of
from messaging.models import Delivery, Instruction, Message
from tenants.api.described import described
from tenants.api.door import TenantList, TenantView
from tenants.permissions import Permission


@described(
    "submit_message",
    "Submit a message",
    "messages",
    method="post",
    parameters=[OneQuestion],
    request={"application/json": ONE, "text/csv": {"type": "string"}},
    responses={200: TakenSerializer, 202: TakenSerializer},
    examples=[OpenApiExample("a MEL", EXAMPLE, request_only=True)],
)
@described("list_messages", "Messages, newest first", "messages", parameters=[MessageQuestion])
class MessageList(SubmissionView, TenantList[Message]):
    needs = {"POST": Permission.OPERATE}
    parser_classes = (JsonBytes, CsvBytes)
    serializer_class = MessageSerializer
    pagination_class = ByReceipt
    question = MessageQuestion

    def rows(self, asked: dict[str, Any]) -> QuerySet[Message]:
        unit = asked.pop("bm_unit", None)
        if unit is None:
            return Message.objects.filter(**asked)
        found = messages_of(unit, asked.pop("kind", None), asked)
        return cast(QuerySet[Message], found)

    def post(self, request: Request) -> Response:
        """A redeclaration of a BM unit, sent to the system operator as if its control point had
        said it, in order with what that says. Or a trading agent's submission, sent as one that
        came by file: as JSON, whose `sequence` may be null for the next number, or as CSV, with the
        columns of docs/profiles/edt-host-1.md and no header. 202 means: stored durably; what became
        of it is told by the message itself. A refusal is 422 `message-refused`, its errors the
        rules broken; a submission that is refused has used no number.
        """
        return post_one(request)


@described(
    "get_message",
    "One message from end to end: content, bytes, deliveries, attempts, hops",
    "messages",
    responses=TimelineSerializer,
)
class MessageDetail(TenantView):
    def get(self, request: Request, message_id: UUID) -> Response:
        row = get_object_or_404(Message.objects.select_related("endpoint"), id=message_id)
        timeline = timeline_of(row)
        context = {"attempts": timeline.attempts}
        return Response(TimelineSerializer(timeline, context=context).data)


@described("list_deliveries", "Deliveries, newest first", "messages", parameters=[DeliveryQuestion])
class DeliveryList(TenantList[Delivery]):
    serializer_class = DeliverySerializer
    pagination_class = ByCreation
    question = DeliveryQuestion

    def rows(self, asked: dict[str, Any]) -> QuerySet[Delivery]:
        return Delivery.objects.filter(**asked)


@described(
    "list_instructions",
    "Instructions to control points and what became of them, newest first",
    "messages",
    parameters=[InstructionQuestion],
)
class InstructionList(TenantList[Instruction]):
    """Ordered by their messages' times, for which there is an index."""

    serializer_class = InstructionSerializer
    pagination_class = ByReceipt
    question = InstructionQuestion

    def rows(self, asked: dict[str, Any]) -> QuerySet[Instruction]:
        rows = Instruction.objects.filter(**asked).select_related("message")
        return rows.annotate(received_at=F("message__received_at"))
