"""Every address of the API as the urlconf has it, and what is put into an address to name a row of
somebody's.

Nothing here lists addresses: one that is added is asked about by every test that goes over them.
One whose parameter is not known here fails them, until it is told what row that names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

from django.urls import URLPattern, URLResolver, get_resolver

from messaging.events.models import Webhook
from messaging.models import (
    Connection,
    Delivery,
    Instruction,
    Message,
    OutageNotice,
    StandingHold,
)
from messaging.smp_models import RegisteredAsset, RegisteredUnit, SmpBatch, SmpJob
from tenants.api.door import TenantList, TenantView
from tenants.models import (
    ApiCertificate,
    ApiKey,
    BmUnit,
    Certificate,
    Endpoint,
    FileLogin,
    Member,
)
from tenants.scope import tenant_scope
from tests.people import Person

PREFIX = "/api/v1/"

# Addresses that are the same for everybody, and tell of no tenant.
PUBLIC = {"openapi", "docs"}

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

# What an address's parameter names: some row of the tenant whose scope is open.
ROWS: Mapping[str, Callable[[], UUID]] = {
    "message_id": lambda: Message.objects.order_by("id")[0].id,
    "endpoint_id": lambda: Endpoint.objects.order_by("id")[0].id,
    "control_point_id": lambda: Endpoint.objects.filter(protocol="edl").order_by("id")[0].id,
    "bm_unit_id": lambda: BmUnit.objects.order_by("id")[0].id,
    "certificate_id": lambda: Certificate.objects.order_by("id")[0].id,
    "member_id": lambda: Member.objects.filter(role="OBSERVER").latest("id").id,
    "api_key_id": lambda: ApiKey.objects.filter(label="spare").latest("id").id,
    "file_login_id": lambda: FileLogin.objects.latest("id").id,
    "webhook_id": lambda: Webhook.objects.order_by("id")[0].id,
    "job_id": lambda: SmpJob.objects.latest("id").id,
    "batch_id": lambda: SmpBatch.objects.latest("id").id,
    "asset_id": lambda: RegisteredAsset.objects.latest("id").id,
    "unit_id": lambda: RegisteredUnit.objects.latest("id").id,
    "connection_id": lambda: Connection.objects.order_by("id")[0].id,
    "hold_id": lambda: StandingHold.objects.order_by("id")[0].id,
    "notice_id": lambda: OutageNotice.objects.order_by("id")[0].id,
    "delivery_id": lambda: Delivery.objects.order_by("id")[0].id,
    "instruction_id": lambda: Instruction.objects.order_by("id")[0].id,
    "api_certificate_id": lambda: ApiCertificate.objects.latest("id").id,
}
# A body that the method would take, where it takes one at all.
BODIES: Mapping[tuple[str, str], dict[str, Any]] = {
    ("certificates/requests", "POST"): {"purpose": "SIGNING", "environment": "simulator"},
    ("certificates/<uuid:certificate_id>/answer", "POST"): {"certificate": "x"},
    ("certificates/<uuid:certificate_id>/revoke", "POST"): {"reason": "r"},
    ("endpoints/<uuid:endpoint_id>/next-sequence", "POST"): {
        "agent": "ALITA",
        "next": 7,
        "reason": "the test says so",
    },
    ("bm-units/<uuid:bm_unit_id>", "PATCH"): {"auto_accept": True},
    ("endpoints/<uuid:endpoint_id>/file-logins", "POST"): {"label": "new"},
    ("endpoints/<uuid:endpoint_id>/remote-secret", "PUT"): {"password": "made-up"},
    ("smp/login", "PUT"): {"environment": "simulator", "username": "u", "password": "p"},
    ("smp/jobs/<uuid:job_id>/cancel", "POST"): {"reason": "r"},
    ("smp/batches/<uuid:batch_id>/resolve", "POST"): {"taken": True, "reason": "r"},
    ("smp/assets/<uuid:asset_id>/withdraw", "POST"): {"reason": "r"},
    ("smp/units/<uuid:unit_id>/withdraw", "POST"): {"reason": "r"},
    ("connections/<uuid:connection_id>/end-asking", "POST"): {"reason": "r"},
    ("holds", "POST"): {"reason": "r"},
    ("holds/<uuid:hold_id>/release", "POST"): {"reason": "r"},
    ("outage-notices", "POST"): {"text": "NESO_Health is out"},
    ("outage-notices/<uuid:notice_id>", "PATCH"): {"services": ["Health"]},
    ("webhooks", "POST"): {"url": "https://127.0.0.1:9/hook"},
    ("webhooks/<uuid:webhook_id>", "PATCH"): {"label": "changed"},
    ("alerts", "PUT"): {"addresses": []},
    ("members", "POST"): {"name": "New", "email": "new@tenant.example", "role": "OBSERVER"},
    ("members/<uuid:member_id>", "PATCH"): {"name": "Changed"},
    ("api-keys", "POST"): {"label": "new"},
    ("deliveries/<uuid:delivery_id>/abandon", "POST"): {"reason": "r"},
    ("deliveries/<uuid:delivery_id>/settle", "POST"): {"verdict": "ACCEPTED", "reason": "r"},
    ("deliveries/<uuid:delivery_id>/close", "POST"): {"reason": "r"},
    ("instructions/<uuid:instruction_id>/reject", "POST"): {"reason_code": "R1"},
    ("api-keys/<uuid:api_key_id>", "PATCH"): {"label": "spare"},
}


# Addresses of the process beside the API's: whether it is alive and well, which tells of no tenant.
BESIDE = {"/healthz", "/readyz"}


def routes() -> dict[str, Any]:
    """Every address of the web process as the urlconf has it, with its view's class; those of the
    API without their prefix.
    """

    def below(patterns: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from below(pattern.url_patterns, route)
            elif isinstance(pattern, URLPattern):
                yield route, getattr(pattern.callback, "cls", None)

    found = below(get_resolver("hostsvc.urls").url_patterns, "/")
    return {route.removeprefix(PREFIX): view for route, view in found}


def offered(route: str) -> tuple[str, ...]:
    return tuple(method for method in METHODS if hasattr(ROUTES[route], method.lower()))


def parameters(route: str) -> list[str]:
    return re.findall(r"<\w+:(\w+)>", route)


def named(route: str, **ids: UUID) -> str:
    for name, row_id in ids.items():
        route = re.sub(rf"<\w+:{name}>", str(row_id), route)
    return PREFIX + route


def address(route: str, person: Person) -> str:
    """That of a row of the person's."""
    with tenant_scope(person.tenant_id):
        return named(route, **{name: ROWS[name]() for name in parameters(route)})


ROUTES = routes()
WALLED = sorted(ROUTES.keys() - PUBLIC - BESIDE)
READ = [route for route in WALLED if "GET" in offered(route)]
BY_ID = [route for route in WALLED if parameters(route)]
LISTS = [route for route in READ if issubclass(ROUTES[route], TenantList) and route not in BY_ID]
SINGLE = [route for route in READ if route not in LISTS and route not in BY_ID]
OPERATIONS = [(route, method) for route in WALLED for method in offered(route)]
OPERATIONS_BY_ID = [(route, method) for route, method in OPERATIONS if route in BY_ID]
VIEWS: dict[str, type[TenantView]] = {route: ROUTES[route] for route in WALLED}
