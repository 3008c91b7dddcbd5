"""What every walled row shares: a tenant, a time-ordered id, and a manager that refuses to be used
without a scope.
"""

from __future__ import annotations

from typing import TypeVar

from django.db import models

from tenants.ids import new_id
from tenants.scope import require_scope

M = TypeVar("M", bound=models.Model)


class WalledManager(models.Manager[M]):
    """Raises ScopeError when no tenant scope is open: the loud wall, before the database's silent
    one.
    """

    def get_queryset(self) -> models.QuerySet[M]:
        require_scope()
        return super().get_queryset()


class TenantRow(models.Model):
    """Base of the walled tables. `tenant` comes first in every unique constraint: indexes see
    through row policies.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.PROTECT, related_name="+", db_index=False
    )

    objects = WalledManager()

    class Meta:
        abstract = True
