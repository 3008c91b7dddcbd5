"""The numbers that trading agents' next submissions bear at an endpoint for files: what they are,
and a person's setting of one.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.domain.units import TRADING_AGENT_NAME
from messaging.models import AgentSequence
from messaging.relay import sequences
from messaging.relay.sequences import BadNumber
from messaging.relay.trading_points import NoTradingPoint, TradingPoint, get_trading_point
from tenants.api.authentication import caller_of
from tenants.api.door import TenantView
from tenants.api.wanted import Wanted
from tenants.audit.viewing import LONGEST_REASON, SHORTEST_REASON
from tenants.models import Endpoint
from tenants.permissions import Permission

MOST_AGENTS = 1_000
"""Shown of one endpoint: there is one, unless files came that named others."""


class AgentSequenceSerializer(serializers.Serializer[AgentSequence]):
    """The number that an agent's next submission bears."""

    agent = serializers.CharField()
    next = serializers.IntegerField(source="expected")


class NextSequenceSerializer(Wanted):
    """What number is to come next, and why."""

    agent = serializers.RegexField(TRADING_AGENT_NAME, help_text="The tenant's trading agent.")
    next = serializers.IntegerField(min_value=0, max_value=999_999_999)
    reason = serializers.CharField(
        min_length=SHORTEST_REASON,
        max_length=LONGEST_REASON,
        help_text="It is written into the audit log, with both numbers and your name.",
    )


class SequenceSetSerializer(serializers.Serializer[Any]):
    agent = serializers.CharField()
    previous = serializers.IntegerField(help_text="The number that was expected until now.")
    next = serializers.IntegerField()


@extend_schema_view(
    get=extend_schema(
        operation_id="list_next_sequences",
        summary="The numbers that submissions bear next",
        description="Of each trading agent that submitted something here by file or by the API; "
        "none for an endpoint that is not for files.",
        tags=["register"],
        responses=AgentSequenceSerializer(many=True),
    ),
    post=extend_schema(
        operation_id="set_next_sequence",
        summary="Set the number that the next submission bears",
        description="Where the trading point and the host no longer agree: a submission with any "
        "other number is refused as `E011`. A number that was taken before is taken as a new one.",
        tags=["register"],
        request=NextSequenceSerializer,
        responses=SequenceSetSerializer,
    ),
)
class NextSequence(TenantView):
    needs = {"GET": Permission.READ, "POST": Permission.OPERATE}

    def get(self, request: Request, endpoint_id: UUID) -> Response:
        row = get_object_or_404(Endpoint, id=endpoint_id)
        known = AgentSequence.objects.filter(endpoint=row).order_by("agent")
        shown = [AgentSequenceSerializer(one).data for one in known[:MOST_AGENTS]]
        return Response(shown)

    def post(self, request: Request, endpoint_id: UUID) -> Response:
        row = get_object_or_404(Endpoint, id=endpoint_id)
        asked, by = NextSequenceSerializer.of(request), caller_of(request).name
        agent, number, reason = asked["agent"], asked["next"], asked["reason"]
        try:
            before = sequences.set_next(_point(row), agent, number, reason=reason, by=by)
        except BadNumber as error:
            raise ValidationError({error.field: [f"It is {error}."]}) from None
        told = {"agent": agent, "previous": before, "next": number}
        return Response(SequenceSetSerializer(told).data)


def _point(row: Endpoint) -> TradingPoint:
    try:
        return get_trading_point(row.id)
    except NoTradingPoint:
        text = "This endpoint is not for files: nothing is numbered there."
        raise ValidationError([text]) from None
