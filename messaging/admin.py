"""The vendor's pages on what was carried: messages, deliveries and attempts, to be looked at only.
A body is shown to whoever gives a reason, which the tenant's audit log then holds.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import DropdownFilter

from messaging import (  # noqa: F401  (they register their pages)
    admin_desk,
    admin_events,
    admin_links,
    admin_register,
    admin_sequences,
    admin_smp,
    outage_admin,
)
from messaging.admin_deeds import DeadFilter
from messaging.admin_deliveries import PERMISSION, DeliveryActions, waits_behind, ways
from messaging.models import Attempt, Delivery, Due, Message
from messaging.overview import bodies, named, timeline
from messaging.relay.units import about_unit
from tenants import directory
from tenants.staff import (
    TENANT_FILTER,
    CarriedAdmin,
    WithinFilter,
    moment,
    once,
    table,
    written,
)

SHOWN = 200
"""Rows of a table within a page."""


class DeliveryInline(TabularInline):  # type: ignore[misc]
    model = Delivery
    until = moment("deadline")
    fields = readonly_fields = ("state", "lane", "queue", "until", "attempts", "outcome_code")
    show_change_link = True
    can_delete = False
    max_num = 0

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Message)
class MessageAdmin(CarriedAdmin):
    list_display = (
        *("received", "tenant", "kind", "bm_unit", "origin", "endpoint", "reference"),
        "refusal_code",
    )
    list_filter = (TENANT_FILTER, WithinFilter)
    list_select_related = ("tenant", "endpoint")
    search_fields = ("id",)
    search_help_text = "Id, BM unit, messageId, log number on a link, or instruction's number"
    time_field = "received_at"
    received = moment("received_at")
    inlines = (DeliveryInline,)
    fields = (
        *("id", "tenant", "received", "hops", "kind", "bm_unit", "origin", "endpoint"),
        *(
            "reference",
            "answers_link",
            "refusal_code",
            "refusal_text",
            "digest",
            "body",
            "timeline",
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.body_view)
        own = [path("<uuid:message_id>/body/", view, name="messaging_message_body")]
        return [*own, *super().get_urls()]

    def body_view(self, request: HttpRequest, message_id: UUID) -> HttpResponse:
        """Shows the bytes to whoever gives a reason."""
        row = get_object_or_404(Message.objects.select_related("endpoint"), id=message_id)
        back = reverse("admin:messaging_message_change", args=(row.id,))
        return bodies.page(request, f"Body of {row}", back, row.tenant, bodies.of_message(row))

    @admin.display(description="body")
    def body(self, row: Message) -> SafeString:
        return _body_link("message", row.id)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Message], search_term: str
    ) -> tuple[QuerySet[Message], bool]:
        """By id, else by BM unit within the tenant whose unit it is, else by what others call it:
        each along an index.
        """
        term = search_term.strip()
        if not term:
            return queryset, False
        name = term.upper()
        tenant_id = directory.find_tenant(directory.Known.BM_UNIT, name.encode())
        if tenant_id is None:
            row_id = _as_id(term)
            ids = named.find_messages(term) + ([row_id] if row_id else [])
            return queryset.filter(id__in=ids), False
        found = queryset.filter(about_unit(name), tenant_id=tenant_id)
        return found.order_by("-received_at", "-id"), False

    @admin.display(description="answers")
    def answers_link(self, row: Message) -> str:
        return _link("message", row.answers_id) if row.answers_id else "-"

    @admin.display(description="SHA-256 of the body")
    def digest(self, row: Message) -> str:
        return bytes(row.body_digest).hex()

    @admin.display(description="hops")
    @once
    def hops(self, row: Message) -> SafeString:
        return timeline.hops_of(row)

    @admin.display(description="hops in the audit chain")
    @once
    def timeline(self, row: Message) -> SafeString:
        return timeline.entries_of(row)


class OpenFilter(DropdownFilter):  # type: ignore[misc]
    """Deliveries on which something is still to be done: those in the small table of what is
    due.
    """

    title = "what is to be done"
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "something is"), ("stuck", "it does not get through")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        if self.value() is None:
            return queryset
        open_ones = queryset.filter(id__in=Due.objects.values("delivery_id"))
        return open_ones.filter(stuck_at__isnull=False) if self.value() == "stuck" else open_ones


@admin.register(Delivery)
class DeliveryAdmin(DeliveryActions, CarriedAdmin):
    list_display = (
        *("created", "tenant", "message", "endpoint", "lane", "queue", "state", "attempts"),
        *("until", "outcome_code"),
    )
    list_filter = (TENANT_FILTER, OpenFilter, DeadFilter, WithinFilter)
    list_select_related = ("tenant", "endpoint", "message")
    search_fields = ("id",)
    search_help_text = "Its id, its message's, or the reference it was sent under"
    time_field = "created_at"
    created, until = moment("created_at"), moment("deadline")
    sent, held, settled = moment("sent_at"), moment("held_at"), moment("settled_at")
    stuck, closed = moment("stuck_at"), moment("closed_at")
    fields = (
        *("id", "tenant", "message_link", "endpoint", "lane", "queue", "position", "state"),
        *("created", "until", "sent", "held", "stuck", "settled", "attempts", "reference"),
        *("outcome_code", "outcome_text", "closed", "closed_reason", "behind", "to_do"),
        *("body", "tries"),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.body_view)
        own = [path("<uuid:delivery_id>/body/", view, name="messaging_delivery_body")]
        return [*own, *self.deed_urls(self.admin_site.admin_view), *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Who only looks is offered nothing to do."""
        hidden = () if request.user.has_perm(PERMISSION) else ("to_do",)
        return [name for name in self.fields if name not in hidden]

    @admin.display(description="waits behind")
    @once
    def behind(self, row: Delivery) -> SafeString:
        return waits_behind(row)

    @admin.display(description="what can be done")
    def to_do(self, row: Delivery) -> SafeString:
        return ways(row)

    def body_view(self, request: HttpRequest, delivery_id: UUID) -> HttpResponse:
        """Shows the bytes that are sent to whoever gives a reason."""
        rows = Delivery.objects.select_related("endpoint", "message", "tenant")
        row = get_object_or_404(rows, id=delivery_id)
        back = reverse("admin:messaging_delivery_change", args=(row.id,))
        title = f"What is sent of {row.message} to {row.endpoint}"
        return bodies.page(request, title, back, row.tenant, bodies.of_delivery(row))

    @admin.display(description="what is sent")
    def body(self, row: Delivery) -> SafeString:
        return _body_link("delivery", row.id)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = queryset.filter(id__in=named.find_deliveries(term))
        row_id = _as_id(term)
        if row_id is not None:
            found |= queryset.filter(id=row_id) | queryset.filter(message_id=row_id)
        return found, False

    @admin.display(description="message")
    def message_link(self, row: Delivery) -> str:
        return _link("message", row.message_id)

    @admin.display(description="attempts, newest first")
    @once
    def tries(self, row: Delivery) -> SafeString:
        found = Attempt.objects.filter(tenant_id=row.tenant_id, delivery_id=row.id).order_by("-id")
        lines = (
            (written(a.sent_at), written(a.answered_at), a.outcome, a.status or "-", a.detail)
            for a in found[:SHOWN]
        )
        return table(("sent", "answered", "outcome", "status", "detail"), lines)


@admin.register(Attempt)
class AttemptAdmin(CarriedAdmin):
    """Attempts are indexed by tenant and by delivery, so they are listed of one tenant at a
    time.
    """

    list_display = (
        "sent",
        "tenant",
        "delivery_link",
        "outcome",
        "status",
        "answered",
        "detail",
    )
    list_display_links = None
    sent, answered = moment("sent_at"), moment("answered_at")
    list_filter = (TENANT_FILTER, WithinFilter)
    list_select_related = ("tenant",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        rows: QuerySet[Attempt] = super().get_queryset(request)
        return rows if request.GET.get("tenant__id__exact") else rows.none()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not request.GET.get("tenant__id__exact"):
            self.message_user(request, "Choose a tenant to see its attempts.", messages.INFO)
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    @admin.display(description="delivery")
    def delivery_link(self, row: Attempt) -> str:
        return _link("delivery", row.delivery_id)


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _link(model: str, row_id: UUID) -> SafeString:
    address = reverse(f"admin:messaging_{model}_change", args=(row_id,))
    return format_html('<a class="text-primary-600" href="{}">{}</a>', address, row_id)


def _body_link(model: str, row_id: UUID) -> SafeString:
    address = reverse(f"admin:messaging_{model}_body", args=(row_id,))
    text = "give a reason to see it"
    return format_html('<a class="text-primary-600" href="{}">{}</a>', address, text)


admin.site.index_template = "messaging/first_page.html"
