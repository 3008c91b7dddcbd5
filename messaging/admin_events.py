"""The vendor's pages on how tenants are told what happens: to be looked at only. No secret of a
webhook is shown.
"""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from messaging.events import alerts
from messaging.events.models import AlertSettings, Escalation, Webhook, WebhookDelivery
from tenants.staff import TENANT_FILTER, CarriedAdmin, ReadOnlyAdmin, moment, once, table


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    list_display = ("url", "tenant", "label", "state", "failures", "failing")
    list_filter = (TENANT_FILTER, "state")
    list_select_related = ("tenant",)
    search_fields = ("url",)
    ordering = ("tenant_id", "id")
    failing = moment("failing_since")
    fields = (
        *("id", "tenant", "url", "label", "types", "state", "reason", "created_at"),
        *("previous_until", "failures", "failing_since", "wait_until"),
    )


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(CarriedAdmin):
    list_display = ("created", "tenant", "webhook", "type", "state", "attempts", "outcome")
    list_filter = (TENANT_FILTER,)
    list_select_related = ("tenant", "webhook")
    time_field = "created_at"
    created = moment("created_at")
    fields = (
        *("id", "tenant", "webhook", "event_id", "type", "body", "state", "attempts"),
        *("created_at", "next_at", "expires_at", "settled_at", "status", "outcome"),
    )


@admin.register(AlertSettings)
class AlertSettingsAdmin(ReadOnlyAdmin):
    list_display = ("tenant", "addresses", "mail_failures")
    list_filter = (TENANT_FILTER,)
    list_select_related = ("tenant",)
    ordering = ("tenant_id",)
    fields = ("id", "tenant", "addresses", "ladder", "cursor", "mail_after", "mail_failures")

    @admin.display(description="escalation ladder")
    @once
    def ladder(self, row: AlertSettings) -> SafeString:
        steps = alerts.ladder_of(row)
        return table(("after s", "by"), ((s.after_seconds, ", ".join(s.ways)) for s in steps))


@admin.register(Escalation)
class EscalationAdmin(CarriedAdmin):
    list_display = ("taken", "tenant", "instruction", "after_seconds")
    list_filter = (TENANT_FILTER,)
    list_select_related = ("tenant", "instruction")
    time_field = "at"
    taken = moment("at")
    fields = ("id", "tenant", "instruction", "after_seconds", "at")
