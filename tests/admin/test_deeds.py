"""Who did what, over all chains; and what staff do to several rows at once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.urls import reverse

from hostsvc.staff_groups import ADMINISTRATOR, SUPPORT
from messaging.models import Delivery, Due, StandingHold
from messaging.relay.register import OPERATOR_PROTOCOL
from messaging.states import DEAD, DeliveryState
from tenants import peers
from tenants.audit.deeds import NOTED, find_deeds
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.ids import HOUSE
from tenants.models import Endpoint, Environment
from tenants.onboarding.enrol import point_operator
from tenants.scope import tenant_scope
from tests.api.carried import Carried
from tests.api.clients import HOST
from tests.people import Person

SOON = timedelta(minutes=1)


def browser_of(group: str) -> Client:
    browser = Client(SERVER_NAME=HOST)
    user, _ = User.objects.get_or_create(username=f"doer, {group}", defaults={"is_staff": True})
    user.groups.set([Group.objects.get(name=group)])
    browser.force_login(user)
    return browser


@pytest.fixture
def dead(carried: Carried, alice: Person, admin_process: None) -> Delivery:
    """One that the operator refused."""
    row = Delivery.objects.get(message_id=carried.redeclaration)
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=row.id).update(
            state=DeliveryState.REFUSED, settled_at=now(), closed_at=None, closed_reason=""
        )
    return row


def act(browser: Client, page: str, action: str, reason: str, *ids: UUID) -> str:
    values = {"action": action, "reason": reason, "_selected_action": [str(i) for i in ids]}
    answer = browser.post(reverse(f"admin:{page}_changelist"), values, follow=True)
    return answer.content.decode()


def last(tenant_id: UUID, event: str) -> dict[str, Any]:
    with tenant_scope(tenant_id):
        row = Entry.objects.filter(event=event).order_by("-seq")[0]
        detail: dict[str, Any] = json.loads(bytes(row.record))["detail"]
    return detail


def test_dead_letters_are_found_and_replayed_with_a_reason(alice: Person, dead: Delivery) -> None:
    browser = browser_of(ADMINISTRATOR)
    found: Any = browser.get(reverse("admin:messaging_delivery_changelist"), {"dead": "yes"})
    rows = list(found.context_data["cl"].result_list)
    assert dead.id in [row.id for row in rows]
    assert {row.state for row in rows} <= set(DEAD)
    page = act(browser, "messaging_delivery", "replay", "the operator mended it", dead.id)
    assert "1 will be tried again" in page
    again = Delivery.objects.get(id=dead.id)
    assert again.state == DeliveryState.PENDING
    assert Due.objects.filter(delivery_id=dead.id).exists()
    told = last(alice.tenant_id, "replayed")
    assert (told["by"], told["reason"]) == (f"doer, {ADMINISTRATOR}", "the operator mended it")


@pytest.fixture
def waiting(carried: Carried, alice: Person, admin_process: None) -> Delivery:
    """One that a control point's link has not taken yet."""
    row = Delivery.objects.get(message_id=carried.acceptance)
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=row.id).update(
            state=DeliveryState.PENDING, settled_at=None, closed_at=None, outcome_code=""
        )
    return row


def alone(browser: Client, row_id: UUID, deed: str, reason: str) -> str:
    """Done on the page of the one delivery."""
    place = reverse(f"admin:messaging_delivery_{deed}", args=(row_id,))
    return browser.post(place, {"reason": reason}, follow=True).content.decode()


def together(browser: Client, row_id: UUID, deed: str, reason: str) -> str:
    return act(browser, "messaging_delivery", deed, reason, row_id)


each_way = pytest.mark.parametrize("do", [alone, together])
REASON = "ticket 4711: its sender asks for it"


@each_way
def test_a_dead_letter_is_closed_with_a_reason(alice: Person, dead: Delivery, do: Any) -> None:
    browser = browser_of(ADMINISTRATOR)
    assert "closed." in do(browser, dead.id, "close", REASON)
    row = Delivery.objects.get(id=dead.id)
    assert (row.closed_at is not None, row.closed_reason) == (True, REASON)
    told = last(alice.tenant_id, "closed")
    assert (told["by"], told["reason"]) == (f"doer, {ADMINISTRATOR}", REASON)
    assert "was closed by a person" in do(browser, dead.id, "replay", REASON)


@each_way
def test_what_waits_is_stopped_with_a_reason(alice: Person, waiting: Delivery, do: Any) -> None:
    browser = browser_of(ADMINISTRATOR)
    assert "stopped." in do(browser, waiting.id, "stop", REASON)
    row = Delivery.objects.get(id=waiting.id)
    assert (row.state, row.outcome_text) == (DeliveryState.ABANDONED, REASON)
    told = last(alice.tenant_id, "abandoned")
    assert (told["by"], told["text"]) == (f"doer, {ADMINISTRATOR}", REASON)
    assert "come to its end already" in do(browser, waiting.id, "stop", REASON)


@each_way
@pytest.mark.parametrize(
    ("deed", "state"),
    [("accept", DeliveryState.ACKNOWLEDGED), ("reject", DeliveryState.REFUSED)],
)
def test_what_the_operator_only_received_is_settled_with_a_reason(
    alice: Person, dead: Delivery, do: Any, deed: str, state: DeliveryState
) -> None:
    browser = browser_of(ADMINISTRATOR)
    assert "awaits no verdict" in do(browser, dead.id, deed, REASON)
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=dead.id).update(state=DeliveryState.DELIVERED, settled_at=None)
    page = browser.get(reverse("admin:messaging_delivery_change", args=(dead.id,)))
    assert reverse(f"admin:messaging_delivery_{deed}", args=(dead.id,)) in page.content.decode()
    assert "settled as" in do(browser, dead.id, deed, REASON)
    assert Delivery.objects.get(id=dead.id).state == state
    told = last(alice.tenant_id, "verdict said")
    assert (told["by"], told["reason"]) == (f"doer, {ADMINISTRATOR}", REASON)


@each_way
@pytest.mark.parametrize("deed", ["replay", "close"])
def test_what_is_not_dead_is_neither_replayed_nor_closed_and_that_is_said(
    waiting: Delivery, deed: str, do: Any
) -> None:
    page = do(browser_of(ADMINISTRATOR), waiting.id, deed, REASON)
    assert "has not come to a bad end" in page
    assert Delivery.objects.get(id=waiting.id).state == DeliveryState.PENDING


@pytest.mark.parametrize("deed", ["replay", "stop", "accept", "reject", "close"])
def test_what_is_done_to_one_is_for_administrators_and_takes_a_reason(
    waiting: Delivery, deed: str
) -> None:
    place = reverse(f"admin:messaging_delivery_{deed}", args=(waiting.id,))
    for ask in (browser_of(SUPPORT).get, browser_of(SUPPORT).post):
        assert ask(place, {"reason": REASON}).status_code == 403
    browser = browser_of(ADMINISTRATOR)
    assert browser.get(place).status_code == 200
    assert browser.post(place, {"reason": "short"}).status_code == 200
    assert Delivery.objects.get(id=waiting.id).state == DeliveryState.PENDING


def test_a_deliverys_page_offers_what_can_be_done_with_it_to_whoever_may(
    dead: Delivery, waiting: Delivery
) -> None:
    offered = {dead.id: {"replay", "close"}, waiting.id: {"stop"}}
    for row_id, names in offered.items():
        place = reverse("admin:messaging_delivery_change", args=(row_id,))
        links = {
            name: reverse(f"admin:messaging_delivery_{name}", args=(row_id,))
            for name in ("replay", "stop", "close")
        }
        page = browser_of(ADMINISTRATOR).get(place).content.decode()
        assert {name for name, link in links.items() if link in page} == names
        assert not [
            link
            for link in links.values()
            if link in browser_of(SUPPORT).get(place).content.decode()
        ]


def test_what_waits_behind_another_names_the_head_of_its_queue(
    alice: Person, waiting: Delivery
) -> None:
    place = reverse("admin:messaging_delivery_change", args=(waiting.id,))
    browser = browser_of(SUPPORT)
    assert "it is the head of its queue" in browser.get(place).content.decode()
    with tenant_scope(alice.tenant_id):
        head = Delivery.objects.exclude(id=waiting.id).filter(endpoint__isnull=False)[0]
        before = (head.endpoint_id, head.queue, head.position, head.state)
        Delivery.objects.filter(id=head.id).update(
            endpoint=waiting.endpoint, queue=waiting.queue, position=0, state="PENDING"
        )
    try:
        page = browser.get(place).content.decode()
        assert reverse("admin:messaging_delivery_change", args=(head.id,)) in page
    finally:
        endpoint_id, queue, position, state = before
        with tenant_scope(alice.tenant_id):
            Delivery.objects.filter(id=head.id).update(
                endpoint_id=endpoint_id, queue=queue, position=position, state=state
            )


@pytest.mark.parametrize(
    ("page", "action"),
    [
        ("messaging_delivery", "replay"),
        ("messaging_delivery", "stop"),
        ("messaging_delivery", "close"),
        ("tenants_endpoint", "hold"),
        ("tenants_endpoint", "release"),
    ],
)
def test_nothing_is_done_without_a_reason_nor_by_support(
    page: str, action: str, alice: Person, dead: Delivery
) -> None:
    assert dead.endpoint_id is not None
    row_id = dead.id if page == "messaging_delivery" else dead.endpoint_id
    before = StandingHold.objects.count()
    assert "Say the reason" in act(browser_of(ADMINISTRATOR), page, action, "  ", row_id)
    act(browser_of(SUPPORT), page, action, "I should like to", row_id)
    assert Delivery.objects.get(id=dead.id).state == DeliveryState.REFUSED
    assert StandingHold.objects.count() == before


def test_endpoints_are_held_and_released_with_a_reason(alice: Person, carried: Carried) -> None:
    browser = browser_of(ADMINISTRATOR)
    page = act(browser, "tenants_endpoint", "hold", "works on the line", carried.endpoint)
    assert "is held" in page
    standing = StandingHold.objects.filter(endpoint_id=carried.endpoint, released_at=None)
    assert standing.count() == 1
    act(browser, "tenants_endpoint", "release", "works are over", carried.endpoint)
    assert standing.count() == 0
    assert last(alice.tenant_id, "hold released")["reason"] == "works are over"


def test_a_handful_of_connections_is_tested_at_once_and_no_more(
    alice: Person, carried: Carried, admin_process: None
) -> None:
    ids = Endpoint.objects.values_list("id", flat=True)[:4]
    assert "3 at a time" in act(browser_of(ADMINISTRATOR), "tenants_endpoint", "test", "", *ids)


def test_what_people_did_is_told_of_all_tenants_and_traffic_is_not(
    alice: Person, bob: Person, carried: Carried, admin_process: None
) -> None:
    act(browser_of(ADMINISTRATOR), "tenants_endpoint", "hold", "for the test", carried.endpoint)
    act(browser_of(ADMINISTRATOR), "tenants_endpoint", "release", "for it", carried.endpoint)
    deeds, _ = find_deeds(now() + SOON)
    assert deeds == sorted(deeds, key=lambda one: one.at, reverse=True)
    assert {one.event for one in deeds}.isdisjoint({"received", "stored", "sending", "escalated"})
    by = f"doer, {ADMINISTRATOR}"
    mine, _ = find_deeds(now() + SOON, alice.tenant_id, by)
    assert [one.event for one in mine[:2]] == ["hold released", "hold placed"]
    assert {(one.tenant_id, one.by) for one in mine} == {(alice.tenant_id, by)}
    older, _ = find_deeds(mine[0].at, alice.tenant_id, by)
    assert [one.event for one in older[:1]] == ["hold placed"]
    assert all(one.tenant_id == bob.tenant_id for one in find_deeds(now(), bob.tenant_id)[0])


def test_every_deed_names_who_did_it(alice: Person, carried: Carried, admin_process: None) -> None:
    """The register's rows are changed by the vendor's commands too; who changes nothing, is not
    told of.
    """
    peer = peers.register("named", Environment.SIMULATOR, "no PEM", {}, by="a command")
    peers.register("named", Environment.SIMULATOR, "no PEM", {}, by="another, of nothing")
    peers.register("named", Environment.SIMULATOR, "another", {}, by="a third")
    for by in ("a fourth", "a fifth, of nothing"):
        where = "https://named.example"
        point_operator(alice.tenant_id, OPERATOR_PROTOCOL, where, peer, by=by)
    deeds, _ = find_deeds(now() + SOON)
    assert [one for one in deeds if not one.by] == []
    named = [one.by for one in deeds]
    assert {"a command", "a third", "a fourth"} <= set(named)
    assert not [by for by in named if by.endswith("of nothing")]
    assert "fields: address, peer" in next(one.detail for one in deeds if one.by == "a fourth")


def test_changes_of_the_vendors_own_staff_are_told_in_the_houses_chain(
    staff: Client, admin_process: None
) -> None:
    words = "correct horse battery"
    values = {"username": "newcomer", "password1": words, "password2": words}
    staff.post(reverse("admin:auth_user_add"), {**values, "usable_password": "true"})
    newcomer = User.objects.get(username="newcomer")
    rights = {"username": "newcomer", "is_active": "on", "is_superuser": "on"}
    dates = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    staff.post(reverse("admin:auth_user_change", args=(newcomer.id,)), {**rights, **dates})
    passwords = {"password1": words + "!", "password2": words + "!", "usable_password": "true"}
    staff.post(reverse("admin:auth_user_password_change", args=(newcomer.id,)), passwords)
    staff.post(reverse("admin:auth_user_delete", args=(newcomer.id,)), {"post": "yes"})
    deeds, _ = find_deeds(now() + SOON, HOUSE, "ada")
    told = [one.detail for one in deeds if "newcomer" in one.detail]
    assert ["deleted" in told[0], "assword" in told[1], "Superuser" in told[2]] == [True] * 3
    assert "added" in told[3]
    assert not [one for one in told if words in one]


def test_the_page_of_deeds_opens_and_is_closed_to_who_sees_no_chains(
    staff: Client, admin_process: None
) -> None:
    place = reverse("admin:audit_chain_deeds")
    assert "enrolled" in staff.get(place, {"by": ""}).content.decode()
    assert staff.get(place, {"tenant": "no id", "before": "never"}).status_code == 200
    assert browser_of(SUPPORT).get(place).status_code == 200
    nobody = User.objects.create_user("sees no chains", is_staff=True)
    browser = Client(SERVER_NAME=HOST)
    browser.force_login(nobody)
    assert browser.get(place).status_code == 403


def test_the_index_of_deeds_holds_what_is_asked_for(admin_process: None) -> None:
    """Its predicate and the question's are the same, so the planner can use it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'entry_of_people'")
        (definition,) = cursor.fetchone()
    for word in NOTED.partition("(")[2].rstrip(")").split(","):
        assert word.strip() in definition
