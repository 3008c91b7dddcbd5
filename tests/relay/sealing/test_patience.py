"""How long the operator is left alone, and that no try is begun too late: by what leaves, and when
the next may.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest

from messaging.models import Attempt, Delivery
from messaging.protocols.neso.wa.exchange import Outcome
from messaging.relay import deliver
from messaging.relay.claim import Claimed
from messaging.relay.deliver import TOO_LATE, Report
from messaging.states import AttemptOutcome, DeliveryState
from messaging.transports.https import _seconds
from tenants.clock import now
from tenants.scope import in_tenant, tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.sealing.both_ends import BothEnds
from tests.relay.sealing.speaking import claim, heard, say, state_of


@pytest.mark.parametrize("asked", [90, 600])
def test_an_operator_that_is_out_is_left_alone_as_long_as_it_asked(
    ends: BothEnds, alice: Person, link: OpenLink, asked: int
) -> None:
    ends.fault("http_503", retryAfter=asked)
    delivery_id = say(link)
    before = now()
    deliver.deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.HELD
    with tenant_scope(alice.tenant_id):
        until = Delivery.objects.get(id=delivery_id).wait_until
    assert until is not None
    assert until >= before + timedelta(seconds=asked)


@pytest.mark.parametrize(("asked", "least"), [(40.0, 40), (None, 0.2), (1_000_000.0, 3600)])
def test_one_to_whom_we_come_too_often_is_left_alone_as_well(
    ends: BothEnds, alice: Person, link: OpenLink, asked: float | None, least: float
) -> None:
    claimed = claim(alice, say(link))
    assert isinstance(claimed, Claimed)
    before = now()
    report = Report(Outcome.FAILED, before, before, 429, "HTTP 429", retry_after=asked)
    in_tenant(alice.tenant_id, lambda: deliver._settle(claimed, report))
    assert state_of(alice, claimed.delivery_id) == DeliveryState.PENDING
    with tenant_scope(alice.tenant_id):
        until = Delivery.objects.get(id=claimed.delivery_id).wait_until
    assert until is not None
    assert until >= before + timedelta(seconds=least)


def test_none_is_left_alone_beyond_the_messages_deadline(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    delivery_id = say(link)
    deadline = now() + timedelta(seconds=20)
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=delivery_id).update(deadline=deadline)
    ends.fault("http_503", retryAfter=600)
    deliver.deliver(alice.tenant_id, delivery_id)
    with tenant_scope(alice.tenant_id):
        row = Delivery.objects.get(id=delivery_id)
    assert (row.state, row.wait_until) == (DeliveryState.HELD, deadline)


def test_what_was_claimed_in_time_and_is_late_when_it_would_leave_does_not_leave(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    claimed = claim(alice, say(link))
    assert isinstance(claimed, Claimed)
    report = deliver._send(replace(claimed, deadline=now()))
    assert (report.detail, report.left, report.status) == (TOO_LATE, False, None)
    assert heard(ends, claimed.reference) == []
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=claimed.delivery_id).update(deadline=now())
    in_tenant(alice.tenant_id, lambda: deliver._settle(claimed, report))
    with tenant_scope(alice.tenant_id):
        attempt = Attempt.objects.get(delivery_id=claimed.delivery_id)
    assert attempt.outcome == AttemptOutcome.FAILED, "nothing of it left"
    deliver.deliver(alice.tenant_id, claimed.delivery_id)
    assert state_of(alice, claimed.delivery_id) == DeliveryState.EXPIRED


def test_how_long_is_said_in_seconds_or_by_a_date() -> None:
    at = now().replace(microsecond=0)
    said = {
        "120": 120.0,
        format_datetime(at + timedelta(seconds=90), usegmt=True): 90.0,
        format_datetime(at - timedelta(seconds=90), usegmt=True): 0.0,
        "soon": None,
        "-5": None,
        "": None,
        "999999999999": None,
    }
    assert {value: _seconds(value, at) for value in said} == said
