"""Has one of the tenant's endpoints tried, and answers with the report."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import (
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.probing.report import Colour
from messaging.probing.run import NoSuchEndpoint, TestUnderWay, run
from tenants.api.authentication import caller_of
from tenants.api.door import TenantView
from tenants.permissions import Permission

_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
_COLOURS = [(colour.value, colour.value) for colour in Colour]
_ASK_AGAIN_S = 5


@extend_schema_field({"type": "object", "additionalProperties": {}})
class _Told(serializers.DictField):
    """Values of any kind."""


class StepSerializer(serializers.Serializer[Any]):
    """Grey is what was not tried."""

    name = serializers.CharField()
    colour = serializers.ChoiceField(_COLOURS)
    text = serializers.CharField()
    milliseconds = serializers.FloatField(allow_null=True)
    detail = _Told(child=serializers.JSONField())


class ReportSerializer(serializers.Serializer[Any]):
    """`colour` is the worst of the steps'."""

    endpoint = serializers.CharField()
    protocol = serializers.CharField()
    environment = serializers.CharField()
    address = serializers.CharField(allow_blank=True)
    started_at = serializers.DateTimeField()
    milliseconds = serializers.FloatField()
    colour = serializers.ChoiceField(_COLOURS)
    steps = StepSerializer(many=True)


class _UnderWay(Throttled):
    default_detail = "A test of this endpoint is under way."
    extra_detail_singular = extra_detail_plural = ""


@extend_schema_view(
    post=extend_schema(
        operation_id="test_connection",
        summary="Test an endpoint's connection",
        description=(
            "DNS, address, TCP, TLS with the peer's chain, a signed question and its answer, clock"
            " and latency; of a control point, what is known of its link. Takes up to 20 s."
        ),
        tags=["register"],
        request=None,
        responses={
            200: ReportSerializer,
            (429, "application/problem+json"): OpenApiResponse(
                _PROBLEM, "A test of this endpoint is under way: `throttled`."
            ),
        },
    )
)
class ConnectionTestView(TenantView):
    """Speaks to the peer, so no transaction is open around it."""

    opens_scope = False
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request, endpoint_id: UUID) -> Response:
        caller = caller_of(request)
        try:
            report = run(caller.tenant_id, endpoint_id, caller.name)
        except NoSuchEndpoint:
            raise Http404 from None
        except TestUnderWay:
            raise _UnderWay(wait=_ASK_AGAIN_S) from None
        return Response(report.as_json())
