"""The vendor's pages on what stands still: lamps, notices of outages, holds, and the switch for the
host's own maintenance.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextareaWidget

from messaging.domain.notices import SERVICES, read_notice
from messaging.models import (
    Breaker,
    Connection,
    Maintenance,
    OutageNotice,
    StandingHold,
    SystemNotice,
)
from messaging.relay import holds, maintenance, normalization, telephone
from messaging.relay.holds import NotHeld
from messaging.relay.maintenance import AlreadySo, Switched
from messaging.relay.normalization import NotInVain
from tenants import asking
from tenants.audit.events import Event
from tenants.clock import now
from tenants.ids import HOUSE
from tenants.models import BmUnit
from tenants.scope import tenant_scope
from tenants.staff import TENANT_FILTER, ReadOnlyAdmin, StaffAdmin, WalledAdmin, moment


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    """The action is for an operator that is asked in vain what was missed."""

    action_form = asking.BesideActionForm
    actions = ("ask_no_more",)
    list_display = (
        *("endpoint", "tenant", "state", "lit_since", "good", "asked_next", "holds_back"),
        *("missed_since", "in_vain_since", "detail"),
    )
    list_filter = (TENANT_FILTER, "state", "is_holding")
    list_select_related = ("tenant", "endpoint")
    ordering = ("-since",)
    fields = (
        *("endpoint", "tenant", "state", "lit_since", "answered", "good", "asked_next"),
        *("failures", "detail", "holds_back", "missed_since", "in_vain_since"),
        *("unasked_why", "normalized"),
    )
    lit_since, answered, good = moment("since"), moment("answered_at"), moment("good_at")
    asked_next, missed_since = moment("ask_at"), moment("normalize_from")
    normalized, in_vain_since = moment("normalized_at"), moment("unasked_since")

    @admin.display(description="holds deliveries back")
    def holds_back(self, row: Connection) -> str:
        """In words: the red cross that the theme makes of a "no" would stand by what is well."""
        return "yes" if row.is_holding else "no"

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("messaging.change_connection")

    @admin.action(description="Ask no more what was missed (with a reason)", permissions=["end"])
    def ask_no_more(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        reason = asking.reason_beside(request)
        if not reason:
            self.message_user(request, asking.SAY_IT, messages.ERROR)
            return
        for row in queryset.select_related("tenant", "endpoint"):
            what, by = f"{row.endpoint} of {row.tenant}", request.user.get_username()
            try:
                with tenant_scope(row.tenant_id):
                    normalization.end_asking(row.endpoint_id, reason, by, now())
            except NotInVain:
                self.message_user(request, f"{what} is not asked in vain.", messages.ERROR)
            else:
                self.message_user(request, f"{what} is asked no more.")


@admin.register(Breaker)
class BreakerAdmin(ReadOnlyAdmin):
    """A connection test of the endpoint that comes out green closes it."""

    list_display = ("endpoint", "tenant", "state", "changed", "failures", "tried_next", "detail")
    list_filter = (TENANT_FILTER, "state")
    list_select_related = ("tenant", "endpoint")
    ordering = ("-since",)
    fields = ("endpoint", "tenant", "state", "changed", "failures", "tried_next", "detail")
    changed, tried_next = moment("since"), moment("open_until")


@admin.register(OutageNotice)
class OutageNoticeAdmin(ReadOnlyAdmin):
    """Each tenant's own, and its copies of the vendor's."""

    list_display = ("tenant", "state", "environment", "starts", "ends", "services", "posted_by")
    list_filter = (TENANT_FILTER, "state", "environment")
    list_select_related = ("tenant",)
    ordering = ("-id",)
    fields = (
        *("tenant", "state", "environment", "services", "starts", "ends"),
        *("until_further_notice", "text", "posted_by", "system_notice_id"),
    )
    starts, ends = moment("starts_at"), moment("ends_at")


class SystemNoticeForm(forms.ModelForm):  # type: ignore[type-arg]
    """What is left empty is read from the text."""

    services = forms.MultipleChoiceField(
        choices=[(name, name) for name in SERVICES],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="Left empty when it is posted, they are read from the text, as are the times.",
    )

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        if self.instance.spread_at is None and not self.instance.posted_by:
            told = read_notice(found.get("text", ""), now().date())
            found["services"] = found.get("services") or list(told.services)
            for name in ("starts_at", "ends_at"):
                found[name] = found.get(name) or getattr(told, name)
            if found["ends_at"] is None and told.until_further_notice:
                found["until_further_notice"] = True
        starts_at, ends_at = found.get("starts_at"), found.get("ends_at")
        if ends_at is not None:
            found["until_further_notice"] = False
            if starts_at is not None and ends_at <= starts_at:
                self.add_error("ends_at", "The end is not after the start.")
        return found


@admin.register(SystemNotice)
class SystemNoticeAdmin(WalledAdmin):
    """A notice for every tenant of its environment: paste its text. What can't be read there is
    said on the page that follows, and is to be completed by hand. Times are UTC.
    """

    form = SystemNoticeForm
    event = Event.NOTICE_CHANGED
    told = ("environment", "services", "starts_at", "ends_at", "is_cancelled")
    list_display = (
        *("posted_at", "environment", "starts", "ends", "services", "missing", "is_cancelled"),
        "spread",
    )
    list_filter = ("environment", "is_cancelled")
    ordering = ("-id",)
    fields = (
        *("text", "environment", "services", "starts_at", "ends_at", "until_further_notice"),
        *("is_cancelled", "missing", "posted_by", "posted_at", "spread"),
    )
    readonly_fields = ("missing", "posted_by", "posted_at", "spread")
    starts, ends, spread = moment("starts_at"), moment("ends_at"), moment("spread_at")

    def tenant_of(self, row: Any) -> UUID:
        return HOUSE

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        kwargs["widgets"] = {"text": UnfoldAdminTextareaWidget}
        return super().get_form(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Every tenant is told anew."""
        obj.spread_at = None
        if not change:
            obj.posted_by = request.user.get_username()
        super().save_model(request, obj, form, change)
        if lacking := telephone.missing_of(obj):
            text = f"The notice waits until you complete it: {', '.join(lacking)}."
            self.message_user(request, text, messages.WARNING)

    @admin.display(description="missing")
    def missing(self, row: SystemNotice) -> str:
        return ", ".join(telephone.missing_of(row)) or "-"


class MaintenanceForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean(self) -> dict[str, Any]:
        if Maintenance.objects.filter(ended_at__isnull=True).exists():
            raise forms.ValidationError("The host is under maintenance already.")
        return super().clean() or {}


@admin.register(Maintenance)
class MaintenanceAdmin(StaffAdmin):
    """Adding one switches maintenance on; the action ends it."""

    form = MaintenanceForm
    actions = ("end_it",)
    list_display = ("began", "began_by", "ended", "ended_by", "reason")
    list_display_links = None
    ordering = ("-id",)
    fields = ("reason",)
    began, ended = moment("began_at"), moment("ended_at")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("messaging.change_maintenance")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        try:
            row = maintenance.begin(Switched(request.user.get_username(), obj.reason, now()))
        except AlreadySo:
            row = Maintenance.objects.get(ended_at__isnull=True)
            self.message_user(request, "It was begun at the same time.", messages.WARNING)
        obj.pk = row.pk

    @admin.action(description="End maintenance", permissions=["end"])
    def end_it(self, request: HttpRequest, queryset: QuerySet[Maintenance]) -> None:
        try:
            maintenance.end(Switched(request.user.get_username(), "", now()))
        except AlreadySo:
            self.message_user(request, "There is none under way.", messages.ERROR)
        else:
            self.message_user(request, "Maintenance is over: what was held goes, in order.")


class StandingHoldForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        endpoint, unit, tenant = (found.get(n) for n in ("endpoint", "bm_unit", "tenant"))
        if endpoint and unit:
            self.add_error("bm_unit", "Either this or an endpoint.")
        if endpoint and tenant and endpoint.tenant_id != tenant.id:
            self.add_error("endpoint", "This endpoint is another tenant's.")
        if unit and tenant and not BmUnit.objects.filter(tenant=tenant, name=unit).exists():
            self.add_error("bm_unit", "The tenant has no such BM unit.")
        return found


@admin.register(StandingHold)
class StandingHoldAdmin(WalledAdmin):
    """Adding one holds: an endpoint's messages, a BM unit's, or, with neither, all of a tenant's.
    The action releases.
    """

    form = StandingHoldForm
    action_form = asking.BesideActionForm
    actions = ("release",)
    list_display = (
        *("tenant", "endpoint", "bm_unit", "reason", "placed", "placed_by", "released"),
        "released_by",
    )
    list_display_links = None
    list_filter = (TENANT_FILTER,)
    list_select_related = ("tenant", "endpoint")
    autocomplete_fields = ("tenant", "endpoint")
    ordering = ("-id",)
    fields = ("tenant", "endpoint", "bm_unit", "reason")
    placed, released = moment("placed_at"), moment("released_at")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_release_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("messaging.change_standinghold")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        by, what = request.user.get_username(), {"endpoint_id": obj.endpoint_id}
        with tenant_scope(obj.tenant_id):
            row = holds.place(obj.reason, by, now(), bm_unit=obj.bm_unit, **what)
        obj.pk = row.pk

    @admin.action(description="Release (with a reason)", permissions=["release"])
    def release(self, request: HttpRequest, queryset: QuerySet[StandingHold]) -> None:
        reason = asking.reason_beside(request)
        if not reason:
            self.message_user(request, asking.SAY_IT, messages.ERROR)
            return
        for row in queryset:
            try:
                with tenant_scope(row.tenant_id):
                    holds.release(row, reason, request.user.get_username(), now())
            except NotHeld:
                self.message_user(request, f"{row}: it was released before.", messages.ERROR)
            else:
                self.message_user(request, f"{row} of {row.tenant} is released.")
