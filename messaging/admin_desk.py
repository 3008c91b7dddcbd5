"""The vendor's pages on what is in force of BM units, and on data that was missing at a gate."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from messaging.api.content import as_json
from messaging.api.in_force import parameter_of
from messaging.models import Declared, GateAlarm
from tenants import directory
from tenants.clock import now
from tenants.staff import (
    TENANT_FILTER,
    CarriedAdmin,
    WithinFilter,
    moment,
    once,
    table,
)

SHOWN = 200
"""Rows of a table within a page."""


@admin.register(Declared)
class DeclaredAdmin(CarriedAdmin):
    """What is in force of BM units. Rows are one for each parameter and stay, so the order of their
    ids is that in which units first declared something.
    """

    list_display = ("bm_unit", "parameter", "tenant", "declared", "doubt")
    list_filter = (TENANT_FILTER,)
    list_select_related = ("tenant",)
    search_fields = ("id",)
    search_help_text = "The name of a BM unit."
    time_field = "id"
    declared = moment("declared_at")
    fields = ("id", "tenant", "bm_unit", "parameter", "declared", "doubt", "holds")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Declared], search_term: str
    ) -> tuple[QuerySet[Declared], bool]:
        """Within the tenant whose unit it is: along an index."""
        name = search_term.strip().upper()
        if not name:
            return queryset, False
        tenant_id = directory.find_tenant(directory.Known.BM_UNIT, name.encode())
        if tenant_id is None:
            return queryset.none(), False
        return queryset.filter(tenant_id=tenant_id, bm_unit=name), False

    @admin.display(description="in force, now and later")
    @once
    def holds(self, row: Declared) -> SafeString:
        told = parameter_of(row, now())
        held = [*told.levels, *told.rates, *told.values, *told.pairs]
        lines = [as_json(one) for one in held[:SHOWN]]
        for line in lines:
            del line["type"]
        return table(lines[0] if lines else ("nothing",), (line.values() for line in lines))


@admin.register(GateAlarm)
class GateAlarmAdmin(CarriedAdmin):
    list_display = ("alarmed", "tenant", "bm_unit", "period", "missing", "arrived")
    list_filter = (TENANT_FILTER, WithinFilter)
    list_select_related = ("tenant",)
    time_field = "alarmed_at"
    alarmed, arrived, period = moment("alarmed_at"), moment("arrived_at"), moment("period_start")
    fields = ("id", "tenant", "bm_unit", "period", "missing", "alarmed", "arrived")
