"""The vendor's pages on audit chains: where each ends, and what people did. Entries of traffic are
read on the page of their message, and through the API.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from tenants import asking
from tenants.audit.deeds import Deed, find_deeds
from tenants.audit.models import Chain
from tenants.clock import now
from tenants.staff import ReadOnlyAdmin, table, written


class DeedsForm(forms.Form):
    """What is asked for by the address."""

    tenant = forms.UUIDField(required=False, widget=forms.HiddenInput)
    by = forms.CharField(
        required=False, max_length=200, label="By", widget=UnfoldAdminTextInputWidget
    )
    before = forms.DateTimeField(required=False, widget=forms.HiddenInput)


@admin.register(Chain)
class ChainAdmin(ReadOnlyAdmin):
    list_display = ("tenant_id", "head_seq", "hash")
    fields = ("tenant_id", "head_seq", "hash")
    ordering = ("tenant_id",)

    @admin.display(description="hash of the head")
    def hash(self, row: Chain) -> str:
        return bytes(row.head_hash).hex()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.deeds_view)
        return [path("deeds/", view, name="audit_chain_deeds"), *super().get_urls()]

    def deeds_view(self, request: HttpRequest) -> HttpResponse:
        """What people did, newest first: of all tenants, or one; by all, or one."""
        asking.require(request, "audit.view_chain")
        form = DeedsForm(request.GET)
        asked = form.cleaned_data if form.is_valid() else {}
        tenant_id: UUID | None = asked.get("tenant")
        before = asked.get("before") or now() + timedelta(minutes=1)
        deeds, is_more = find_deeds(before, tenant_id, asked.get("by") or "")
        context = {
            **self.admin_site.each_context(request),
            "title": "Who did what",
            "form": form,
            "deeds": _shown(deeds),
            "older": _older(deeds, asked) if is_more else "",
        }
        return TemplateResponse(request, "admin/tenants/deeds.html", context)


def _shown(deeds: Sequence[Deed]) -> str:
    headings = ("when (UTC)", "who", "what", "whose", "detail")
    rows = (
        (written(one.at), one.by or "not noted", one.event, one.tenant, one.detail) for one in deeds
    )
    return table(headings, rows)


def _older(deeds: Sequence[Deed], asked: dict[str, object]) -> str:
    values = {name: str(asked[name]) for name in ("tenant", "by") if asked.get(name)}
    values["before"] = deeds[-1].at.strftime("%Y-%m-%d %H:%M:%S.%f")
    return f"{reverse('admin:audit_chain_deeds')}?{urlencode(values)}"
