"""The tenant itself and its BM units. Nothing here shows a key."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.api.authentication import caller_of
from tenants.api.described import described
from tenants.api.door import TenantList, TenantView
from tenants.api.pages import ByName
from tenants.models import BmUnit, Tenant


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

    expected = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="Parameters it is meant to have before each gate closes.",
    )

    class Meta:
        model = BmUnit
        fields = (
            *("id", "name", "control_point", "endpoint_id", "generation_capacity_mw"),
            *("auto_accept", "expected", "gate_alarm_minutes"),
        )
        read_only_fields = fields


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
