"""Where too much waits already, what could wait outside is not taken in: which way in is told what,
and the operator's is the last.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import override_settings

from messaging.domain.units import RefusalCode
from messaging.models import Delivery, Due
from messaging.relay import backlog
from messaging.relay.rows import insert_delivery
from messaging.states import DeliveryState, Lane
from tenants.clock import now
from tenants.scope import in_tenant, tenant_scope
from tests.api.conftest import Ask
from tests.api.test_submission import PLACE, UNIT, mel, send
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link
from tests.relay.test_from_control_point import mel as redeclared_mel

FEW = 3


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person, bob: Person) -> Iterator[None]:
    for person in (alice, bob):
        with tenant_scope(person.tenant_id):
            Delivery.objects.update(state=DeliveryState.ABANDONED)
    Due.objects.all().delete()
    backlog.forget()
    yield
    backlog.forget()


@pytest.fixture
def link(alice: Person) -> OpenLink:
    return open_link(alice, alice.control_points[0])


def pile_up(link: OpenLink, many: int = FEW) -> None:
    for level in range(many):
        link.say(redeclared_mel(UNIT, level, start_in=level + 1))
    backlog.forget()


def test_a_tenants_backlog_is_bounded_and_no_others(
    alice: Person, bob: Person, asking: Ask, link: OpenLink
) -> None:
    with override_settings(TENANT_BACKLOG=FEW):
        pile_up(link, FEW - 1)
        assert send(asking(alice), mel()).status_code == 202
        backlog.forget()
        refused = send(asking(alice), mel())
        assert (refused.status_code, refused.json()["code"]) == (429, "backlog-full")
        assert refused["Retry-After"] == "10"
        assert send(asking(alice), [mel()], place=f"{PLACE}/bulk").status_code == 429
        checked = send(asking(alice), mel(), "?validate_only=true")
        assert checked.status_code == 200, "to ask whether it is good takes nothing"
        in_tenant(bob.tenant_id, lambda: backlog.check("api"))


def test_what_is_full_lets_in_again_when_some_has_gone(
    alice: Person, asking: Ask, link: OpenLink
) -> None:
    with override_settings(TENANT_BACKLOG=FEW):
        pile_up(link)
        assert send(asking(alice), mel()).status_code == 429
        with tenant_scope(alice.tenant_id):
            Delivery.objects.update(state=DeliveryState.ACKNOWLEDGED)
        backlog.forget()
        assert send(asking(alice), mel()).status_code == 202


def test_the_hosts_backlog_is_told_as_the_hosts(alice: Person, asking: Ask, link: OpenLink) -> None:
    with override_settings(HOST_BACKLOG=FEW):
        pile_up(link)
        refused = send(asking(alice), mel())
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert refused["Retry-After"] == "10"


def test_what_waits_for_control_points_is_no_tenants_doing(alice: Person, link: OpenLink) -> None:
    answer = link.say(redeclared_mel(UNIT))
    with tenant_scope(alice.tenant_id):
        message = Delivery.objects.get(id=answer.deliveries[0].id).message
        for number in range(FEW):
            insert_delivery(
                message.id,
                link.hold.endpoint_id,
                Lane.LINK,
                str(number),
                at=now(),
                due_at=now(),
                deadline=now(),
            )
    backlog.forget()
    with override_settings(TENANT_BACKLOG=FEW):
        in_tenant(alice.tenant_id, lambda: backlog.check("api"))


def test_a_link_knows_of_it_without_asking_and_takes_what_comes(
    alice: Person, link: OpenLink
) -> None:
    """It is slowed down, and refused nothing: there is no word for it on a link."""
    with override_settings(TENANT_BACKLOG=FEW):
        pile_up(link)
        assert not backlog.seemed_full(alice.tenant_id), "nobody has looked"
        answer = link.say(redeclared_mel(UNIT, 9, start_in=20))
        assert answer.code is RefusalCode.OK
        assert backlog.seemed_full(alice.tenant_id)


def test_the_operator_is_told_that_the_host_is_out_last_of_all(link: OpenLink) -> None:
    with override_settings(HOST_BACKLOG=FEW):
        pile_up(link, FEW)
        assert not backlog.is_host_overfull(), "instructions are still taken"
        pile_up(link, FEW)
        assert backlog.is_host_overfull()
