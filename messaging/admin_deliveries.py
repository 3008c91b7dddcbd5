"""What the vendor's staff do with deliveries, one alone or many at once: replay or close what came
to a bad end, stop what waits, say what the operator decided where it does not. Each with a reason
that the tenant's audit log holds, with who gave it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from messaging.models import Delivery
from messaging.relay import dead_letters
from messaging.relay.dead_letters import NotNow
from messaging.relay.rows import NewDelivery
from messaging.relay.wake import wake
from messaging.states import DEAD, OPEN, UNDELIVERED, DeliveryState, Lane
from tenants import asking
from tenants.clock import now
from tenants.scope import tenant_scope

MOST_AT_ONCE: Final = 200
PERMISSION: Final = "messaging.change_delivery"

Doing = Callable[[UUID, str, datetime, str], Iterable[NewDelivery]]


def _replay(row_id: UUID, reason: str, at: datetime, by: str) -> Iterable[NewDelivery]:
    return [dead_letters.replay(row_id, at, {"by": by, "reason": reason})]


def _stop(row_id: UUID, reason: str, at: datetime, by: str) -> Iterable[NewDelivery]:
    return dead_letters.abandon(row_id, reason, at, {"by": by})


def _accept(row_id: UUID, reason: str, at: datetime, by: str) -> Iterable[NewDelivery]:
    return dead_letters.settle(row_id, reason, at, {"by": by}, accepted=True)


def _reject(row_id: UUID, reason: str, at: datetime, by: str) -> Iterable[NewDelivery]:
    return dead_letters.settle(row_id, reason, at, {"by": by}, accepted=False)


def _close(row_id: UUID, reason: str, at: datetime, by: str) -> Iterable[NewDelivery]:
    dead_letters.close(row_id, reason, at, {"by": by})
    return []


@dataclass(frozen=True, slots=True)
class Deed:
    """`do` raises NotNow; it gives back what is to be woken once it is committed."""

    do: Doing
    title: str
    verb: str
    done: str
    means: str


DEEDS: Final[Mapping[str, Deed]] = {
    "replay": Deed(
        _replay,
        "Try again",
        "Replay",
        "will be tried again",
        "The same message and id, at the end of its queue, with the time that its kind has.",
    ),
    "stop": Deed(
        _stop,
        "Stop",
        "Stop",
        "stopped",
        "Those behind it go on. What is under way may reach the other side all the same.",
    ),
    "accept": Deed(
        _accept,
        "It was accepted",
        "Settle as accepted",
        "settled as accepted",
        "Who sent it is told that the operator accepted it. Ask the operator before.",
    ),
    "reject": Deed(
        _reject,
        "It was rejected",
        "Settle as rejected",
        "settled as rejected",
        "Who sent it is told that the operator rejected it. Ask the operator before.",
    ),
    "close": Deed(
        _close,
        "Close",
        "Close",
        "closed",
        "It is no dead letter any more, and can't be replayed.",
    ),
}


class DeliveryActions:
    """For the page of deliveries."""

    action_form = asking.BesideActionForm
    actions: Any = tuple(DEEDS)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PERMISSION)

    @admin.action(description="Replay (with a reason)", permissions=["operate"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        _do_all(request, queryset, DEEDS["replay"])

    @admin.action(description="Stop (with a reason)", permissions=["operate"])
    def stop(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        _do_all(request, queryset, DEEDS["stop"])

    @admin.action(description="It was accepted (with a reason)", permissions=["operate"])
    def accept(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        _do_all(request, queryset, DEEDS["accept"])

    @admin.action(description="It was rejected (with a reason)", permissions=["operate"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        _do_all(request, queryset, DEEDS["reject"])

    @admin.action(description="Close (with a reason)", permissions=["operate"])
    def close(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        _do_all(request, queryset, DEEDS["close"])

    def deed_urls(self, guarded: Callable[[Any], Any]) -> list[URLPattern]:
        view = guarded(self.deed_view)
        return [
            path(
                f"<uuid:delivery_id>/{name}/",
                view,
                {"name": name},
                name=f"messaging_delivery_{name}",
            )
            for name in DEEDS
        ]

    def deed_view(self, request: HttpRequest, delivery_id: UUID, name: str) -> HttpResponse:
        """Asks for the reason, and does it with this one."""
        asking.require(request, PERMISSION)
        deed = DEEDS[name]
        rows = Delivery.objects.select_related("endpoint", "message", "tenant")
        row = get_object_or_404(rows, id=delivery_id)
        back = reverse("admin:messaging_delivery_change", args=(row.id,))
        form = asking.DeedForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                _do(deed, row.tenant_id, row.id, form.cleaned_data["reason"], request)
            except NotNow as error:
                form.add_error(None, error.text)
            else:
                messages.success(request, f"{row.message}: {deed.done}.")
                return HttpResponseRedirect(back)
        facts = (
            *(("Tenant", row.tenant), ("Message", row.message), ("To", row.endpoint or "nobody")),
            *(("State", row.get_state_display()), ("What it does", deed.means)),
        )
        title = f"{deed.title}: {row.message}"
        return asking.page(request, title, back, facts=facts, form=form, verb=deed.verb)


def ways(row: Delivery) -> SafeString:
    """Links to what can be done with it as it stands."""
    if row.state in DEAD and row.closed_at is None:
        names = ["replay", "close"]
    else:
        names = ["stop"] if row.state in OPEN else []
    if row.state == DeliveryState.DELIVERED and row.lane == Lane.OPERATOR:
        names = ["accept", "reject", *names]
    link = '<a class="text-primary-600" style="margin-right: 1rem" href="{}">{}</a>'
    found = ((reverse(f"admin:messaging_delivery_{n}", args=(row.id,)), n) for n in names)
    return format_html_join("", link, found) or format_html("{}", "-")


def waits_behind(row: Delivery) -> SafeString:
    """The head of its queue, where that is another: until it is through, this one waits."""
    if row.state not in UNDELIVERED or row.endpoint_id is None:
        return format_html("{}", "-")
    queue = Delivery.objects.filter(
        tenant_id=row.tenant_id,
        endpoint_id=row.endpoint_id,
        queue=row.queue,
        state__in=[state.value for state in UNDELIVERED],
    )
    head = queue.select_related("message").order_by("position").first()
    if head is None or head.id == row.id:
        return format_html("{}", "nothing: it is the head of its queue")
    address = reverse("admin:messaging_delivery_change", args=(head.id,))
    text = f"{head.message}, {head.state}, {head.attempts} attempts"
    return format_html('<a class="text-primary-600" href="{}">{}</a>', address, text)


def _do_all(request: HttpRequest, queryset: QuerySet[Delivery], deed: Deed) -> None:
    """Each on its own, in the order they were made: what can't be done is said, and the others
    are.
    """
    reason = asking.reason_beside(request)
    rows = list(queryset.order_by("id").values_list("tenant_id", "id")[: MOST_AT_ONCE + 1])
    if not reason or len(rows) > MOST_AT_ONCE:
        text = asking.SAY_IT if not reason else f"{MOST_AT_ONCE} at a time."
        messages.error(request, text)
        return
    done = 0
    for tenant_id, row_id in rows:
        try:
            _do(deed, tenant_id, row_id, reason, request)
        except NotNow as error:
            messages.error(request, f"{row_id}: {error.text}")
        else:
            done += 1
    if done:
        messages.success(request, f"{done} {deed.done}.")


def _do(deed: Deed, tenant_id: UUID, row_id: UUID, reason: str, request: HttpRequest) -> None:
    """Raises NotNow."""
    by = request.user.get_username()
    with tenant_scope(tenant_id):
        try:
            made = deed.do(row_id, reason, now(), by)
        except Delivery.DoesNotExist:
            raise NotNow("not-found", "It is not there any more.") from None
    wake(made)
