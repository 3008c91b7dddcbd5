"""The vendor's page on audit chains: where each ends. Entries are read on the page of their
message, and through the API.
"""

from __future__ import annotations

from django.contrib import admin

from tenants.audit.models import Chain
from tenants.staff import ReadOnlyAdmin


@admin.register(Chain)
class ChainAdmin(ReadOnlyAdmin):
    list_display = ("tenant_id", "head_seq", "hash")
    fields = ("tenant_id", "head_seq", "hash")
    ordering = ("tenant_id",)

    @admin.display(description="hash of the head")
    def hash(self, row: Chain) -> str:
        return bytes(row.head_hash).hex()
