"""The rows of the relay as the API shows them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from messaging.api.content import message_schema
from messaging.api.timeline import Timeline
from messaging.domain.instructions import Verdict
from messaging.models import Attempt, Delivery, Instruction, Message
from tenants.api.audit import EntrySerializer
from tenants.api.fields import Base64Field, HexField


class MessageSerializer(serializers.ModelSerializer[Message]):
    endpoint_id = serializers.UUIDField(read_only=True)
    answers_id = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="The message that this one answers."
    )
    body_digest = HexField(read_only=True, help_text="SHA-256 of the bytes as carried.")
    sealed_digest = HexField(
        read_only=True,
        allow_null=True,
        help_text="SHA-256 of the signed form that the system operator sent it in; else null.",
    )
    profile = serializers.CharField(
        read_only=True, help_text="The profile that the bytes came under."
    )

    class Meta:
        model = Message
        fields: tuple[str, ...] = (
            *("id", "endpoint_id", "origin", "kind", "bm_unit", "reference", "answers_id"),
            *("received_at", "body_digest", "sealed_digest", "profile"),
            *("refusal_code", "refusal_text"),
        )
        read_only_fields = fields


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """One try, with the four times of a forwarded message."""

    answer_digest = HexField(read_only=True, allow_null=True)

    class Meta:
        model = Attempt
        fields = (
            *("id", "outcome", "received_at", "sent_at", "answered_at", "settled_at"),
            *("status", "detail", "answer_digest"),
        )
        read_only_fields = fields


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    message_id = serializers.UUIDField(read_only=True)
    endpoint_id = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="Null while no endpoint leads there."
    )
    attempt_count = serializers.IntegerField(source="attempts", read_only=True)
    payload_digest = HexField(
        read_only=True, allow_null=True, help_text="SHA-256 of what is sent, before it is sealed."
    )
    sealed_digest = HexField(
        read_only=True, allow_null=True, help_text="SHA-256 of the signed bytes last sent."
    )

    class Meta:
        model = Delivery
        fields: tuple[str, ...] = (
            *("id", "message_id", "endpoint_id", "lane", "queue", "state", "created_at"),
            *("deadline", "attempt_count", "reference", "payload_digest", "sealed_digest"),
            *("sent_at", "held_at", "stuck_at", "settled_at", "outcome_code", "outcome_text"),
            *("closed_at", "closed_reason"),
        )
        read_only_fields = fields


class DeadLetterSerializer(DeliverySerializer):
    """A delivery that came to a bad end, with what its message is about."""

    kind = serializers.CharField(source="message.kind", read_only=True)
    bm_unit = serializers.CharField(source="message.bm_unit", read_only=True)
    received_at = serializers.DateTimeField(source="message.received_at", read_only=True)

    class Meta(DeliverySerializer.Meta):
        fields = (*DeliverySerializer.Meta.fields, "kind", "bm_unit", "received_at")
        read_only_fields = fields


class InstructionSerializer(serializers.ModelSerializer[Instruction]):
    message_id = serializers.UUIDField(read_only=True)
    endpoint_id = serializers.UUIDField(read_only=True)
    received_at = serializers.DateTimeField(source="message.received_at", read_only=True)
    verdict = serializers.SerializerMethodField(help_text="Null while there is none.")
    answer_id = serializers.UUIDField(
        read_only=True,
        allow_null=True,
        help_text="The message that answers it: the control point's, or one made for it.",
    )

    class Meta:
        model = Instruction
        fields: tuple[str, ...] = (
            *("id", "message_id", "endpoint_id", "kind", "bm_unit", "number", "received_at"),
            *("respond_by", "verdict", "answer_id"),
        )
        read_only_fields = fields

    @extend_schema_field({"type": ["string", "null"], "enum": [*(v.value for v in Verdict), None]})
    def get_verdict(self, row: Instruction) -> str | None:
        return row.verdict or None


class TimelineDeliverySerializer(DeliverySerializer):
    """A delivery with its attempts in order."""

    attempts = serializers.SerializerMethodField()

    class Meta(DeliverySerializer.Meta):
        fields = (*DeliverySerializer.Meta.fields, "attempts")
        read_only_fields = fields

    @extend_schema_field(AttemptSerializer(many=True))
    def get_attempts(self, row: Delivery) -> Any:
        return AttemptSerializer(self.context["attempts"].get(row.id, []), many=True).data


@extend_schema_field(message_schema())
class ContentField(serializers.JSONField):
    """A typed message."""


class TimelineSerializer(serializers.Serializer[Timeline]):
    """One message from end to end."""

    message = MessageSerializer()
    content = ContentField(allow_null=True, help_text="The typed message, read from the bytes.")
    further_content = serializers.ListField(
        child=ContentField(), help_text="What the same message says of further BM units."
    )
    records_left_out = serializers.IntegerField(
        help_text="Records of a submission that are not shown, or cannot be read."
    )
    content_fault = serializers.CharField(help_text="Why there is no content, or empty.")
    body_base64 = Base64Field(source="body", allow_null=True, help_text="The bytes as carried.")
    sealed_base64 = Base64Field(
        source="sealed",
        allow_null=True,
        help_text="What sealed_digest names: header lines, content type first, an empty line, and"
        " the body as it came. Null where there is none, or it has been deleted.",
    )
    answered_by = serializers.ListField(child=serializers.UUIDField())
    deliveries = TimelineDeliverySerializer(many=True)
    entries = EntrySerializer(many=True, help_text="Its hops in the audit chain.")
    is_whole = serializers.BooleanField(help_text="False where attempts or entries are left out.")
