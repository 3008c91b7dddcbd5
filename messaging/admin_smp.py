"""The vendor's pages on registrations: jobs, batches and what is registered, to be looked at; and
the one thing staff do there: say what became of a batch of which nobody knows.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from messaging.overview import bodies
from messaging.relay.smp import deciding
from messaging.relay.wake import wake_registrations
from messaging.smp_models import RegisteredAsset, RegisteredUnit, SmpBatch, SmpFinding, SmpJob
from tenants import asking
from tenants.scope import tenant_scope
from tenants.staff import TENANT_FILTER, CarriedAdmin, WithinFilter, moment, once, table, written

SHOWN = 200
"""Rows of a table within a page."""

MAY_RESOLVE = "messaging.change_smpbatch"


class ResolveForm(forms.Form):
    verdict = forms.ChoiceField(
        choices=[
            ("taken", "the platform has taken it"),
            ("not taken", "the platform has not taken it: send it again"),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    transaction = forms.CharField(
        max_length=200,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Under which it was taken, where that is known: then its status is asked for.",
    )
    reason = forms.CharField(
        min_length=3,
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text="It is written into the tenant's audit log, with your name.",
    )


@admin.register(SmpJob)
class SmpJobAdmin(CarriedAdmin):
    list_display = (
        *("created", "tenant", "kind", "file_name", "state", "rows_read", "rows_wrong"),
        *("rows_registered", "rows_failed"),
    )
    list_filter = (TENANT_FILTER, "state", WithinFilter)
    list_select_related = ("tenant",)
    time_field = "created_at"
    created, finished = moment("created_at"), moment("finished_at")
    fields = (
        *("id", "tenant", "created", "created_by", "kind", "format", "file_name", "size", "state"),
        *("reason", "rows_read", "rows_wrong", "rows_registered", "rows_failed", "findings"),
        *("finished", "batches", "faults"),
    )

    @admin.display(description="batches")
    @once
    def batches(self, row: SmpJob) -> SafeString:
        found = SmpBatch.objects.filter(tenant_id=row.tenant_id, job=row).order_by("position")
        lines = (
            (_link(one), one.state, one.rows, one.transaction_id or "-", written(one.sent_at))
            for one in found[:SHOWN]
        )
        return table(("batch", "state", "rows", "transaction", "sent"), lines)

    @admin.display(description="what is wrong")
    @once
    def faults(self, row: SmpJob) -> SafeString:
        found = SmpFinding.objects.filter(tenant_id=row.tenant_id, job=row).order_by("row", "id")
        lines = ((one.row, one.column, one.code, one.source, one.text) for one in found[:SHOWN])
        return table(("row", "column", "code", "found by", "text"), lines)


@admin.register(SmpBatch)
class SmpBatchAdmin(CarriedAdmin):
    list_display = ("id", "tenant", "state", "position", "rows", "attempts", "transaction_id")
    list_filter = (TENANT_FILTER, "state")
    list_select_related = ("tenant",)
    sent, settled, called = moment("sent_at"), moment("settled_at"), moment("person_called_at")
    fields = (
        *("id", "tenant", "position", "first_row", "last_row", "rows", "state", "attempts"),
        *("sent", "transaction_id", "polls", "called", "settled", "settled_by", "text"),
        *("resolving", "body"),
    )

    def get_urls(self) -> list[URLPattern]:
        resolve = self.admin_site.admin_view(self.resolve_view)
        body = self.admin_site.admin_view(self.body_view)
        own = [
            path("<uuid:batch_id>/resolve/", resolve, name="messaging_smpbatch_resolve"),
            path("<uuid:batch_id>/body/", body, name="messaging_smpbatch_body"),
        ]
        return [*own, *super().get_urls()]

    @admin.display(description="what is sent")
    def body(self, row: SmpBatch) -> SafeString:
        address = reverse("admin:messaging_smpbatch_body", args=(row.id,))
        text = "give a reason to see it"
        return format_html('<a class="text-primary-600" href="{}">{}</a>', address, text)

    def body_view(self, request: HttpRequest, batch_id: UUID) -> HttpResponse:
        """Shows the bytes that are sent to whoever gives a reason."""
        row = get_object_or_404(SmpBatch.objects.select_related("tenant"), id=batch_id)
        back = reverse("admin:messaging_smpbatch_change", args=(row.id,))
        return bodies.page(
            request, f"What is sent of {row}", back, row.tenant, bodies.of_batch(row)
        )

    @admin.display(description="resolve")
    def resolving(self, row: SmpBatch) -> SafeString | str:
        if row.state != SmpBatch.State.UNKNOWN:
            return "-"
        address = reverse("admin:messaging_smpbatch_resolve", args=(row.id,))
        text = "say what became of it"
        return format_html('<a class="text-primary-600" href="{}">{}</a>', address, text)

    def resolve_view(self, request: HttpRequest, batch_id: UUID) -> HttpResponse:
        asking.require(request, MAY_RESOLVE)
        row = get_object_or_404(SmpBatch, id=batch_id)
        back = reverse("admin:messaging_smpbatch_change", args=(row.id,))
        form = ResolveForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            self._resolve(request, row, form.cleaned_data)
            return HttpResponseRedirect(back)
        facts = (("Tenant", row.tenant), ("Batch", row), ("State", row.get_state_display()))
        title = "What became of a batch"
        return asking.page(request, title, back, facts=facts, form=form, verb="Resolve")

    def _resolve(self, request: HttpRequest, row: SmpBatch, told: dict[str, Any]) -> None:
        try:
            with tenant_scope(row.tenant_id):
                deciding.resolve(
                    row.id,
                    taken=told["verdict"] == "taken",
                    transaction=told["transaction"],
                    reason=told["reason"],
                    by=f"{request.user.get_username()} of the vendor",
                )
        except deciding.NotUnknown:
            self.message_user(request, "It is known what became of it.", messages.WARNING)
        except deciding.TransactionTaken:
            self.message_user(request, "That transaction is another batch's.", messages.ERROR)
        else:
            wake_registrations(row.tenant_id, row.job_id)
            self.message_user(request, "Resolved.")


@admin.register(RegisteredAsset)
class RegisteredAssetAdmin(CarriedAdmin):
    list_display = ("name", "tenant", "environment", "site", "capacity_mw", "since", "until")
    list_filter = (TENANT_FILTER, "environment")
    list_select_related = ("tenant",)
    since, until = moment("valid_from"), moment("valid_to")
    fields = (
        *("id", "tenant", "environment", "name", "site", "capacity_mw", "asset", "since"),
        *("until", "ended_by", "end_reason"),
    )


@admin.register(RegisteredUnit)
class RegisteredUnitAdmin(CarriedAdmin):
    list_display = ("name", "tenant", "environment", "since", "until")
    list_filter = (TENANT_FILTER, "environment")
    list_select_related = ("tenant",)
    since, until = moment("valid_from"), moment("valid_to")
    fields = (
        *("id", "tenant", "environment", "name", "unit", "since", "until", "ended_by"),
        "end_reason",
    )


def _link(row: SmpBatch) -> SafeString:
    address = reverse("admin:messaging_smpbatch_change", args=(row.id,))
    return format_html('<a class="text-primary-600" href="{}">{}</a>', address, row.position)
