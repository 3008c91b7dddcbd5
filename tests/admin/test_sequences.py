"""Staff set the number of an agent's next submission: with a reason, and told in the tenant's
chain.
"""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from hostsvc.staff_groups import ADMINISTRATOR, SUPPORT
from messaging.models import AgentSequence
from messaging.relay import sequences
from messaging.relay.trading_points import get_trading_point
from tenants import endpoints
from tenants.audit.models import Entry
from tenants.audit.verify import verify
from tenants.endpoints import Draft
from tenants.scope import tenant_scope
from tests.api.carried import Carried
from tests.api.clients import HOST
from tests.people import Person

REASON = "ticket 4712: their system was set up anew"


@pytest.fixture(scope="module")
def row(alice: Person, carried: Carried) -> AgentSequence:
    """As the first file left it, before the admin looks."""
    with tenant_scope(alice.tenant_id):
        point = get_trading_point(endpoints.add(Draft("files", "edt", "sftp", "simulator")).id)
        sequences.lock(point, point.agent)
        found: AgentSequence = AgentSequence.objects.get(endpoint_id=point.endpoint_id)
        return found


@pytest.fixture
def page(row: AgentSequence, admin_process: None) -> str:
    return reverse("admin:messaging_agentsequence_next", args=(row.id,))


def browser_of(group: str) -> Client:
    browser = Client(SERVER_NAME=HOST)
    user, _ = User.objects.get_or_create(username=f"one of {group}", defaults={"is_staff": True})
    user.groups.set([Group.objects.get(name=group)])
    browser.force_login(user)
    return browser


def test_an_administrator_sets_it_and_the_tenants_chain_says_so(
    alice: Person, row: AgentSequence, page: str
) -> None:
    administrator = browser_of(ADMINISTRATOR)
    assert "Expected" in administrator.get(page).content.decode()
    answer = administrator.post(page, {"next": 77, "reason": REASON})
    assert answer.status_code == 302
    assert AgentSequence.objects.get(id=row.id).expected == 77
    with tenant_scope(alice.tenant_id):
        entry = Entry.objects.filter(event="sequence number set").latest("seq")
    detail = json.loads(bytes(entry.record))["detail"]
    assert (detail["previous"], detail["next"], detail["reason"]) == ("000001", "000077", REASON)
    assert detail["by"] == f"one of {ADMINISTRATOR}"
    assert verify(alice.tenant_id).broken is None


@pytest.mark.parametrize("values", [{"next": 0}, {"next": 1_000_000}, {"reason": ""}, {"next": ""}])
def test_what_cannot_be_changes_nothing(
    row: AgentSequence, page: str, values: dict[str, object]
) -> None:
    before = AgentSequence.objects.get(id=row.id).expected
    answer = browser_of(ADMINISTRATOR).post(page, {"next": 78, "reason": REASON, **values})
    assert answer.status_code == 200
    assert AgentSequence.objects.get(id=row.id).expected == before


def test_support_sets_nothing(row: AgentSequence, page: str) -> None:
    support = browser_of(SUPPORT)
    assert support.get(page).status_code == 403
    assert support.post(page, {"next": 79, "reason": REASON}).status_code == 403
