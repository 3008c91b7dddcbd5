"""When a message is said to have been sent on a control point's link: when its gateway gave its
first byte to the socket; as far as that is not known, when it was committed to be sent.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from messaging.domain.acknowledgements import FreeText
from messaging.models import Attempt, Delivery, Due, Message
from messaging.overview.timeline import hops_of
from messaging.relay import links, route
from messaging.relay.rows import NewDelivery
from messaging.states import DeliveryState
from tenants.audit.events import stamp
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.scope import in_tenant, tenant_scope
from tests.metrics.test_measures import value
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link

TICK = timedelta(milliseconds=7)


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
    Due.objects.all().delete()


@pytest.fixture
def told(alice: Person, link: OpenLink) -> NewDelivery:
    """A text that was numbered and committed as it was made."""
    point = link.hold.control_point
    return in_tenant(
        alice.tenant_id, lambda: route.tell(point, FreeText(point.name, "hello"), now())
    )


def number_of(made: NewDelivery) -> int:
    assert made.numbered is not None
    return made.numbered.number


def row_of(person: Person, made: NewDelivery) -> Delivery:
    with tenant_scope(person.tenant_id):
        return Delivery.objects.get(id=made.id)


def sent_at(person: Person, made: NewDelivery) -> datetime:
    found = row_of(person, made).sent_at
    assert found is not None
    return found


def tried(person: Person, made: NewDelivery) -> Attempt:
    with tenant_scope(person.tenant_id):
        return Attempt.objects.get(delivery_id=made.id)


def hops(person: Person, made: NewDelivery) -> str:
    with tenant_scope(person.tenant_id):
        return hops_of(Message.objects.get(id=row_of(person, made).message_id))


def test_it_is_the_first_byte_in_rows_entry_metrics_and_time_line(
    alice: Person, link: OpenLink, told: NewDelivery
) -> None:
    left_at = sent_at(alice, told) + TICK
    before = value("hostsvc_hop_seconds_sum", lane="link", hop="wait")
    links.acknowledge(link.hold, number_of(told), left_at + TICK, left_at)
    attempt = tried(alice, told)
    assert (attempt.sent_at, sent_at(alice, told)) == (left_at, left_at)
    with tenant_scope(alice.tenant_id):
        (answered,) = Entry.objects.filter(delivery_id=told.id, event="answered")
    assert json.loads(bytes(answered.record))["detail"]["sent_at"] == stamp(left_at)
    waited = (left_at - attempt.received_at).total_seconds()
    after = value("hostsvc_hop_seconds_sum", lane="link", hop="wait")
    assert after - before == pytest.approx(waited)
    assert f"{waited * 1000:.1f} ms" in hops(alice, told)


def test_a_refusal_tells_it_too(alice: Person, link: OpenLink, told: NewDelivery) -> None:
    left_at = sent_at(alice, told) + TICK
    links.refused(link.hold, number_of(told), "R001", "what?", left_at + TICK, left_at)
    assert (tried(alice, told).sent_at, sent_at(alice, told)) == (left_at, left_at)


@pytest.mark.parametrize("left", [None, -TICK], ids=["not known", "by a clock that is behind"])
def test_it_is_never_before_the_commit(
    alice: Person, link: OpenLink, told: NewDelivery, left: timedelta | None
) -> None:
    committed = sent_at(alice, told)
    left_at = committed + left if left else None
    links.acknowledge(link.hold, number_of(told), committed + TICK, left_at)
    assert (tried(alice, told).sent_at, sent_at(alice, told)) == (committed, committed)


def test_what_a_lost_link_left_without_an_answer_keeps_it_for_the_repeat(
    alice: Person, link: OpenLink, told: NewDelivery
) -> None:
    left_at = sent_at(alice, told) + TICK
    assert "no answer" in hops(alice, told)
    links.close_link(link.hold, "a test", {number_of(told): left_at})
    assert sent_at(alice, told) == left_at
    again = open_link(alice, link.hold.control_point.name, number_of(told))
    links.acknowledge(again.hold, number_of(told), now(), None)
    assert tried(alice, told).sent_at == left_at
    assert "no answer" not in hops(alice, told)


def test_a_link_that_was_replaced_says_nothing_of_numbers_that_are_another_s(
    alice: Person, link: OpenLink, told: NewDelivery
) -> None:
    committed = sent_at(alice, told)
    open_link(alice, link.hold.control_point.name, number_of(told))
    links.close_link(link.hold, "a test", {number_of(told): committed + TICK})
    assert sent_at(alice, told) == committed
