"""API keys and API certificates. Whoever may look after people sees and changes all of them;
anybody else, their own.

A new one is never given more than the one it is asked for with may do.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import api_certificates, api_keys
from tenants.api.authentication import Caller, caller_of
from tenants.api.described import described
from tenants.api.door import TenantList, TenantView, require
from tenants.api.fields import HexField
from tenants.api.problems import Conflict
from tenants.api.wanted import LONGEST_LABEL, Wanted, networks_field
from tenants.clock import now
from tenants.credentials import TooWide, is_in_force, permissions_of
from tenants.models import ApiCertificate, ApiKey, Credential, Member
from tenants.permissions import Permission, as_written

USUAL_OVERLAP_HOURS = 24
LONGEST_OVERLAP_HOURS = 24 * 14
PERMISSIONS = [(one.value, one.name) for one in Permission]
C = TypeVar("C", bound=Credential)


class CredentialState(StrEnum):
    NOT_YET = "NOT_YET"
    IN_FORCE = "IN_FORCE"
    ROTATED = "ROTATED"
    """Another is in its place, and it lives on beside that until it expires."""
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


class CredentialSerializer(serializers.ModelSerializer[Any]):
    """`scopes` is what it was given, `permissions` what is left of that in its member's role."""

    member_id = serializers.UUIDField(allow_null=True, help_text="Null for the tenant's own.")
    member_name = serializers.SerializerMethodField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=PERMISSIONS))
    permissions = serializers.SerializerMethodField()
    networks = serializers.ListField(child=serializers.CharField())
    state = serializers.SerializerMethodField(
        help_text="ROTATED: it lives on beside the key in its place until it expires."
    )

    shown = (
        *("id", "label", "member_id", "member_name", "scopes", "permissions", "networks", "state"),
        *("created_at", "expires_at", "revoked_at", "last_used_at"),
    )

    def get_member_name(self, row: Credential) -> str | None:
        return row.member.name if row.member else None

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(PERMISSIONS)))
    def get_permissions(self, row: Credential) -> list[str]:
        return as_written(permissions_of(row, row.member))

    @extend_schema_field(serializers.ChoiceField([state.value for state in CredentialState]))
    def get_state(self, row: Credential) -> str:
        return _state(row).value


class ApiKeySerializer(CredentialSerializer):
    replaced_by_id = serializers.UUIDField(allow_null=True)

    class Meta:
        model = ApiKey
        fields = (*CredentialSerializer.shown, "prefix", "replaced_by_id")
        read_only_fields = fields


class MintedSerializer(ApiKeySerializer):
    key = serializers.SerializerMethodField(help_text="Keep it now: it is never shown again.")

    class Meta:
        model = ApiKey
        fields = (*ApiKeySerializer.Meta.fields, "key")
        read_only_fields = fields

    def get_key(self, row: ApiKey) -> str:
        text: str = self.context["key"]
        return text


class ApiCertificateSerializer(CredentialSerializer):
    fingerprint = HexField(read_only=True, help_text="SHA-256 of the certificate's DER.")

    class Meta:
        model = ApiCertificate
        fields = (*CredentialSerializer.shown, "fingerprint", "not_before", "pem")
        read_only_fields = fields


class NewCredentialSerializer(Wanted):
    label = serializers.CharField(max_length=LONGEST_LABEL)  # type: ignore[assignment]
    member_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="Null for one of the tenant's own."
    )
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=PERMISSIONS),
        required=False,
        help_text="If not given: what the member's role allows; for the tenant's own, to read.",
    )
    networks = networks_field()


class NewKeySerializer(NewCredentialSerializer):
    expires_at = serializers.DateTimeField(required=False, allow_null=True)

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        if value is not None and value <= now():
            raise serializers.ValidationError("This is in the past.")
        return value


class PinSerializer(NewCredentialSerializer):
    pem = serializers.CharField(max_length=api_certificates.LONGEST_PEM)
    proof = serializers.CharField(
        max_length=8192,
        help_text="Base64 of the private key's signature, with SHA-256, of the ASCII text "
        "`hostsvc api certificate <tenant_id>`.",
    )

    def validate_proof(self, value: str) -> bytes:
        try:
            return b64decode("".join(value.split()), validate=True)
        except (binascii.Error, ValueError):
            raise serializers.ValidationError("This is not base64.") from None


class KeyChangeSerializer(Wanted):
    label = serializers.CharField(  # type: ignore[assignment]
        max_length=LONGEST_LABEL, required=False
    )
    networks = networks_field()


class RotationSerializer(Wanted):
    overlap_hours = serializers.IntegerField(
        required=False,
        default=USUAL_OVERLAP_HOURS,
        min_value=0,
        max_value=LONGEST_OVERLAP_HOURS,
        help_text="How long the old key lives on, if it does not expire before.",
    )


@described(
    "mint_api_key",
    "Mint a key",
    "people",
    method="post",
    request=NewKeySerializer,
    responses={201: MintedSerializer},
)
@described("list_api_keys", "API keys", "people")
class ApiKeyList(TenantList[ApiKey]):
    """All with the permission `people`, else the caller's own."""

    needs = {"POST": Permission.PEOPLE}
    serializer_class = ApiKeySerializer

    def rows(self, asked: dict[str, Any]) -> QuerySet[ApiKey]:
        return _visible(_keys(), caller_of(self.request)).filter(**asked)

    def post(self, request: Request) -> Response:
        """The answer is the only one that ever shows the key. It may do no more than the one used
        to mint it, and no more than its member's role.
        """
        wanted, caller = NewKeySerializer.of(request), caller_of(request)
        with _refusals(caller):
            minted = api_keys.mint(
                expires_at=wanted.get("expires_at"), **_given(wanted), **_by(caller)
            )
        return _minted(minted)


@described("revoke_api_key", "Revoke a key", "people", method="delete", responses=None)
@described(
    "change_api_key",
    "Change a key's label or networks",
    "people",
    method="patch",
    request=KeyChangeSerializer,
    responses=ApiKeySerializer,
)
@described("get_api_key", "One API key", "people", responses=ApiKeySerializer)
class ApiKeyDetail(TenantView):
    needs = {"PATCH": Permission.PEOPLE, "DELETE": Permission.READ}

    def get(self, request: Request, api_key_id: UUID) -> Response:
        row = _get(_keys(), request, api_key_id)
        return Response(ApiKeySerializer(row).data)

    def patch(self, request: Request, api_key_id: UUID) -> Response:
        wanted, row = KeyChangeSerializer.of(request), _get(_locked(_keys()), request, api_key_id)
        label, networks = wanted.get("label", row.label), wanted.get("networks", row.networks)
        api_keys.change(row, label, networks, by=caller_of(request).shown.told)
        return Response(ApiKeySerializer(row).data)

    def delete(self, request: Request, api_key_id: UUID) -> Response:
        """At once and for good; a second time it changes nothing. One's own takes no more than
        `read`.
        """
        row = _get(_locked(_keys()), request, api_key_id)
        api_keys.revoke(row, by=caller_of(request).shown.told)
        return Response(status=204)


@described(
    "rotate_api_key",
    "Rotate a key",
    "people",
    method="post",
    request=RotationSerializer,
    responses={201: MintedSerializer},
)
class ApiKeyRotation(TenantView):
    needs = {"POST": Permission.READ}

    def post(self, request: Request, api_key_id: UUID) -> Response:
        """A key in its place that may do the same, for as long; the old one lives on for the
        overlap. One's own takes no more than `read`.
        """
        wanted, caller = RotationSerializer.of(request), caller_of(request)
        row = _get(_locked(_keys()), request, api_key_id)
        with _refusals(caller):
            overlap = timedelta(hours=wanted["overlap_hours"])
            minted = api_keys.rotate(row, overlap, **_by(caller))
        return _minted(minted)


@described(
    "pin_api_certificate",
    "Pin a certificate",
    "people",
    method="post",
    request=PinSerializer,
    responses={201: ApiCertificateSerializer},
)
@described("list_api_certificates", "Client certificates for the API", "people")
class ApiCertificateList(TenantList[ApiCertificate]):
    """All with the permission `people`, else the caller's own."""

    needs = {"POST": Permission.PEOPLE}
    serializer_class = ApiCertificateSerializer

    def rows(self, asked: dict[str, Any]) -> QuerySet[ApiCertificate]:
        return _visible(_certificates(), caller_of(self.request)).filter(**asked)

    def post(self, request: Request) -> Response:
        """Whoever shows the certificate in a TLS handshake needs no key. The proof says that its
        private key is yours: `printf 'hostsvc api certificate %s' "$TENANT_ID" | openssl dgst
        -sha256 -sign client.key | base64`.
        """
        wanted, caller = PinSerializer.of(request), caller_of(request)
        with _refusals(caller):
            row = api_certificates.pin(
                pem=wanted["pem"], proof=wanted["proof"], **_given(wanted), **_by(caller)
            )
        return Response(ApiCertificateSerializer(row).data, status=201)


@described(
    "revoke_api_certificate", "Revoke a certificate", "people", method="delete", responses=None
)
@described(
    "get_api_certificate",
    "One client certificate for the API",
    "people",
    responses=ApiCertificateSerializer,
)
class ApiCertificateDetail(TenantView):
    needs = {"DELETE": Permission.READ}

    def get(self, request: Request, api_certificate_id: UUID) -> Response:
        row = _get(_certificates(), request, api_certificate_id)
        return Response(ApiCertificateSerializer(row).data)

    def delete(self, request: Request, api_certificate_id: UUID) -> Response:
        """At once; it may be pinned anew. One's own takes no more than `read`."""
        row = _get(_locked(_certificates()), request, api_certificate_id)
        api_certificates.revoke(row, by=caller_of(request).shown.told)
        return Response(status=204)


def _state(row: Credential) -> CredentialState:
    moment = now()
    if row.revoked_at is not None:
        return CredentialState.REVOKED
    if row.expires_at is not None and row.expires_at <= moment:
        return CredentialState.EXPIRED
    if not is_in_force(row, moment):
        return CredentialState.NOT_YET
    rotated = getattr(row, "replaced_by_id", None) is not None
    return CredentialState.ROTATED if rotated else CredentialState.IN_FORCE


def _keys() -> QuerySet[ApiKey]:
    return ApiKey.objects.select_related("member")


def _certificates() -> QuerySet[ApiCertificate]:
    return ApiCertificate.objects.select_related("member")


def _locked(rows: QuerySet[C]) -> QuerySet[C]:
    return rows.select_for_update(of=("self",))


def _visible(rows: QuerySet[C], caller: Caller) -> QuerySet[C]:
    """Those of the tenant, or the caller's own: their member's, and the one that is shown."""
    if Permission.PEOPLE in caller.permissions:
        return rows
    own = Q(id=caller.shown.id)
    if caller.shown.member_id is not None:
        own |= Q(member_id=caller.shown.member_id)
    return rows.filter(own)


def _get(rows: QuerySet[C], request: Request, row_id: UUID) -> C:
    """Raises Http404 where the tenant has no such row, and PermissionNeeded where it is a
    colleague's.
    """
    row, caller = get_object_or_404(rows, id=row_id), caller_of(request)
    if not _visible(rows, caller).filter(id=row_id).exists():
        require(caller, Permission.PEOPLE)
    return row


def _given(wanted: dict[str, Any]) -> dict[str, Any]:
    scopes = wanted.get("scopes")
    return {
        "label": wanted["label"],
        "member": _member(wanted.get("member_id")),
        "scopes": None if scopes is None else [Permission(name) for name in scopes],
        "networks": wanted.get("networks", []),
    }


def _member(member_id: UUID | None) -> Member | None:
    """Raises Http404 for another tenant's, as for one who has left and one there never was."""
    if member_id is None:
        return None
    return get_object_or_404(Member, id=member_id, state=Member.State.ACTIVE)


def _by(caller: Caller) -> dict[str, Any]:
    return {"maker": caller.permissions, "by": caller.shown.told}


def _minted(minted: api_keys.Minted) -> Response:
    told = MintedSerializer(minted.row, context={"key": minted.text})
    response = Response(told.data, status=201)
    response["Cache-Control"] = "no-store"
    return response


@contextmanager
def _refusals(caller: Caller) -> Iterator[None]:
    try:
        yield
    except TooWide as error:
        require(caller, *error.beyond)
        text = f"The member's role does not allow this: {error}."
        raise serializers.ValidationError({"scopes": [text]}) from None
    except api_keys.NotRotatable:
        text = "The key is revoked, expired or rotated already: mint a new one."
        raise Conflict("not-rotatable", text) from None
    except api_certificates.BadCertificate as error:
        raise serializers.ValidationError({"pem": [str(error)]}) from None
