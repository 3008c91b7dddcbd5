"""The vendor's pages on a tenant's people and what they show to the API. All are looked at only;
hashes are not so much as read from the database.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from tenants.models import ApiCertificate, ApiKey, Member
from tenants.staff import TENANT_FILTER, ReadOnlyAdmin, moment


@admin.register(Member)
class MemberAdmin(ReadOnlyAdmin):
    list_display = ("name", "tenant", "email", "role", "state", "seen")
    list_filter = (TENANT_FILTER, "role", "state")
    list_select_related = ("tenant",)
    search_fields = ("name", "email")
    ordering = ("tenant_id", "name", "id")
    seen, created, removed = moment("last_seen_at"), moment("created_at"), moment("removed_at")
    fields = ("id", "tenant", "name", "email", "role", "state", "created", "removed", "seen")


class CredentialAdmin(ReadOnlyAdmin):
    """What an API key and an API certificate have in common."""

    list_filter = (TENANT_FILTER,)
    list_select_related = ("tenant", "member")
    ordering = ("-id",)
    created, expires = moment("created_at"), moment("expires_at")
    revoked, used = moment("revoked_at"), moment("last_used_at")
    common = (
        *("tenant", "member", "label", "scopes", "networks", "created", "expires", "revoked"),
        "used",
    )


@admin.register(ApiKey)
class ApiKeyAdmin(CredentialAdmin):
    list_display = ("prefix", "tenant", "member", "label", "expires", "revoked", "used")
    search_fields = ("prefix", "label")
    fields = ("id", "prefix", *CredentialAdmin.common, "replaced_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        rows: QuerySet[ApiKey] = super().get_queryset(request)
        return rows.defer("hash", "replaced_by__hash")


@admin.register(ApiCertificate)
class ApiCertificateAdmin(CredentialAdmin):
    list_display = ("thumbprint", "tenant", "member", "label", "expires", "revoked", "used")
    search_fields = ("label",)
    fields = ("id", "thumbprint", *CredentialAdmin.common, "pem")

    @admin.display(description="SHA-256")
    def thumbprint(self, row: Any) -> str:
        return bytes(row.fingerprint).hex()
