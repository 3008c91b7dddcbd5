"""What the pages of the vendor's admin share: rows that are only looked at, pages that count
nothing, and the one way in which staff write a tenant's rows.

The admin runs under the database role `hostsvc_staff`: it reads across tenants, and the database
lets it write a tenant's row in that tenant's scope only. Bodies of messages are masked (see
audit.viewing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID

from django.contrib import admin
from django.db import connection, models, transaction
from django.db.models import Field, Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.scope import tenant_scope

_PEM_FIELDS = ("pem", "ca")
TENANT_FILTER = ("tenant", AutocompleteSelectFilter)


class StaffAdmin(ModelAdmin):  # type: ignore[misc]
    """No page counts a whole table, neither for its own sake nor beside filters."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_filter_submit = True
    list_per_page = 50
    formfield_overrides = {models.TextField: {"widget": UnfoldAdminTextInputWidget}}

    def formfield_for_dbfield(self, db_field: Field[Any, Any], *args: Any, **kwargs: Any) -> Any:
        """Text is a line, but for what is read from PEM files."""
        if db_field.name in _PEM_FIELDS:
            kwargs["widget"] = UnfoldAdminTextareaWidget
        return super().formfield_for_dbfield(db_field, *args, **kwargs)


class ReadOnlyAdmin(StaffAdmin):
    """Rows that nobody writes here."""

    actions: Any = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class CarriedAdmin(ReadOnlyAdmin):
    """Tables that grow with every message: newest first along an index, whatever is filtered.

    Ids are ordered by time, so across tenants they stand for it; within a tenant it is `time_field`
    that is indexed. No column can be sorted by, and no rows are counted.
    """

    paginator = InfinitePaginator
    sortable_by = ()
    time_field = "id"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Rows are read in the order of an index. Left to itself the planner takes the row policies
        for a filter that few rows pass, and sorts a whole table to show fifty.
        """
        if request.method != "GET":
            answer: HttpResponse = super().changelist_view(request, extra_context)
            return answer
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_sort = off")
            answer = super().changelist_view(request, extra_context)
            if isinstance(answer, TemplateResponse):
                answer.render()
        return answer

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        if request.GET.get("tenant__id__exact"):
            return (f"-{self.time_field}", "-id")
        return ("-id",)


class WalledAdmin(StaffAdmin):
    """Writes go through the tenant's scope and are told in its audit chain, with who made them.

    `told` names the fields whose new values the audit log may hold; of others it holds the name
    only.
    """

    event = Event.REGISTER_CHANGED
    told: tuple[str, ...] = ()

    def tenant_of(self, row: Any) -> UUID:
        tenant_id: UUID = row.tenant_id
        return tenant_id

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: Any) -> None:
        with tenant_scope(self.tenant_of(obj)):
            self.write(obj, form, change)
            verb = "changed" if change else "added"
            self.record(request, obj, verb, form.changed_data)

    def write(self, row: Any, form: ModelForm[Any], change: bool) -> None:
        row.save()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with tenant_scope(self.tenant_of(obj)):
            self.remove(obj)
            self.record(request, obj, "deleted", ())

    def remove(self, row: Any) -> None:
        row.delete()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_model(request, row)

    def record(self, request: HttpRequest, row: Any, verb: str, changed: Iterable[str]) -> None:
        detail: dict[str, object] = {
            "what": f"{row._meta.verbose_name} {row}",
            "verb": verb,
            "fields": ", ".join(changed),
            "by": request.user.get_username(),
        }
        detail |= {name: getattr(row, name) for name in changed if name in self.told}
        ledger.record(Fact(self.event, now(), detail=detail))


class WithinFilter(DropdownFilter):  # type: ignore[misc]
    """The last while, told from the ids: the time is in their first 48 bits."""

    title = "age"
    parameter_name = "within"
    _SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, f"last {name}") for name in self._SPANS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        span = self._SPANS.get(self.value() or "")
        return queryset if span is None else queryset.filter(id__gte=first_id(now() - span))


def first_id(moment: datetime) -> UUID:
    """Lies below every id made at `moment` or later."""
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return UUID(int=milliseconds << 80)


Shown = TypeVar("Shown")


def once(show: Callable[[Any, Any], Shown]) -> Callable[[Any, Any], Shown]:
    """Works a value out once for a row: the theme asks for what is only looked at four times."""
    name = f"_shown_{show.__name__}"

    @wraps(show)
    def shown(page: Any, row: Any) -> Shown:
        if name not in row.__dict__:
            row.__dict__[name] = show(page, row)
        found: Shown = row.__dict__[name]
        return found

    return shown


def moment(name: str) -> Callable[[Any, Any], str]:
    """A column of a time of day that tells milliseconds apart: UTC."""

    @admin.display(description=name.replace("_", " "))
    def shown(page: Any, row: Any) -> str:
        return format_html('<span class="moment">{}</span>', written(getattr(row, name)))

    return shown


def written(value: datetime | None) -> str:
    return "-" if value is None else f"{value:%Y-%m-%d %H:%M:%S.%f}"[:-3]


def table(headings: Iterable[str], rows: Iterable[Iterable[object]]) -> SafeString:
    """Rows of a page's own as an HTML table; every cell is escaped. The last one of a row is the
    one that takes what space there is, and breaks a word that is longer.
    """
    head = _row("th", headings)
    body = format_html_join("", "<tr>{}</tr>", ((_row("td", row),) for row in rows))
    return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, body)


def _row(kind: str, values: Iterable[object]) -> SafeString:
    style = "padding: 2px 12px 2px 0; text-align: left; vertical-align: top"
    cells = list(values)
    wraps = ["break-word"] * (len(cells) - 1) + ["anywhere"]
    return format_html_join(
        "",
        '<{0} style="{2}; overflow-wrap: {3}">{1}</{0}>',
        ((kind, value, style, wrap) for value, wrap in zip(cells, wraps, strict=False)),
    )
