"""The tenant's endpoints: what there are, and those that it may add, change, hold and remove
itself.

Whom an endpoint leads to is not the tenant's to say: a new one leads to the peer that the vendor
trusts in its environment. No setting that could hold a secret is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import (
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import endpoints
from tenants.api.authentication import caller_of
from tenants.api.bounded import is_storable
from tenants.api.door import TenantList, TenantView, require
from tenants.api.pages import ByName
from tenants.api.wanted import Wanted
from tenants.endpoints import BadEndpoint, Draft, EndpointInUse
from tenants.models import Endpoint, Environment, Peer
from tenants.permissions import Permission

_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}


class InUse(APIException):
    status_code = 409
    default_code = "in-use"
    default_detail = "Something was carried by this endpoint or belongs to it. It can be held."


@extend_schema_field({"type": "object", "additionalProperties": {}})
class SettingsField(serializers.JSONField):
    """An object of settings."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise ValidationError("Settings are an object.")
        if not is_storable(data):
            raise ValidationError("There is something in it that can't be stored.")
        return data


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
        kind = endpoints.find_kind(row.protocol)
        shown = [name for name in kind.settings if name not in kind.secret] if kind else []
        return {name: row.settings[name] for name in shown if name in row.settings}


class _Strict(Wanted):
    """What is not a field is refused, so that nobody believes to have set it."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = data.keys() - self.fields.keys() if isinstance(data, Mapping) else ()
        if unknown:
            raise ValidationError({name: ["This can't be set."] for name in sorted(unknown)})
        return super().to_internal_value(data)


class NewEndpointSerializer(_Strict):
    """An endpoint to be added. Where it leads out, it leads to the environment's own peer."""

    name = serializers.CharField(max_length=60, help_text="For EDL, the control point's name.")
    protocol = serializers.CharField(max_length=40)
    transport = serializers.CharField(max_length=40)
    environment = serializers.ChoiceField(Environment.choices)
    address = serializers.CharField(
        max_length=500,
        default="",
        allow_blank=True,
        help_text="Where the host connects; empty where the other side connects to us.",
    )
    settings = SettingsField(default=dict)


class EndpointChangeSerializer(_Strict):
    """What is to be otherwise. `settings` are replaced whole; HELD holds what is to be sent."""

    address = serializers.CharField(required=False, max_length=500, allow_blank=True)
    settings = SettingsField(required=False)
    state = serializers.ChoiceField(Endpoint.State.choices, required=False)


@extend_schema_view(
    get=extend_schema(
        operation_id="list_endpoints",
        summary="Endpoints",
        description="Endpoints.",
        tags=["register"],
    ),
    post=extend_schema(
        operation_id="add_endpoint",
        summary="Add an endpoint",
        description="Checked by the protocol's own settings; each wrong field is named.",
        tags=["register"],
        request=NewEndpointSerializer,
        responses={201: EndpointSerializer},
    ),
)
class EndpointList(TenantList[Endpoint]):
    serializer_class = EndpointSerializer
    pagination_class = ByName
    needs = {"GET": Permission.READ, "POST": Permission.SET_UP}

    def rows(self, asked: dict[str, Any]) -> QuerySet[Endpoint]:
        return Endpoint.objects.all()

    def post(self, request: Request) -> Response:
        asked = NewEndpointSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        draft = Draft(**asked.validated_data, peer=_peer_for(asked.validated_data))
        try:
            row = endpoints.add(draft)
        except BadEndpoint as error:
            raise _invalid(error) from None
        told = ("name", "transport", "address", "settings")
        endpoints.record(row, "added", told, caller_of(request).name)
        return Response(EndpointSerializer(row).data, status=201)


@extend_schema_view(
    get=extend_schema(
        operation_id="get_endpoint",
        summary="One endpoint",
        description="One endpoint.",
        tags=["register"],
        responses=EndpointSerializer,
    ),
    patch=extend_schema(
        operation_id="change_endpoint",
        summary="Change, hold or release an endpoint",
        description="All that is asked, or, where a field is wrong, none of it. To hold and to "
        "release takes `operate`; all else takes `set up` as well.",
        tags=["register"],
        request=EndpointChangeSerializer,
        responses=EndpointSerializer,
    ),
    delete=extend_schema(
        operation_id="remove_endpoint",
        summary="Remove an endpoint that nothing was carried by",
        description="One that has carried something, or has BM units or certificates, stays.",
        tags=["register"],
        responses={
            204: None,
            (409, "application/problem+json"): OpenApiResponse(_PROBLEM, "In use: `in-use`."),
        },
    ),
)
class EndpointDetail(TenantView):
    needs = {
        "GET": Permission.READ,
        "PATCH": Permission.OPERATE,
        "DELETE": Permission.SET_UP,
    }

    def get(self, request: Request, endpoint_id: UUID) -> Response:
        return Response(EndpointSerializer(_row(endpoint_id)).data)

    def patch(self, request: Request, endpoint_id: UUID) -> Response:
        row = _row(endpoint_id, locked=True)
        asked = EndpointChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        if asked.validated_data.keys() - {"state"}:
            require(caller_of(request), Permission.SET_UP)
        try:
            changed = endpoints.change(row, **asked.validated_data)
        except BadEndpoint as error:
            raise _invalid(error) from None
        if changed:
            endpoints.record(row, "changed", changed, caller_of(request).name)
        return Response(EndpointSerializer(row).data)

    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        row = _row(endpoint_id, locked=True)
        gone = (row.id, row.name)
        try:
            endpoints.remove(row)
        except EndpointInUse:
            raise InUse from None
        row.id, row.name = gone
        endpoints.record(row, "removed", (), caller_of(request).name)
        return Response(status=204)


def _row(endpoint_id: UUID, *, locked: bool = False) -> Endpoint:
    rows = Endpoint.objects.select_related("peer")
    return get_object_or_404(
        rows.select_for_update(of=("self",)) if locked else rows, id=endpoint_id
    )


def _peer_for(asked: Mapping[str, Any]) -> Peer | None:
    kind = endpoints.find_kind(asked["protocol"])
    if kind is None or not kind.leads_out:
        return None
    return Peer.objects.filter(environment=asked["environment"], is_default=True).first()


def _invalid(error: BadEndpoint) -> ValidationError:
    """Each fault under its field, a setting's under `/settings/<name>`."""
    found: dict[str, dict[str, list[str]]] = {}
    for fault in error.faults:
        # What the tenant can't name it can't mend: the vendor has no peer in this environment yet.
        field = "environment" if fault.field == "peer" else fault.field
        found.setdefault(field, {}).setdefault(fault.setting, []).append(fault.text)
    # A setting may be named by nothing, beside others: then that is its name, and not the whole.
    whole = {field: texts.get("") if len(texts) == 1 else None for field, texts in found.items()}
    return ValidationError({field: whole[field] or found[field] for field in found})
