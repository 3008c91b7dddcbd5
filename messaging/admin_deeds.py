"""What the vendor's staff do to several endpoints at once: hold and release them, with a reason
that the tenant's audit log holds, and test connections. What they do with deliveries is not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from messaging.models import Delivery
from messaging.probing.run import NoSuchEndpoint, TestUnderWay, run
from messaging.relay import holds
from messaging.relay.holds import NotHeld
from messaging.states import DEAD
from tenants import asking
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import tenant_scope

MOST_TESTED = 3
"""At once: each may take twenty seconds."""


class DeadFilter(DropdownFilter):  # type: ignore[misc]
    """Along the index of what came to a bad end and was not closed."""

    title = "dead letters"
    parameter_name = "dead"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "came to a bad end")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        if self.value() != "yes":
            return queryset
        return queryset.filter(state__in=[state.value for state in DEAD], closed_at=None)


class EndpointActions:
    """For the page of endpoints."""

    action_form = asking.BesideActionForm
    actions: Any = ("test", "hold", "release")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("messaging.change_standinghold")

    def has_test_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tenants.change_endpoint")

    @admin.action(description="Connection test", permissions=["test"])
    def test(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        rows = list(queryset[: MOST_TESTED + 1])
        if len(rows) > MOST_TESTED:
            messages.error(request, f"{MOST_TESTED} at a time: each may take twenty seconds.")
            return
        for row in rows:
            try:
                report = run(row.tenant_id, row.id, request.user.get_username())
            except (TestUnderWay, NoSuchEndpoint):
                messages.warning(request, f"{row}: a test of it is under way.")
            else:
                messages.info(request, f"{row}: {report.colour.value}.")

    @admin.action(description="Hold (with a reason)", permissions=["operate"])
    def hold(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        """What goes to it, and what came from it to the operator, waits."""
        for row, reason in _each(request, queryset):
            with tenant_scope(row.tenant_id):
                holds.place(reason, request.user.get_username(), now(), endpoint_id=row.id)
            messages.success(request, f"{row} of {row.tenant} is held.")

    @admin.action(description="Release (with a reason)", permissions=["operate"])
    def release(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        """Ends the holds that stand on these endpoints; others may still keep things back."""
        for row, reason in _each(request, queryset):
            released = _release(row, reason, request.user.get_username())
            text = f"{released} released" if released else "none stands"
            messages.info(request, f"Holds of {row} of {row.tenant}: {text}.")


def _release(row: Endpoint, reason: str, by: str) -> int:
    released = 0
    with tenant_scope(row.tenant_id):
        for hold in holds.standing().filter(endpoint_id=row.id):
            try:
                holds.release(hold, reason, by, now())
            except NotHeld:
                continue
            released += 1
    return released


def _each(request: HttpRequest, queryset: QuerySet[Endpoint]) -> Iterator[tuple[Endpoint, str]]:
    """The rows with the reason; none without one."""
    reason = asking.reason_beside(request)
    if not reason:
        messages.error(request, asking.SAY_IT)
        return
    for row in queryset:
        yield row, reason
