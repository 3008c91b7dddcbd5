"""The vendor's pages on what trading points log in by to leave files. Nothing is made here: the
tenants do that themselves.
"""

from __future__ import annotations

from django.contrib import admin

from tenants.file_logins import fingerprint
from tenants.models import FileLogin
from tenants.staff import TENANT_FILTER, ReadOnlyAdmin


@admin.register(FileLogin)
class FileLoginAdmin(ReadOnlyAdmin):
    list_display = (
        *("username", "tenant", "endpoint", "label", "has_password", "keys"),
        *("created_at", "revoked_at", "last_used_at"),
    )
    list_filter = (TENANT_FILTER,)
    list_select_related = ("tenant", "endpoint")
    search_fields = ("username", "label")
    ordering = ("-id",)
    fields = list_display

    @admin.display(description="password", boolean=True)
    def has_password(self, row: FileLogin) -> bool:
        return row.password_hash is not None

    @admin.display(description="SSH keys")
    def keys(self, row: FileLogin) -> str:
        return ", ".join(map(fingerprint, row.public_keys)) or "-"
