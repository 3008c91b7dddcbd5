"""Messages for a control point get their number in the transaction that makes them, in the order of
the commits, or wait their turn.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from messaging.domain.acknowledgements import FreeText
from messaging.models import Delivery, Due, Link
from messaging.relay import links, route
from messaging.relay.hold import LinkReplaced
from messaging.relay.rows import NewDelivery
from messaging.states import DeliveryState, Lane
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.scope import in_tenant, tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
    Due.objects.all().delete()


def tell(person: Person, link: OpenLink, text: str = "hello") -> NewDelivery:
    """A text of the host's own to the control point, as any process may send one."""
    point = link.hold.control_point
    return in_tenant(person.tenant_id, lambda: route.tell(point, FreeText(point.name, text), now()))


def number_of(made: NewDelivery) -> int:
    assert made.numbered is not None
    return made.numbered.number


def test_while_the_link_is_up_a_message_is_numbered_and_its_bytes_are_committed(
    alice: Person, link: OpenLink
) -> None:
    made = tell(alice, link)
    assert made.numbered is not None
    assert (made.numbered.epoch, made.numbered.number) == (link.hold.epoch, link.written + 1)
    with tenant_scope(alice.tenant_id):
        row = Delivery.objects.get(id=made.id)
        assert (row.state, row.attempts) == (DeliveryState.CLAIMED, 1)
        assert row.reference == link.hold.profile.number_text(made.numbered.number)
        (sending,) = Entry.objects.filter(delivery_id=made.id, event="sending")
        assert row.payload_digest is not None
        assert bytes(row.payload_digest).hex() in bytes(sending.record).decode()
    (found,) = link.give().outgoing
    assert found.content == made.numbered.content


def test_the_gateway_finds_what_others_numbered_and_then_numbers_what_waits(
    alice: Person, link: OpenLink
) -> None:
    first = number_of(tell(alice, link))
    with tenant_scope(alice.tenant_id):
        Link.objects.filter(endpoint_id=link.hold.endpoint_id).update(gateway=None)
    waiting = tell(alice, link, "while it seems down")
    with tenant_scope(alice.tenant_id):
        Link.objects.filter(endpoint_id=link.hold.endpoint_id).update(gateway=7)
    assert waiting.numbered is None
    assert [o.number for o in link.give().outgoing] == [first, first + 1]


def test_a_message_does_not_overtake_one_that_waits(alice: Person, link: OpenLink) -> None:
    links.close_link(link.hold, "gone")
    before = tell(alice, link, "before")
    link = open_link(alice, link.hold.control_point.name)
    after = tell(alice, link, "after")
    assert (before.numbered, after.numbered) == (None, None)
    assert [o.delivery_id for o in link.give().outgoing] == [before.id, after.id]


def test_a_full_window_makes_them_wait_and_an_answer_lets_the_next_go(
    alice: Person, link: OpenLink
) -> None:
    window = link.hold.profile.limits.window
    sent = [number_of(tell(alice, link)) for _ in range(window)]
    assert tell(alice, link).numbered is None
    link.give()
    links.acknowledge(link.hold, sent[0], now())
    assert [o.number for o in link.give().outgoing] == [sent[-1] + 1]


def test_many_at_once_get_numbers_without_a_gap_in_the_order_of_their_commits(
    alice: Person, link: OpenLink
) -> None:
    together = threading.Barrier(8)

    def one(_: int) -> int:
        together.wait()
        try:
            return number_of(tell(alice, link))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        numbers = sorted(pool.map(one, range(8)))
    assert numbers == list(range(link.written + 1, link.written + 9))
    with tenant_scope(alice.tenant_id):
        rows = Delivery.objects.filter(lane=Lane.LINK, state=DeliveryState.CLAIMED)
        in_order = rows.order_by("position").values_list("reference", flat=True)
        assert [int(reference) for reference in in_order] == numbers


def test_after_going_back_numbers_of_the_epoch_before_count_for_nothing(
    alice: Person, link: OpenLink
) -> None:
    """The control point expects the first of three: all are given again, and the bytes that still
    travel under the old numbers are of an epoch that is over.
    """
    made = [tell(alice, link, text) for text in ("one", "two", "three")]
    gone = links.go_back(link.hold, number_of(made[0]))
    assert made[0].numbered is not None
    assert gone.hold.epoch == made[0].numbered.epoch + 1
    with pytest.raises(LinkReplaced):
        link.give()
    link.hold, link.written = gone.hold, gone.last_given
    again = link.give().outgoing
    assert [o.delivery_id for o in again] == [one.id for one in made]
    assert [o.number for o in again] == [number_of(one) for one in made]


def test_another_tenant_can_number_nothing_on_the_link(
    alice: Person, bob: Person, link: OpenLink
) -> None:
    before = link.written
    with connections["default"].cursor() as cursor, tenant_scope(bob.tenant_id):
        cursor.execute(
            "SELECT * FROM messaging_take_number(%s, 100, 99999999)", [link.hold.endpoint_id]
        )
        assert cursor.fetchall() == []
    with tenant_scope(alice.tenant_id):
        assert Link.objects.get(endpoint_id=link.hold.endpoint_id).last_given == before
