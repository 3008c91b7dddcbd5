"""The two roles of the vendor's staff, as groups with exactly the permissions said here. They are
made anew after every migration, so that what was added by hand does not last.

Whoever looks after the staff's own accounts is a superuser, and is in neither group's gift.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin

ADMINISTRATOR = "administrator"
SUPPORT = "support"

# Pages that tell of the staff themselves.
_NOT_SHOWN = frozenset({"auth"})

# Bodies take a reason besides, from everybody (see tenants.audit.viewing).
_BOTH = frozenset({"audit.view_body"})

# What administrators write: everything else they look at. Keys are added on the tenant's page, for
# a tenant that has no owner.
_WRITES = frozenset(
    {
        "tenants.change_tenant",
        "tenants.add_endpoint",
        "tenants.change_endpoint",
        "tenants.add_bmunit",
        "tenants.change_bmunit",
        "tenants.delete_bmunit",
        "tenants.add_peer",
        "tenants.change_peer",
        "tenants.add_peercertificate",
        "tenants.change_peercertificate",
        "tenants.add_apikey",
        "messaging.change_agentsequence",
        "messaging.change_connection",
        "messaging.change_delivery",
        "messaging.change_smpbatch",
        "messaging.add_systemnotice",
        "messaging.change_systemnotice",
        "messaging.add_standinghold",
        "messaging.change_standinghold",
        "messaging.add_maintenance",
        "messaging.change_maintenance",
    }
)


def permissions() -> Mapping[str, frozenset[str]]:
    """Of each group: support looks at every page, administrators also write."""
    pages = (model._meta for model in admin.site._registry)
    views = {f"{m.app_label}.view_{m.model_name}" for m in pages if m.app_label not in _NOT_SHOWN}
    reads = _BOTH | views
    return {SUPPORT: reads, ADMINISTRATOR: reads | _WRITES}


def make_groups(**_: Any) -> None:
    """Receiver of the last application's post_migrate: by then all permissions are there."""
    from django.contrib.auth.models import Group, Permission

    known = {
        f"{row.content_type.app_label}.{row.codename}": row
        for row in Permission.objects.select_related("content_type")
    }
    if not permissions()[ADMINISTRATOR] <= known.keys():
        return
    for name, wanted in permissions().items():
        group = Group.objects.get_or_create(name=name)[0]
        group.permissions.set([known[one] for one in wanted])
