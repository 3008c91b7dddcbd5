"""What a trading point logs in by to leave and fetch files, and what the host logs in by at the
tenant's own server. A password is shown once, when it is made; a secret that was given, never.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import file_logins, remote_secrets
from tenants.api.authentication import caller_of
from tenants.api.described import described
from tenants.api.door import TenantList, TenantView
from tenants.api.problems import Conflict
from tenants.api.wanted import LONGEST_LABEL, Wanted
from tenants.file_logins import BadKey, WrongEndpoint
from tenants.models import Endpoint, FileLogin
from tenants.permissions import Permission
from tenants.remote_secrets import Secret

LONGEST_SECRET = 16_384


class FileLoginSerializer(serializers.ModelSerializer[FileLogin]):
    has_password = serializers.SerializerMethodField()
    public_keys = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = FileLogin
        fields = (
            *("id", "endpoint_id", "username", "label", "has_password", "public_keys"),
            *("created_at", "revoked_at", "last_used_at"),
        )
        read_only_fields = fields

    def get_has_password(self, row: FileLogin) -> bool:
        return row.password_hash is not None


class MadeFileLoginSerializer(FileLoginSerializer):
    password = serializers.SerializerMethodField(
        help_text="Keep it now: it is never shown again. Null for a login with keys alone."
    )

    class Meta:
        model = FileLogin
        fields = (*FileLoginSerializer.Meta.fields, "password")
        read_only_fields = fields

    def get_password(self, row: FileLogin) -> str | None:
        text: str = self.context["password"]
        return text or None


class NewFileLoginSerializer(Wanted):
    label = serializers.CharField(  # type: ignore[assignment]
        max_length=LONGEST_LABEL, default="", allow_blank=True
    )
    password = serializers.BooleanField(
        default=True, help_text="Whether it is to have a password, which the host makes."
    )
    public_keys = serializers.ListField(
        child=serializers.CharField(max_length=file_logins.LONGEST_KEY),
        max_length=file_logins.MOST_KEYS,
        default=list,
        help_text="In OpenSSH's form: Ed25519, ECDSA, or RSA of 2048 bits or more.",
    )

    def validate_public_keys(self, value: list[str]) -> list[str]:
        try:
            return [file_logins.checked_key(key) for key in value]
        except BadKey as error:
            raise serializers.ValidationError(str(error)) from None

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs["password"] and not attrs["public_keys"]:
            raise serializers.ValidationError({"public_keys": ["A key, or a password."]})
        return attrs


class RemoteSecretSerializer(Wanted):
    """What the host is to log in by: a password, or for SFTP a private key, unencrypted."""

    password = serializers.CharField(
        max_length=LONGEST_SECRET, default="", allow_blank=True, trim_whitespace=False
    )
    private_key = serializers.CharField(
        max_length=LONGEST_SECRET, default="", allow_blank=True, help_text="PEM, or OpenSSH's form."
    )

    def validate_private_key(self, value: str) -> str:
        try:
            return remote_secrets.checked_private_key(value) if value else ""
        except BadKey as error:
            raise serializers.ValidationError(str(error)) from None

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs["password"] and not attrs["private_key"]:
            raise serializers.ValidationError({"password": ["A password, or a private key."]})
        return attrs


@described(
    "make_file_login",
    "Make a login for a trading point's files",
    "register",
    method="post",
    request=NewFileLoginSerializer,
    responses={201: MadeFileLoginSerializer},
)
@described("list_file_logins", "Logins for a trading point's files", "register")
class FileLoginList(TenantList[FileLogin]):
    """Those that are revoked are there as well."""

    needs = {"GET": Permission.READ, "POST": Permission.SET_UP}
    serializer_class = FileLoginSerializer

    def get(self, request: Request, endpoint_id: UUID) -> Response:  # type: ignore[override]
        self._endpoint = _endpoint(endpoint_id)
        return self.list(request)

    def rows(self, asked: dict[str, Any]) -> QuerySet[FileLogin]:
        return FileLogin.objects.filter(endpoint=self._endpoint, **asked)

    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """The host chooses the name, and the password where there is to be one: this answer is the
        only one that ever shows it.
        """
        endpoint, wanted = _endpoint(endpoint_id), NewFileLoginSerializer.of(request)
        try:
            made = file_logins.make(
                endpoint,
                wanted["label"],
                wanted["public_keys"],
                with_password=wanted["password"],
                by=caller_of(request).shown.told,
            )
        except WrongEndpoint as error:
            raise Conflict("no-file-server", f"{error}.") from None
        told = MadeFileLoginSerializer(made.row, context={"password": made.password})
        return Response(told.data, status=201)


@described(
    "revoke_file_login",
    "Revoke a login for files",
    "register",
    method="delete",
    responses=None,
)
@described(
    "get_file_login",
    "One login for a trading point's files",
    "register",
    responses=FileLoginSerializer,
)
class FileLoginDetail(TenantView):
    needs = {"GET": Permission.READ, "DELETE": Permission.SET_UP}

    def get(self, request: Request, file_login_id: UUID) -> Response:
        return Response(FileLoginSerializer(_login(file_login_id)).data)

    def delete(self, request: Request, file_login_id: UUID) -> Response:
        """For good, and at once: open sessions end within about a second."""
        row = _login(file_login_id, locked=True)
        file_logins.revoke(row, by=caller_of(request).shown.told)
        return Response(status=204)


@described(
    "set_remote_secret",
    "Set what the host logs in by at the tenant's own server",
    "register",
    method="put",
    request=RemoteSecretSerializer,
    responses={204: None},
)
class RemoteSecretDetail(TenantView):
    needs = {"PUT": Permission.SET_UP}

    def put(self, request: Request, endpoint_id: UUID) -> Response:
        """In the place of what was set before. It is sealed, and nobody is shown it again."""
        endpoint, wanted = _endpoint(endpoint_id), RemoteSecretSerializer.of(request)
        if endpoint.settings.get("mode") != "client":
            raise Conflict("no-file-client", "The host logs in nowhere for this endpoint.")
        remote_secrets.keep(endpoint, Secret(**wanted), by=caller_of(request).shown.told)
        return Response(status=204)


def _endpoint(endpoint_id: UUID) -> Endpoint:
    return get_object_or_404(Endpoint, id=endpoint_id)


def _login(file_login_id: UUID, *, locked: bool = False) -> FileLogin:
    rows = FileLogin.objects.select_for_update() if locked else FileLogin.objects.all()
    return get_object_or_404(rows, id=file_login_id)
