"""The tenant itself, its BM units and its endpoints. Nothing here shows a key, nor a setting that
could hold a secret.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.api.authentication import caller_of
from tenants.api.described import described
from tenants.api.door import TenantList, TenantView
from tenants.api.pages import ByName
from tenants.models import BmUnit, Endpoint, Tenant

SHOWN_SETTINGS = ("profile", "seal", "algorithms", "answer_seconds", "receipt_seconds", "warn_only")
"""Settings known to hold no secret. One that is added is not shown before it is named here."""


class TenantSerializer(serializers.ModelSerializer[Tenant]):
    class Meta:
        model = Tenant
        fields = ("id", "name", "participant_id", "trading_agent", "state", "created_at")
        read_only_fields = fields


class BmUnitSerializer(serializers.ModelSerializer[BmUnit]):
    control_point = serializers.CharField(source="control_point.name", read_only=True)
    endpoint_id = serializers.UUIDField(
        source="control_point_id", read_only=True, help_text="The control point's endpoint."
    )

    class Meta:
        model = BmUnit
        fields = ("id", "name", "control_point", "endpoint_id", "generation_capacity_mw")
        read_only_fields = fields


class EndpointSerializer(serializers.ModelSerializer[Endpoint]):
    settings = serializers.SerializerMethodField(help_text="Those that hold no secret.")

    class Meta:
        model = Endpoint
        fields = (
            *("id", "name", "protocol", "transport", "environment", "address", "state"),
            "settings",
        )
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": {}})
    def get_settings(self, row: Endpoint) -> dict[str, Any]:
        return {name: row.settings[name] for name in SHOWN_SETTINGS if name in row.settings}


@described("get_tenant", "The tenant itself", "register", responses=TenantSerializer)
class TenantDetail(TenantView):
    def get(self, request: Request) -> Response:
        row = Tenant.objects.get(id=caller_of(request).tenant_id)
        return Response(TenantSerializer(row).data)


@described("list_bm_units", "BM units", "register")
class BmUnitList(TenantList[BmUnit]):
    serializer_class = BmUnitSerializer
    pagination_class = ByName

    def rows(self, asked: dict[str, Any]) -> QuerySet[BmUnit]:
        return BmUnit.objects.select_related("control_point")


@described("list_endpoints", "Endpoints", "register")
class EndpointList(TenantList[Endpoint]):
    serializer_class = EndpointSerializer
    pagination_class = ByName

    def rows(self, asked: dict[str, Any]) -> QuerySet[Endpoint]:
        return Endpoint.objects.all()
