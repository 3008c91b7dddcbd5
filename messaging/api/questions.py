"""What can be asked of messages, deliveries and instructions."""

from __future__ import annotations

from rest_framework import serializers

from messaging.domain.instructions import InstructionKind
from messaging.states import DeliveryState, Lane
from tenants.api.questions import Question

_UNIT = "NGC name of a BM unit."


class MessageQuestion(Question):
    kind = serializers.CharField(
        required=False, max_length=64, help_text="As in `kind` of a message: MEL, BOA, RESULT, ..."
    )
    bm_unit = serializers.CharField(required=False, max_length=9, help_text=_UNIT)
    received_since = serializers.DateTimeField(required=False, help_text="This moment or later.")
    received_until = serializers.DateTimeField(required=False, help_text="Before this moment.")

    lookups = {"received_since": "received_at__gte", "received_until": "received_at__lt"}


class DeliveryQuestion(Question):
    state = serializers.ChoiceField(DeliveryState.choices, required=False)
    lane = serializers.ChoiceField(Lane.choices, required=False)
    message_id = serializers.UUIDField(required=False)
    endpoint_id = serializers.UUIDField(required=False)


class InstructionQuestion(Question):
    kind = serializers.ChoiceField([(k.value, k.value) for k in InstructionKind], required=False)
    bm_unit = serializers.CharField(required=False, max_length=9, help_text=_UNIT)
