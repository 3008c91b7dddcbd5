"""What the vendor's staff do to several rows at once, each with a reason that its tenant's audit
log holds: replay deliveries, hold endpoints and release them, test connections.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import CharField
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminTextInputWidget

from messaging.models import Delivery
from messaging.probing.run import NoSuchEndpoint, TestUnderWay, run
from messaging.relay import dead_letters, holds
from messaging.relay.holds import NotHeld
from messaging.relay.wake import wake
from messaging.states import DEAD
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import tenant_scope

MOST_REPLAYED = 200
MOST_TESTED = 3
"""At once: each may take twenty seconds."""
_LONGEST_REASON = 200


class ReasonForm(ActionForm):  # type: ignore[misc]
    reason = CharField(
        required=False,
        max_length=_LONGEST_REASON,
        label="Reason",
        widget=UnfoldAdminTextInputWidget,
    )


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


class ReplayActions:
    """For the page of deliveries."""

    action_form = ReasonForm
    actions: Any = ("replay",)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("messaging.change_delivery")

    @admin.action(description="Replay (with a reason)", permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """What can't be replayed is said, and the others are."""
        reason = _reason(request)
        rows = list(queryset.order_by("tenant_id", "id").values_list("tenant_id", "id")[:201])
        if not reason or len(rows) > MOST_REPLAYED:
            text = "Say the reason, beside the action." if not reason else "200 at a time."
            messages.error(request, text)
            return
        by = {"by": request.user.get_username(), "reason": reason}
        for tenant_id, found in groupby(rows, key=lambda row: row[0]):
            self._replay(request, tenant_id, [row_id for _, row_id in found], by)

    def _replay(
        self, request: HttpRequest, tenant_id: UUID, ids: list[UUID], by: dead_letters.By
    ) -> None:
        with tenant_scope(tenant_id):
            done = dead_letters.replay_all(ids, now(), by)
        wake(done.made)
        if done.made:
            messages.success(request, f"{len(done.made)} will be tried again.")
        for row_id, why in done.left:
            messages.error(request, f"{row_id}: {why.text}")


class EndpointActions:
    """For the page of endpoints."""

    action_form = ReasonForm
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
    reason = _reason(request)
    if not reason:
        messages.error(request, "Say the reason, beside the action.")
        return
    for row in queryset:
        yield row, reason


def _reason(request: HttpRequest) -> str:
    return str(request.POST.get("reason", "")).strip()[:_LONGEST_REASON]
