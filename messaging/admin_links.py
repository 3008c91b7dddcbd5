"""The vendor's page on links of control points, and how a lamp is shown wherever one is."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter

from messaging.lamps import Lamp, lamp_of, since_of
from messaging.models import Link
from tenants.models import Endpoint
from tenants.staff import (
    TENANT_FILTER,
    ReadOnlyAdmin,
    moment,
    written,
)

_SPOTS = {"green": "#16a34a", "yellow": "#ca8a04", "red": "#dc2626", "grey": "#9ca3af"}
_LAMPS = {Lamp.UP: "green", Lamp.DOWN: "red", Lamp.NEVER: "grey"}


def spot(colour: str, text: str = "") -> SafeString:
    """Told in words too: not everybody sees the colour."""
    return format_html('<span style="color: {}">&#9679;</span> {}', _SPOTS[colour], text or colour)


def lamp_shown(row: Endpoint | Link) -> SafeString:
    """Told in words too, as above."""
    lamp, since = lamp_of(row), since_of(row)
    text = lamp.label if since is None else f"{lamp.label} since {since:%Y-%m-%d %H:%M:%S}"
    return format_html(
        '<span style="color: {}">&#9679;</span> {}', _SPOTS[_LAMPS[lamp]], text.lower()
    )


class LampFilter(DropdownFilter):  # type: ignore[misc]
    title = "lamp"
    parameter_name = "lamp"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("up", "up"), ("down", "down")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Link]) -> QuerySet[Link]:
        if self.value() not in {"up", "down"}:
            return queryset
        return queryset.filter(gateway__isnull=self.value() == "down")


@admin.register(Link)
class LinkAdmin(ReadOnlyAdmin):
    """Control points that have connected, with their lamps; of those that never have, the
    endpoint's own row tells.
    """

    list_display = (
        *("lamp", "tenant", "endpoint", "since", "alarmed", "address"),
        *("last_taken", "last_given"),
    )
    list_filter = (TENANT_FILTER, LampFilter)
    list_select_related = ("tenant", "endpoint")
    ordering = ("tenant_id", "id")
    up, down, alarmed = moment("up_at"), moment("down_at"), moment("alarmed_at")
    fields = (
        *("tenant", "endpoint", "lamp", "since", "up", "down", "alarmed", "address"),
        *("last_taken", "last_given", "epoch"),
    )

    @admin.display(description="lamp")
    def lamp(self, row: Link) -> SafeString:
        return lamp_shown(row)

    @admin.display(description="since")
    def since(self, row: Link) -> str:
        return written(since_of(row))
