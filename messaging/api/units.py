"""One BM unit: what the host does for it by itself, and what is in force of it."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.api.in_force import InForceSerializer, in_force_of
from messaging.domain.submissions import TYPES
from tenants import bm_units
from tenants.api.authentication import caller_of
from tenants.api.described import described
from tenants.api.door import TenantView
from tenants.api.register import BmUnitSerializer
from tenants.api.wanted import Wanted
from tenants.clock import now
from tenants.models import MOST_GATE_ALARM_MINUTES, BmUnit
from tenants.permissions import Permission


class BmUnitChangeSerializer(Wanted):
    auto_accept = serializers.BooleanField(required=False)
    expected = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted(TYPES)),
        max_length=len(TYPES),
        required=False,
        help_text="Parameters it is meant to have before each gate closes; none ends the watch.",
    )
    gate_alarm_minutes = serializers.IntegerField(
        min_value=1,
        max_value=MOST_GATE_ALARM_MINUTES,
        allow_null=True,
        required=False,
        help_text="How long before a gate closes missing data is alarmed; null: the tenant's.",
    )


@described(
    "change_bm_unit",
    "Change what the host does for a BM unit by itself",
    "register",
    method="patch",
    request=BmUnitChangeSerializer,
    responses=BmUnitSerializer,
)
@described("get_bm_unit", "One BM unit", "register", responses=BmUnitSerializer)
class BmUnitDetail(TenantView):
    needs = {"PATCH": Permission.OPERATE}

    def get(self, request: Request, bm_unit_id: UUID) -> Response:
        rows = BmUnit.objects.select_related("control_point")
        return Response(BmUnitSerializer(get_object_or_404(rows, id=bm_unit_id)).data)

    def patch(self, request: Request, bm_unit_id: UUID) -> Response:
        """With `auto_accept` the host accepts what keeps within all that is declared, and leaves
        the rest to the control point or a person; the audit log has the reason either way.
        """
        wanted = BmUnitChangeSerializer.of(request)
        row = bm_units.find_locked(bm_unit_id)
        if row is None:
            raise Http404
        bm_units.change(row, by=caller_of(request).shown.told, **wanted)
        return Response(BmUnitSerializer(row).data)


@described("get_declared", "What is in force of a BM unit", "register", responses=InForceSerializer)
class BmUnitDeclared(TenantView):
    """As far as the operator has accepted it: a redeclaration when it was answered OK, a submission
    when it was accepted.
    """

    def get(self, request: Request, bm_unit_id: UUID) -> Response:
        row = get_object_or_404(BmUnit, id=bm_unit_id)
        return Response(InForceSerializer(in_force_of(row.name, now())).data)
