"""The vendor's page on the numbers of trading agents' submissions: what is expected next, and the
form by which staff set it for a tenant that asks for it.
"""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from messaging.models import AgentSequence
from messaging.relay import sequences
from messaging.relay.sequences import BadNumber
from messaging.relay.trading_points import get_trading_point
from tenants import asking
from tenants.scope import tenant_scope
from tenants.staff import TENANT_FILTER, ReadOnlyAdmin


class NextNumberForm(asking.DeedForm):
    next = forms.IntegerField(label="Next number", widget=UnfoldAdminIntegerFieldWidget)
    field_order = ("next", "reason")


@admin.register(AgentSequence)
class AgentSequenceAdmin(ReadOnlyAdmin):
    list_display = ("agent", "tenant", "endpoint", "expected")
    list_filter = (TENANT_FILTER,)
    list_select_related = ("tenant", "endpoint")
    search_fields = ("agent",)
    ordering = ("tenant_id", "endpoint_id", "agent")
    fields = ("id", "tenant", "endpoint", "agent", "expected", "set_it")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.next_view)
        own = [path("<uuid:row_id>/next/", view, name="messaging_agentsequence_next")]
        return [*own, *super().get_urls()]

    @admin.display(description="another number")
    def set_it(self, row: AgentSequence) -> SafeString:
        address = reverse("admin:messaging_agentsequence_next", args=(row.id,))
        text = "give a reason to set it"
        return format_html('<a class="text-primary-600" href="{}">{}</a>', address, text)

    def next_view(self, request: HttpRequest, row_id: UUID) -> HttpResponse:
        """Asks for number and reason; both, and who said so, stand in the tenant's audit log."""
        asking.require(request, "messaging.change_agentsequence")
        rows = AgentSequence.objects.select_related("tenant", "endpoint")
        row = get_object_or_404(rows, id=row_id)
        back = reverse("admin:messaging_agentsequence_change", args=(row.id,))
        form = NextNumberForm(request.POST or None)
        if request.method == "POST" and form.is_valid() and self._set(request, row, form):
            return HttpResponseRedirect(back)
        facts = (("Tenant", row.tenant), ("Endpoint", row.endpoint), ("Expected", row.expected))
        title = f"The next number of {row.agent}"
        return asking.page(request, title, back, facts=facts, form=form, verb="Set the number")

    def _set(self, request: HttpRequest, row: AgentSequence, form: NextNumberForm) -> bool:
        number, reason = form.cleaned_data["next"], form.cleaned_data["reason"]
        by = request.user.get_username()
        try:
            with tenant_scope(row.tenant_id):
                point = get_trading_point(row.endpoint_id)
                sequences.set_next(point, row.agent, number, reason=reason, by=by)
        except BadNumber as error:
            form.add_error("next", f"It cannot be set: {error}.")
            return False
        return True
