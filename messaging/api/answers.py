"""One instruction with the time left to answer it, and the answer in its control point's stead."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.api.problems import told
from messaging.api.serializers import ContentField, InstructionSerializer
from messaging.api.timeline import contents_of
from messaging.domain.instructions import Verdict
from messaging.models import Instruction
from messaging.relay.answering import Answered, answer_for
from messaging.relay.wake import wake
from tenants.api.authentication import caller_of
from tenants.api.described import described
from tenants.api.door import TenantView
from tenants.api.idempotency import find_key
from tenants.api.wanted import Wanted
from tenants.clock import now
from tenants.permissions import Permission

_PRINTABLE = r"^[ -~]*[!-~][ -~]*\Z"


class InstructionDetailSerializer(InstructionSerializer):
    """`content` is null where the bytes are gone or can't be read."""

    seconds_left = serializers.SerializerMethodField(
        help_text="To `respond_by`, and 0 after that; null once it is answered."
    )
    answered_by = serializers.SerializerMethodField(
        help_text="CONTROL_POINT, or API where somebody answered in its stead; null before."
    )
    content = serializers.SerializerMethodField()

    class Meta(InstructionSerializer.Meta):
        fields = (*InstructionSerializer.Meta.fields, "seconds_left", "answered_by", "content")
        read_only_fields = fields

    def get_seconds_left(self, row: Instruction) -> float | None:
        if row.verdict:
            return None
        return round(max((row.respond_by - now()).total_seconds(), 0.0), 3)

    def get_answered_by(self, row: Instruction) -> str | None:
        return row.answer.origin if row.answer else None

    def get_content(self, row: Instruction) -> Any:
        found, _, _ = contents_of(row.message)
        return found[0] if found else None

    get_content._spectacular_annotation = {"field": ContentField(allow_null=True)}  # type: ignore[attr-defined]


class RejectionSerializer(Wanted):
    reason_code = serializers.RegexField(
        r"^[A-Z0-9]{1,4}\Z", max_length=4, help_text="One to four of A-Z and 0-9."
    )
    reason_text = serializers.RegexField(
        _PRINTABLE, max_length=60, required=False, help_text="Printable ASCII."
    )


class AcceptanceSerializer(Wanted):
    """An empty object, or what the control point could have said with it."""

    reason_code = serializers.RegexField(r"^[A-Z0-9]{1,4}\Z", max_length=4, required=False)
    reason_text = serializers.RegexField(_PRINTABLE, max_length=60, required=False)


class AnsweredSerializer(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField([v.value for v in Verdict])
    answer_id = serializers.UUIDField(help_text="The message that carries the answer.")
    is_repeat = serializers.BooleanField(help_text="It was answered so before.")


@described(
    "get_instruction",
    "One instruction, with the time left to answer it",
    "messages",
    responses=InstructionDetailSerializer,
)
class InstructionDetail(TenantView):
    def get(self, request: Request, instruction_id: UUID) -> Response:
        rows = Instruction.objects.select_related("message__endpoint", "answer")
        row = get_object_or_404(rows, id=instruction_id)
        return Response(InstructionDetailSerializer(row).data)


@described(
    "accept_instruction",
    "Accept an instruction",
    "messages",
    method="post",
    request=AcceptanceSerializer,
    responses={202: AnsweredSerializer},
)
class InstructionAcceptance(TenantView):
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request, instruction_id: UUID) -> Response:
        """In its control point's stead; the first answer wins. The control point still gets the
        instruction, and its own answer, if it gives one, is taken where it is the same. 409
        `already-answered` where there was another answer, or the time has passed.
        """
        wanted = AcceptanceSerializer.of(request)
        return _answer(request, instruction_id, Verdict.ACCEPTED, wanted)


@described(
    "reject_instruction",
    "Reject an instruction",
    "messages",
    method="post",
    request=RejectionSerializer,
    responses={202: AnsweredSerializer},
)
class InstructionRejection(TenantView):
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request, instruction_id: UUID) -> Response:
        """In its control point's stead, as `accept` does. Reject for safety, or for conflict with
        declared data, and then telephone.
        """
        wanted = RejectionSerializer.of(request)
        return _answer(request, instruction_id, Verdict.REJECTED, wanted)


def _answer(
    request: Request, instruction_id: UUID, verdict: Verdict, wanted: dict[str, Any]
) -> Response:
    with told():
        answered: Answered = answer_for(
            instruction_id,
            verdict,
            now(),
            dict(caller_of(request).shown.told),
            reason_code=wanted.get("reason_code"),
            reason_text=wanted.get("reason_text"),
            reference=find_key(request) or "",
        )
    transaction.on_commit(lambda: wake(answered.deliveries))
    body = {
        "verdict": verdict.value,
        "answer_id": str(answered.message_id),
        "is_repeat": answered.is_repeat,
    }
    return Response(body, status=202)
