"""What becomes of a delivery whose way out is not allowed, or whose endpoint has settings that are
none.
"""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from django.test import override_settings

from messaging.models import Attempt, Delivery, Due
from messaging.relay.claim import NotClaimed
from messaging.relay.deliver import deliver, take_in_hand
from messaging.states import AttemptOutcome, DeliveryState
from tenants.audit.models import Entry
from tenants.models import Endpoint
from tenants.scope import in_tenant, tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.test_from_control_point import mel


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
    Due.objects.all().delete()


def say(link: OpenLink) -> UUID:
    (made,) = link.say(mel("ALICP1-1")).deliveries
    return made.id


def test_a_refused_address_is_a_failed_attempt_with_its_reason_in_the_chain(
    alice: Person, link: OpenLink
) -> None:
    delivery_id = say(link)
    with override_settings(ALLOWED_NETWORKS=()):
        deliver(alice.tenant_id, delivery_id)
    with tenant_scope(alice.tenant_id):
        row = Delivery.objects.get(id=delivery_id)
        attempt = Attempt.objects.get(delivery_id=delivery_id)
        entry = Entry.objects.filter(delivery_id=delivery_id).order_by("-seq")[0]
    assert row.state == DeliveryState.PENDING, "the vendor may yet allow it"
    assert attempt.outcome == AttemptOutcome.FAILED
    assert "127.0.0.1 is loopback" in attempt.detail
    told = json.loads(bytes(entry.record))
    assert told["event"] == "unanswered"
    assert "the vendor does not allow that network" in told["detail"]["text"]


def test_negative_control_where_it_is_allowed_the_attempt_fails_for_another_reason(
    alice: Person, link: OpenLink
) -> None:
    """Nothing listens there: without the guard it is the peer that is missing."""
    delivery_id = say(link)
    deliver(alice.tenant_id, delivery_id)
    with tenant_scope(alice.tenant_id):
        attempt = Attempt.objects.get(delivery_id=delivery_id)
    assert "takes no connection" in attempt.detail


@pytest.mark.parametrize(
    "settings", [{"seal": "rot13"}, {"answer_seconds": "soon"}, {"profile": "host-0"}]
)
def test_settings_that_are_none_are_alarmed_and_nothing_is_sent(
    alice: Person, link: OpenLink, settings: dict[str, object]
) -> None:
    """They can't be written any more; an older version, or a hand in the database, may have."""
    delivery_id = say(link)
    with tenant_scope(alice.tenant_id):
        operator = Endpoint.objects.filter(protocol="neso-wa")
        operator.update(settings=settings)
    try:
        taken = in_tenant(alice.tenant_id, lambda: take_in_hand(delivery_id, 1))
    finally:
        with tenant_scope(alice.tenant_id):
            operator.update(settings={})
    assert isinstance(taken, NotClaimed)
    with tenant_scope(alice.tenant_id):
        entry = Entry.objects.filter(delivery_id=delivery_id).order_by("-seq")[0]
    told = json.loads(bytes(entry.record))
    assert told["event"] == "alarmed"
    assert "cannot be sent" in told["detail"]["alarm"]
