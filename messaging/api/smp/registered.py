"""What is registered, and was; how much capacity that is; and the logins."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.api.smp.serializers import (
    AssetHistorySerializer,
    CapacitiesSerializer,
    LoginWanted,
    ReasonWanted,
    RegisteredAssetSerializer,
    RegisteredUnitSerializer,
    SmpLoginSerializer,
    SmpLoginsSerializer,
)
from messaging.domain.registrations import name_key
from messaging.relay.smp import capacity, deciding, logins
from messaging.relay.smp.places import NoPlatform, platform_for
from messaging.smp_models import RegisteredAsset, RegisteredUnit, SmpLogin
from tenants.api.authentication import caller_of
from tenants.api.described import described
from tenants.api.door import TenantList, TenantView
from tenants.api.problems import Conflict
from tenants.api.questions import Question
from tenants.models import Environment
from tenants.permissions import Permission

MOST_SITES = 100
MOST_VERSIONS = 1000


class RegisteredQuestion(Question):
    environment = serializers.ChoiceField(Environment.choices, required=False)
    name = serializers.CharField(required=False, max_length=200, help_text="In any case.")
    current = serializers.BooleanField(
        required=False, help_text="Only what is registered now, or only what was."
    )

    @classmethod
    def of(cls, request: Request) -> dict[str, Any]:
        asked = super().of(request)
        if "name" in asked:
            asked["key"] = name_key(asked.pop("name"))
        if (current := asked.pop("current", None)) is not None:
            asked["valid_to__isnull"] = current
        return asked


class AssetQuestion(RegisteredQuestion):
    site = serializers.CharField(required=False, max_length=200)


@described(
    "list_registered_assets",
    "Registered assets, each as it was from one moment to another",
    "registrations",
    parameters=[AssetQuestion],
)
class AssetList(TenantList[RegisteredAsset]):
    serializer_class = RegisteredAssetSerializer
    question = AssetQuestion

    def rows(self, asked: dict[str, Any]) -> QuerySet[RegisteredAsset]:
        return RegisteredAsset.objects.filter(**asked)


@described(
    "get_registered_asset",
    "One registered asset with its history",
    "registrations",
    responses=AssetHistorySerializer,
)
class AssetDetail(TenantView):
    def get(self, request: Request, asset_id: UUID) -> Response:
        row = get_object_or_404(RegisteredAsset, id=asset_id)
        same = RegisteredAsset.objects.filter(environment=row.environment, key=row.key)
        history = same.order_by("valid_from", "id")[:MOST_VERSIONS]
        return Response(AssetHistorySerializer({"asset": row, "history": history}).data)


@described(
    "withdraw_asset",
    "Say that an asset is no longer registered",
    "registrations",
    method="post",
    request=ReasonWanted,
    responses=RegisteredAssetSerializer,
)
class AssetWithdraw(TenantView):
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request, asset_id: UUID) -> Response:
        """For what was ended with the operator itself: nothing is sent. It stays in the history."""
        get_object_or_404(RegisteredAsset, id=asset_id)
        reason, by = ReasonWanted.of(request)["reason"], caller_of(request).name
        try:
            row = deciding.withdraw_asset(asset_id, reason, by)
        except deciding.NotCurrent:
            raise _ended() from None
        return Response(RegisteredAssetSerializer(row).data)


@described(
    "list_registered_units",
    "Registered units, each as it was from one moment to another",
    "registrations",
    parameters=[RegisteredQuestion],
)
class UnitList(TenantList[RegisteredUnit]):
    serializer_class = RegisteredUnitSerializer
    question = RegisteredQuestion

    def rows(self, asked: dict[str, Any]) -> QuerySet[RegisteredUnit]:
        return RegisteredUnit.objects.filter(**asked)


@described(
    "withdraw_unit",
    "Say that a unit is no longer registered",
    "registrations",
    method="post",
    request=ReasonWanted,
    responses=RegisteredUnitSerializer,
)
class UnitWithdraw(TenantView):
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request, unit_id: UUID) -> Response:
        """For what was ended with the operator itself: nothing is sent. Its assets stay."""
        get_object_or_404(RegisteredUnit, id=unit_id)
        reason, by = ReasonWanted.of(request)["reason"], caller_of(request).name
        try:
            row = deciding.withdraw_unit(unit_id, reason, by)
        except deciding.NotCurrent:
            raise _ended() from None
        return Response(RegisteredUnitSerializer(row).data)


@described(
    "get_capacity",
    "Registered capacity held against the limits of a site and of all sites",
    "registrations",
    responses=CapacitiesSerializer,
)
class CapacityView(TenantView):
    """What stands at one postcode is a site; without one, at one point; else an asset by itself.
    The larger of generation and demand counts.
    """

    def get(self, request: Request) -> Response:
        Question.of(request)
        found = [
            {
                "environment": environment,
                "portfolio": capacity.whole(environment),
                "sites": capacity.largest(environment, MOST_SITES),
            }
            for environment in Environment.values
        ]
        return Response(CapacitiesSerializer({"environments": found}).data)


@extend_schema_view(
    get=extend_schema(
        operation_id="list_smp_logins",
        summary="Logins at the platform",
        description="Without their passwords.",
        tags=["registrations"],
        responses=SmpLoginsSerializer,
    ),
    put=extend_schema(
        operation_id="set_smp_login",
        summary="Set the login at the platform",
        description="The password is sealed, and never shown.",
        tags=["registrations"],
        request=LoginWanted,
        responses=SmpLoginSerializer,
    ),
)
class LoginView(TenantView):
    needs = {"GET": Permission.READ, "PUT": Permission.KEYS}

    def get(self, request: Request) -> Response:
        rows = SmpLogin.objects.select_related("endpoint").order_by("id")
        return Response(SmpLoginsSerializer({"logins": rows}).data)

    def put(self, request: Request) -> Response:
        asked = LoginWanted.of(request)
        try:
            platform = platform_for(asked["environment"])
        except NoPlatform as error:
            raise serializers.ValidationError({"environment": [f"{error}."]}) from None
        by = caller_of(request).name
        row = logins.set_login(platform.id, asked["username"], asked["password"], by)
        return Response(SmpLoginSerializer(row).data)


def _ended() -> Conflict:
    return Conflict("not-registered", "It is not registered any more.")
