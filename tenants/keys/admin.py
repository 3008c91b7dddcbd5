"""The vendor's page on tenants' certificates: where each stands, how long it lasts, and the two
things staff may do to one, with a reason. Private keys are not so much as read from the database.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from tenants import asking
from tenants.clock import now
from tenants.keys import expiry, store
from tenants.keys.life import VERIFYING, CertificateState, MoveRefused
from tenants.models import Certificate
from tenants.scope import tenant_scope
from tenants.staff import TENANT_FILTER, ReadOnlyAdmin, once, table


@admin.register(Certificate)
class CertificateAdmin(ReadOnlyAdmin):
    action_form = asking.BesideActionForm
    actions = ("revoke", "switch")
    list_display = (
        *("thumbprint", "tenant", "environment", "purpose", "state", "endpoint", "not_after"),
        *("days_left", "switch_at", "has_key"),
    )
    list_filter = (TENANT_FILTER, "environment", "purpose", "state")
    list_select_related = ("tenant", "endpoint")
    ordering = ("-id",)
    fields = (
        *("tenant", "environment", "purpose", "state", "endpoint", "thumbprint", "has_key"),
        *("not_before", "not_after", "days_left", "switch_at", "ended_at", "reason"),
        *("told", "request", "pem"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Certificate]:
        rows: QuerySet[Certificate] = super().get_queryset(request)
        return rows.defer("private_key").annotate(key_held=Q(private_key__isnull=False))

    def has_move_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tenants.change_certificate")

    @admin.display(description="SHA-256")
    def thumbprint(self, row: Certificate) -> str:
        return bytes(row.fingerprint).hex() if row.fingerprint else "(requested)"

    @admin.display(description="key held", boolean=True)
    def has_key(self, row: Any) -> bool:
        return bool(row.key_held)

    @admin.display(description="days left")
    def days_left(self, row: Certificate) -> str:
        if row.not_after is None or CertificateState(row.state) not in VERIFYING:
            return "-"
        return str(expiry.days_left(row.not_after, now()))

    @admin.display(description="told of its end")
    @once
    def told(self, row: Certificate) -> str:
        notices = row.notices.order_by("-days")
        lines = ((notice.days, f"{notice.at:%Y-%m-%d %H:%M:%S}") for notice in notices)
        return table(("days before", "told at (UTC)"), lines)

    @admin.action(description="Revoke (with a reason)", permissions=["move"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Certificate]) -> None:
        self._move(request, queryset, "revoked", store.revoke)

    @admin.action(description="Switch over to it now (with a reason)", permissions=["move"])
    def switch(self, request: HttpRequest, queryset: QuerySet[Certificate]) -> None:
        self._move(
            request, queryset, "switched to", lambda row, why, by: store.switch(row, by, why)
        )

    def _move(self, request: HttpRequest, rows: QuerySet[Certificate], did: str, move: Any) -> None:
        """Each in its own tenant's scope; what can't be moved is said, and the others are."""
        reason = asking.reason_beside(request)
        if not reason:
            self.message_user(request, asking.SAY_IT, messages.ERROR)
            return
        for row in rows:
            try:
                with tenant_scope(row.tenant_id):
                    move(row, reason, request.user.get_username())
            except MoveRefused as error:
                self.message_user(request, f"{row}: {error}", messages.ERROR)
            except store.NotYetValid:
                self.message_user(request, f"{row}: its time has not begun.", messages.ERROR)
            else:
                self.message_user(request, f"{row} of {row.tenant} is {did}.", messages.SUCCESS)
