"""The lamps of the tenant's control points."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.lamps import Lamp, control_points, lamp_of, since_of
from tenants.api.described import described
from tenants.api.door import TenantList, TenantView
from tenants.api.pages import ByName
from tenants.models import Endpoint


class LinkSerializer(serializers.ModelSerializer[Endpoint]):
    """A control point's link. What was never is null."""

    endpoint_id = serializers.UUIDField(source="id", read_only=True)
    lamp = serializers.SerializerMethodField()
    since = serializers.SerializerMethodField(help_text="When the lamp changed last.")
    up_at = serializers.DateTimeField(
        source="link_up_at", read_only=True, allow_null=True, help_text="When it last connected."
    )
    down_at = serializers.DateTimeField(
        source="link_down_at", read_only=True, allow_null=True, help_text="When it was last lost."
    )
    alarmed_at = serializers.DateTimeField(
        source="link_alarmed_at",
        read_only=True,
        allow_null=True,
        help_text="When its present loss was alarmed.",
    )
    address = serializers.CharField(
        source="link_address",
        read_only=True,
        allow_null=True,
        help_text="From where it last connected.",
    )
    last_taken = serializers.IntegerField(
        source="link_last_taken",
        read_only=True,
        allow_null=True,
        help_text="The log number last taken from the control point.",
    )
    last_given = serializers.IntegerField(
        source="link_last_given",
        read_only=True,
        allow_null=True,
        help_text="The log number last given to a message for it.",
    )

    class Meta:
        model = Endpoint
        fields = (
            *("endpoint_id", "name", "environment", "lamp", "since", "up_at", "down_at"),
            *("alarmed_at", "address", "last_taken", "last_given"),
        )
        read_only_fields = fields

    def get_lamp(self, row: Endpoint) -> Lamp:
        return lamp_of(row)

    def get_since(self, row: Endpoint) -> datetime | None:
        return since_of(row)


@described("list_links", "Lamps of the control points' links", "register")
class LinkList(TenantList[Endpoint]):
    """One for each EDL endpoint: UP since, DOWN since, or NEVER. A gateway that dies is noticed
    within five seconds.
    """

    serializer_class = LinkSerializer
    pagination_class = ByName

    def rows(self, asked: dict[str, Any]) -> QuerySet[Endpoint]:
        return control_points(Endpoint.objects.all())


@described("get_link", "The lamp of one control point", "register", responses=LinkSerializer)
class LinkDetail(TenantView):
    """By the id of its endpoint, which is one of EDL: others have no link."""

    def get(self, request: Request, control_point_id: UUID) -> Response:
        row = get_object_or_404(control_points(Endpoint.objects.all()), id=control_point_id)
        return Response(LinkSerializer(row).data)
