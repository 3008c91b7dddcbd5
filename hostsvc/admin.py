"""The vendor's staff themselves, in the admin's own theme. Whoever changes one is told of in the
house's chain.
"""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.ids import HOUSE
from tenants.scope import tenant_scope

admin.site.unregister(User)
admin.site.unregister(Group)


class _Told(admin.ModelAdmin):  # type: ignore[type-arg]
    """What Django notes for itself is told in the house's chain too: which fields were changed,
    never to what.
    """

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _record(request, obj, "added", message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _record(request, obj, "changed", message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for row in queryset:
            _record(request, row, "deleted", "")
        return super().log_deletions(request, queryset)


def _record(request: HttpRequest, row: Model, verb: str, message: Any) -> None:
    written = json.dumps(message) if isinstance(message, list) else message
    detail = {
        "what": f"staff {row._meta.verbose_name} {row}",
        "verb": verb,
        "fields": LogEntry(change_message=written).get_change_message(),
        "by": request.user.get_username(),
    }
    with tenant_scope(HOUSE):
        ledger.record(Fact(Event.REGISTER_CHANGED, now(), detail=detail))


@admin.register(User)
class StaffUserAdmin(_Told, UserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class StaffGroupAdmin(_Told, GroupAdmin, ModelAdmin):  # type: ignore[misc]
    pass
