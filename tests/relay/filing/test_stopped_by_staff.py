"""The vendor's staff stop, close and replay under their own database role, with all that follows:
whoever sent it is told, and what it declared is in doubt.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest

from messaging.models import Declared, Delivery, Due, Message
from messaging.relay import dead_letters
from messaging.states import DeliveryState
from tenants.audit.verify import verify
from tenants.clock import now
from tenants.scope import tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.filing.test_to_the_operator import delivery_of
from tests.relay.filing.trading import Trading, notification, scalar
from tests.relay.test_from_control_point import mel
from tests.roles import as_role
from tests.servers import TestServers

BY = {"by": "ada"}


@contextmanager
def as_staff_of(person: Person, servers: TestServers, database: str) -> Iterator[None]:
    with as_role("staff", servers, database), tenant_scope(person.tenant_id):
        yield


def redeclared(link: OpenLink) -> UUID:
    (made,) = link.say(mel("ALICP1-1")).deliveries
    return made.id


def told(person: Person, delivery_id: UUID) -> list[str]:
    """The kinds of what its sender was answered since."""
    with tenant_scope(person.tenant_id):
        row = Delivery.objects.get(id=delivery_id)
        answers = Message.objects.filter(answers_id=row.message_id)
        return list(answers.order_by("id").values_list("kind", flat=True))


def test_a_redeclaration_is_stopped_and_its_control_point_told_at_once(
    servers: TestServers, database: str, alice: Person, link: OpenLink
) -> None:
    delivery_id = redeclared(link)
    with as_staff_of(alice, servers, database):
        (made,) = dead_letters.abandon(delivery_id, "wrong unit", now(), BY)
    assert made.numbered is not None, "its link is up"
    assert told(alice, delivery_id)[-1] == "RESULT"
    with tenant_scope(alice.tenant_id):
        assert Delivery.objects.get(id=delivery_id).state == DeliveryState.ABANDONED
        assert not Due.objects.filter(delivery_id=delivery_id).exists()
        assert "stopped by a person" in Declared.objects.get(parameter="MEL").doubt
    assert verify(alice.tenant_id).broken is None


def test_a_submission_is_stopped_and_a_reply_file_says_so(
    servers: TestServers, database: str, alice: Person, trading: Trading
) -> None:
    trading.leave(trading.name(1), [*notification("ALITA", 0, 10, 20), scalar("ALITA")])
    delivery_id = delivery_of(trading).id
    with as_staff_of(alice, servers, database):
        dead_letters.abandon(delivery_id, "wrong day", now(), BY)
    assert "ALITA_000001.rej" in trading.replies()


def test_what_was_stopped_is_replayed_and_closed(
    servers: TestServers, database: str, alice: Person, link: OpenLink
) -> None:
    delivery_id = redeclared(link)
    with as_staff_of(alice, servers, database):
        dead_letters.abandon(delivery_id, "not now", now(), BY)
        dead_letters.replay(delivery_id, now(), BY)
        assert Due.objects.filter(delivery_id=delivery_id).exists()
        dead_letters.abandon(delivery_id, "not at all", now(), BY)
        dead_letters.close(delivery_id, "done", now(), BY)
    with tenant_scope(alice.tenant_id):
        assert Delivery.objects.get(id=delivery_id).closed_reason == "done"


def test_negative_control_outside_the_tenants_scope_staff_stop_nothing(
    servers: TestServers, database: str, alice: Person, bob: Person, link: OpenLink
) -> None:
    delivery_id = redeclared(link)
    with as_staff_of(bob, servers, database), pytest.raises(Delivery.DoesNotExist):
        dead_letters.abandon(delivery_id, "not mine", now(), BY)
    with tenant_scope(alice.tenant_id):
        assert Delivery.objects.get(id=delivery_id).state == DeliveryState.PENDING
