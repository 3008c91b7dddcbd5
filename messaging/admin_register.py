"""The register's pages of tenants and endpoints, with what the register itself knows nothing of:
what is wrong now, lamps, and connection tests.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action

from messaging.admin_deeds import EndpointActions
from messaging.admin_links import lamp_shown, spot
from messaging.lamps import with_links
from messaging.overview.wrong import find_wrong
from messaging.probing.run import NoSuchEndpoint, TestUnderWay, last_report, run
from messaging.relay.register import LEGACY_PROTOCOL
from tenants.admin import EndpointAdmin, TenantAdmin
from tenants.models import ConnectionTest, Endpoint, Tenant
from tenants.staff import (
    once,
    table,
)

HEALTH_SHOWN = 1_000
"""Of each kind of trouble, those that the list of tenants tells of."""

admin.site.unregister(Endpoint)
admin.site.unregister(Tenant)


@admin.register(Tenant)
class WatchedTenantAdmin(TenantAdmin):
    """The register's page, with what is wrong at a tenant now."""

    list_display = (*TenantAdmin.list_display[:-1], "health")
    fields = (*TenantAdmin.fields, "wrong_now", "deeds")
    readonly_fields = (*TenantAdmin.readonly_fields, "wrong_now", "deeds")

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """What is wrong is found once for all rows of a page."""
        page: ChangeList = super().get_changelist_instance(request)
        found = find_wrong(HEALTH_SHOWN).by_tenant()
        for row in page.result_list:
            row.wrong = found.get(row.id, [])
        return page

    @admin.display(description="what is wrong now")
    @once
    def wrong_now(self, row: Tenant) -> str:
        found = find_wrong(HEALTH_SHOWN, row.id).by_tenant()
        return ", ".join([*found.get(row.id, ()), *found.get(None, ())]) or "nothing"

    @admin.display(description="who did what")
    def deeds(self, row: Tenant) -> SafeString:
        address = f"{reverse('admin:audit_chain_deeds')}?tenant={row.id}"
        return format_html('<a class="text-primary-600" href="{}">of this tenant</a>', address)

    @admin.display(description="health")
    def health(self, row: Any) -> SafeString:
        return spot("red" if row.wrong else "green", ", ".join(row.wrong) or "well")


@admin.register(Endpoint)
class TestedEndpointAdmin(EndpointActions, EndpointAdmin):
    """The register's page, with what the register knows nothing of: tests, links and holds."""

    __test__ = False
    list_display = (*EndpointAdmin.list_display, "lamp")
    actions_detail = ("to_connection_test",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        return with_links(super().get_queryset(request))

    @admin.display(description="link")
    def lamp(self, row: Endpoint) -> SafeString | str:
        """Of a control point."""
        return lamp_shown(row) if row.protocol == LEGACY_PROTOCOL else ""

    @action(description="Connection test", url_path="to-connection-test")  # type: ignore[untyped-decorator]
    def to_connection_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Leads to the page. A link tests nothing: that takes its button."""
        return HttpResponseRedirect(reverse("admin:tenants_endpoint_test", args=[object_id]))

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.connection_test)
        name = "tenants_endpoint_test"
        return [path("<uuid:object_id>/connection-test/", page, name=name), *super().get_urls()]

    def connection_test(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Shows the last report; by its button, makes a new one."""
        row = self.get_object(request, str(object_id))
        if row is None:
            raise Http404
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        if request.method == "POST":
            self._test(request, row)
            return HttpResponseRedirect(request.path)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Connection test of {row}",
            "opts": self.opts,
            "original": row,
            "last": last_report(row.id),
            "report": _report_table(last_report(row.id)),
        }
        return TemplateResponse(request, "messaging/connection_test.html", context)

    def _test(self, request: HttpRequest, row: Endpoint) -> None:
        try:
            report = run(row.tenant_id, row.id, request.user.get_username())
        except TestUnderWay:
            self.message_user(request, "A test of it is under way.", messages.WARNING)
        except NoSuchEndpoint:
            raise Http404 from None
        else:
            self.message_user(request, f"Tested: {report.colour.value}.")


def _report_table(test: ConnectionTest | None) -> SafeString:
    steps = (test.report or {}).get("steps", ()) if test else ()
    rows = (
        (spot(one["colour"]), one["name"], one["text"], one["milliseconds"] or "", _more(one))
        for one in steps
    )
    return table(("", "step", "found", "ms", "detail"), rows)


def _more(step: dict[str, Any]) -> SafeString | str:
    if not step["detail"]:
        return ""
    text = json.dumps(step["detail"], indent=2, ensure_ascii=False)
    shown = "<details><summary>more</summary><pre>{}</pre></details>"
    return format_html(shown, text)
