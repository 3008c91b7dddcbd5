"""The test of a connection from the API and from the admin."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.urls import reverse

from messaging.api.connection_test import ConnectionTestView
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.models import ConnectionTest
from tenants.permissions import Permission
from tenants.scope import tenant_scope
from tests.api.clients import HOST, client
from tests.api.test_description import DESCRIBED, fits
from tests.people import Person
from tests.probing.rig import Rig
from tests.roles import as_role
from tests.servers import TestServers


def address(rig: Rig) -> str:
    return f"/api/v1/endpoints/{rig.endpoint.id}/connection-test"


def asking(person: Person) -> Client:
    return client({"Authorization": f"Bearer {person.api_key}"})


@pytest.fixture
def staff(servers: TestServers, database: str, rig: Rig) -> Iterator[Client]:
    with as_role("staff", servers, database), override_settings(ROOT_URLCONF="hostsvc.urls_admin"):
        browser = Client(SERVER_NAME=HOST)
        ada = User.objects.filter(username="ada").first()
        browser.force_login(ada or User.objects.create_superuser("ada", password="a long phrase"))
        yield browser


def test_the_api_answers_with_the_report_as_described(rig: Rig) -> None:
    answer = asking(rig.person).post(address(rig))
    assert answer.status_code == 200
    report = answer.json()
    assert (report["colour"], report["address"]) == ("green", rig.address)
    assert len(report["steps"]) == 8
    fits(report, {"$ref": "#/components/schemas/Report"})
    assert "/api/v1/endpoints/{endpoint_id}/connection-test" in DESCRIBED["paths"]


def test_a_report_holds_no_key(rig: Rig) -> None:
    text = asking(rig.person).post(address(rig)).content.decode()
    assert "PRIVATE" not in text
    assert rig.person.api_key not in text


def test_it_needs_the_permission_to_operate() -> None:
    assert ConnectionTestView.needs == {"POST": Permission.OPERATE}


def test_while_one_is_under_way_another_is_asked_to_wait(rig: Rig) -> None:
    with tenant_scope(rig.person.tenant_id):
        ConnectionTest.objects.update_or_create(
            tenant_id=rig.person.tenant_id,
            endpoint=rig.endpoint,
            defaults={"started_at": now(), "finished_at": None, "started_by": "another"},
        )
    answer = asking(rig.person).post(address(rig))
    assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
    assert int(answer["Retry-After"]) > 0
    with tenant_scope(rig.person.tenant_id):
        ConnectionTest.objects.update(finished_at=now())


def test_another_tenants_endpoint_is_not_found(rig: Rig, mallory: Person) -> None:
    assert asking(mallory).post(address(rig)).status_code == 404


def test_staff_see_the_report_after_pressing_the_button(rig: Rig, staff: Client) -> None:
    page = reverse("admin:tenants_endpoint_test", args=[rig.endpoint.id])
    edit = staff.get(reverse("admin:tenants_endpoint_change", args=[rig.endpoint.id]))
    assert "Connection test" in edit.content.decode()
    with tenant_scope(rig.person.tenant_id):
        before = Entry.objects.count()
    shown = staff.get(page).content.decode()
    assert "Test now" in shown
    with tenant_scope(rig.person.tenant_id):
        assert Entry.objects.count() == before, "to look at it tests nothing"
    assert staff.post(page).status_code == 302
    shown = staff.get(page).content.decode()
    for word in ("our certificates", "signature", "green", "CN=ngeso tls", "by ada"):
        assert word in shown
    assert "PRIVATE" not in shown
    with tenant_scope(rig.person.tenant_id):
        entry = Entry.objects.order_by("-seq")[0]
    assert json.loads(bytes(entry.record))["detail"]["by"] == "ada"


def test_the_link_on_the_endpoints_page_leads_to_the_test(rig: Rig, staff: Client) -> None:
    answer = staff.get(reverse("admin:tenants_endpoint_to_connection_test", args=[rig.endpoint.id]))
    assert answer["Location"] == reverse("admin:tenants_endpoint_test", args=[rig.endpoint.id])


def test_a_stranger_is_sent_to_the_login(rig: Rig, staff: Client) -> None:
    page = reverse("admin:tenants_endpoint_test", args=[rig.endpoint.id])
    for answer in (Client(SERVER_NAME=HOST).get(page), Client(SERVER_NAME=HOST).post(page)):
        assert answer.status_code == 302
        assert "/login/" in answer["Location"]
