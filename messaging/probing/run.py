"""Runs the test of one endpoint: begins in the tenant's scope, speaks to the peer in none, and
writes down what was found in another. One at a time for each endpoint.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from messaging.endpoint_kinds import LEADS_TO_THE_OPERATOR
from messaging.probing import certificates, control_point
from messaging.probing.operator import Target, try_operator
from messaging.probing.question import Asking
from messaging.probing.report import Colour, Finding, Report, Step
from messaging.probing.trading_point import try_server
from messaging.protocols.base import UnknownProfile
from messaging.protocols.settings import BadSettings
from messaging.relay import breakers, signing
from messaging.relay.codecs import operator_codec
from messaging.relay.file_places import place_of
from messaging.relay.register import FILE_PROTOCOL, LEGACY_PROTOCOL
from messaging.relay.rows import NewDelivery
from messaging.relay.settings import operator_settings
from messaging.relay.wake import wake
from messaging.transports.connecting import Guard
from tenants import endpoints
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.certificates import CertificateMissing
from tenants.clock import now
from tenants.ids import new_id
from tenants.models import Certificate, ConnectionTest, Endpoint
from tenants.scope import ScopeError, current_tenant, in_tenant

GIVES_WAY_AFTER = timedelta(seconds=60)
"""A test that has not ended by then has lost its process."""

_BEGIN = """
INSERT INTO tenants_connectiontest (id, tenant_id, endpoint_id, started_at, started_by, colour)
VALUES (%(id)s, %(tenant)s, %(endpoint)s, %(at)s, %(by)s, '')
ON CONFLICT (tenant_id, endpoint_id) DO UPDATE
SET started_at = excluded.started_at, started_by = excluded.started_by, finished_at = NULL
WHERE tenants_connectiontest.finished_at IS NOT NULL
   OR tenants_connectiontest.started_at < %(stale)s
RETURNING id
"""


class NoSuchEndpoint(LookupError):
    """The tenant has no endpoint of this id."""


class TestUnderWay(Exception):
    """Another test of the same endpoint has not ended yet."""

    __test__ = False


@dataclass(frozen=True, slots=True)
class _Begun:
    endpoint: Endpoint
    at: datetime
    work: Callable[[], list[Step]]


def run(tenant_id: UUID, endpoint_id: UUID, by: str, guard: Guard | None = None) -> Report:
    """Raises NoSuchEndpoint or TestUnderWay. Takes up to half a minute, so no scope may be open."""
    if current_tenant() is not None or connection.in_atomic_block:
        raise ScopeError("a connection is not tested with a transaction open")
    begun = in_tenant(tenant_id, lambda: _begin(tenant_id, endpoint_id, by, guard))
    began = time.monotonic()
    steps = begun.work()
    took = round((time.monotonic() - began) * 1000, 1)
    row = begun.endpoint
    report = Report(
        row.name, row.protocol, row.environment, row.address, begun.at, took, tuple(steps)
    )
    wake(in_tenant(tenant_id, lambda: _finish(begun, by, report)))
    return report


def last_report(endpoint_id: UUID) -> ConnectionTest | None:
    """The last test of an endpoint that the caller may see."""
    return ConnectionTest.objects.filter(endpoint_id=endpoint_id).first()


def _begin(tenant_id: UUID, endpoint_id: UUID, by: str, guard: Guard | None) -> _Begun:
    row = Endpoint.objects.filter(id=endpoint_id, tenant_id=tenant_id).first()
    if row is None:
        raise NoSuchEndpoint
    at = now()
    values: dict[str, Any] = {
        "id": new_id(),
        "tenant": tenant_id,
        "endpoint": endpoint_id,
        "at": at,
        "by": by,
        "stale": at - GIVES_WAY_AFTER,
    }
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, values)
        if cursor.fetchone() is None:
            raise TestUnderWay
    _tell(row, at, by, {"phase": "begun", "address": row.address})
    if row.protocol == LEGACY_PROTOCOL:
        steps = control_point.look_at(row, at)
        return _Begun(row, at, lambda: steps)
    if row.protocol == FILE_PROTOCOL and (remote := place_of(row).remote) is not None:
        return _Begun(row, at, lambda: try_server(remote, guard))
    target = _target(row, at)
    if target is None:
        nothing = Finding(Colour.GREY, "the host does not connect to endpoints of this protocol")
        return _Begun(row, at, lambda: [Step("protocol", nothing)])
    return _Begun(row, at, lambda: try_operator(target, guard))


def _target(row: Endpoint, at: datetime) -> Target | None:
    """What is to be tried, with the keys for it; None for what the host does not connect to."""
    kind = endpoints.find_kind(row.protocol)
    if kind is None or not kind.leads_out:
        return None
    ours = _our_certificates(at)
    try:
        credentials = signing.credentials_for(row)
        settings, codec = operator_settings(row.settings), operator_codec(row.settings)
    except CertificateMissing as error:
        return Target(row.address, ours, None, None, f"not tried: {error}")
    except (BadSettings, UnknownProfile) as error:
        return Target(row.address, ours, None, None, f"not tried: bad settings: {error}")
    context = credentials.connection.context
    if row.protocol not in LEADS_TO_THE_OPERATOR:
        why_not = "not tried: this protocol has no question without an effect"
        return Target(row.address, ours, context, None, why_not)
    return Target(row.address, ours, context, Asking(row.address, settings, codec, credentials))


def _our_certificates(at: datetime) -> Finding:
    purposes = (Certificate.Purpose.SO_CLIENT, Certificate.Purpose.SIGNING)
    rows = Certificate.objects.filter(purpose__in=purposes, state=Certificate.State.ACTIVE)
    pems = {Certificate.Purpose(row.purpose): row.pem for row in rows.only("purpose", "pem")}
    missing = [purpose.label for purpose in purposes if purpose not in pems]
    if missing:
        return Finding(Colour.RED, f"there is none for {' and '.join(missing)}")
    return certificates.of_ours({one.label: pems[one] for one in purposes}, at)


def _finish(begun: _Begun, by: str, report: Report) -> tuple[NewDelivery, ...]:
    """Returns what may go: a way that is seen to be good is tried no further by its breaker."""
    at = now()
    ConnectionTest.objects.filter(endpoint=begun.endpoint, started_at=begun.at).update(
        finished_at=at, colour=report.colour.value, report=report.as_json()
    )
    colours = {step.name: step.colour.value for step in report.steps}
    detail = {"phase": "ended", "colour": report.colour.value, "steps": json.dumps(colours)}
    _tell(begun.endpoint, at, by, detail)
    if report.colour is not Colour.GREEN:
        return ()
    text = f"{by} tested the connection, and it is good"
    return breakers.close(begun.endpoint.id, at, text, by)


def _tell(row: Endpoint, at: datetime, by: str, detail: Mapping[str, object]) -> None:
    who = {"endpoint": row.id, "what": f"endpoint {row}", "protocol": row.protocol, "by": by}
    ledger.record(Fact(Event.CONNECTION_TESTED, at, detail={**who, **detail}))
