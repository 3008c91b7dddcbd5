"""What staff write: in the tenant's scope, told in its chain, and checked against other tenants."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from django.contrib import admin
from django.db.utils import ProgrammingError
from django.test import Client
from django.urls import reverse

from tenants import directory
from tenants.audit.models import Entry
from tenants.audit.verify import verify
from tenants.directory import Known
from tenants.ids import HOUSE
from tenants.models import BmUnit, Endpoint, Peer, PeerCertificate, Tenant
from tenants.rows import WalledManager
from tenants.scope import current_tenant, tenant_scope
from tenants.staff import WalledAdmin
from tests.people import Cast, Person


def last_told(tenant_id: UUID) -> dict[str, Any]:
    with tenant_scope(tenant_id):
        entry = Entry.objects.filter(tenant_id=tenant_id).order_by("-seq")[0]
        told: dict[str, Any] = json.loads(bytes(entry.record))
    return {"event": told["event"], **told["detail"]}


def post(staff: Client, page: str, *args: object, **values: object) -> Any:
    return staff.post(reverse(f"admin:tenants_{page}", args=args), values)


def errors(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200
    found: dict[str, Any] = answer.context_data["adminform"].form.errors
    return found


def test_a_suspension_is_written_and_told(alice: Person, bob: Person, staff: Client) -> None:
    answer = post(staff, "tenant_change", alice.tenant_id, state="SUSPENDED", name="mallory")
    assert answer.status_code == 302
    row = Tenant.objects.get(id=alice.tenant_id)
    assert (row.state, row.name) == ("SUSPENDED", "alice")
    assert Tenant.objects.get(id=bob.tenant_id).state == "ACTIVE"
    assert last_told(alice.tenant_id) == {
        "event": "register changed",
        "what": "tenant alice",
        "verb": "changed",
        "fields": "state",
        "state": "SUSPENDED",
        "by": "ada",
    }
    assert verify(alice.tenant_id).broken is None


def test_an_endpoint_is_led_elsewhere_and_its_settings_are_not_told(
    alice: Person, staff: Client
) -> None:
    row = Endpoint.objects.get(tenant_id=alice.tenant_id, protocol="neso-wa")
    values = {
        "address": "https://so.example",
        "peer": row.peer_id,
        "state": "HELD",
        "settings": '{"answer_seconds": 17}',
        "tenant": alice.tenant_id,
        "environment": "production",
    }
    assert post(staff, "endpoint_change", row.id, **values).status_code == 302
    row.refresh_from_db()
    assert (row.address, row.state, row.environment) == ("https://so.example", "HELD", "simulator")
    told = last_told(alice.tenant_id)
    assert (told["event"], told["address"]) == ("endpoint changed", "https://so.example")
    assert "17" not in told.values()
    assert row.settings == {"answer_seconds": 17}


def test_an_endpoint_does_not_change_hands(alice: Person, bob: Person, staff: Client) -> None:
    row = Endpoint.objects.get(tenant_id=alice.tenant_id, name=alice.control_points[0])
    values = {"state": "ACTIVE", "settings": "{}", "tenant": bob.tenant_id}
    post(staff, "endpoint_change", row.id, **values)
    row.refresh_from_db()
    assert row.tenant_id == alice.tenant_id


@pytest.mark.parametrize("settings", ["[]", '"x"', "{"])
def test_settings_that_are_no_object_are_refused(
    alice: Person, staff: Client, settings: str
) -> None:
    row = Endpoint.objects.get(tenant_id=alice.tenant_id, name=alice.control_points[0])
    answer = post(staff, "endpoint_change", row.id, state="ACTIVE", settings=settings)
    assert set(errors(answer)) == {"settings"}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"address": "http://so.example"}, {"address"}),
        ({"address": "https://10.0.0.1"}, {"address"}),
        ({"address": ""}, {"address"}),
        ({"peer": ""}, {"peer"}),
        ({"settings": '{"seal": "rot13", "x": 1}'}, {"settings"}),
        ({"address": "https://a/", "settings": '{"x": 1}'}, {"address", "settings"}),
    ],
)
def test_a_wrong_field_of_an_endpoint_is_named_and_nothing_is_written(
    alice: Person, staff: Client, changes: dict[str, str], fields: set[str]
) -> None:
    row = Endpoint.objects.get(tenant_id=alice.tenant_id, protocol="neso-wa")
    before = (row.address, row.settings, row.peer_id)
    values = {"address": "https://so.example", "peer": row.peer_id, "state": "ACTIVE"}
    answer = post(staff, "endpoint_change", row.id, **{**values, "settings": "{}", **changes})
    assert set(errors(answer)) == fields
    row.refresh_from_db()
    assert (row.address, row.settings, row.peer_id) == before


def test_each_wrong_setting_is_named(alice: Person, staff: Client) -> None:
    row = Endpoint.objects.get(tenant_id=alice.tenant_id, name=alice.control_points[0])
    settings = '{"profile": "host-0", "password": "x"}'
    answer = post(staff, "endpoint_change", row.id, state="ACTIVE", settings=settings)
    (first, second) = errors(answer)["settings"]
    assert (first.split(":")[0], second.split(":")[0]) == ("password", "profile")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, {"environment"}),
        ({"protocol": "gopher"}, {"protocol"}),
        ({"protocol": "edl"}, {"address", "peer", "transport", "name"}),
        ({"name": "", "environment": "test"}, {"name", "peer"}),
    ],
)
def test_a_new_endpoint_is_checked_alike(
    alice: Person, staff: Client, changes: dict[str, str], fields: set[str]
) -> None:
    values = {
        "tenant": alice.tenant_id,
        "name": "operator",
        "protocol": "neso-wa",
        "transport": "https",
        "environment": "simulator",
        "address": "https://so.example",
        "peer": Peer.objects.get(name="simulator").id,
        "state": "ACTIVE",
        "settings": "{}",
    }
    assert set(errors(post(staff, "endpoint_add", **{**values, **changes}))) == fields


def test_a_peer_of_another_environment_is_not_trusted(alice: Person, staff: Client) -> None:
    answer = post(
        staff, "peer_add", name="live", environment="production", participant_id="NGESO", ca="x"
    )
    assert answer.status_code == 302
    live = Peer.objects.get(name="live")
    assert last_told(HOUSE)["what"] == "peer live"
    row = Endpoint.objects.get(tenant_id=alice.tenant_id, protocol="neso-wa")
    values = {"address": "https://so.example", "state": "ACTIVE", "settings": "{}"}
    answer = post(staff, "endpoint_change", row.id, peer=live.id, **values)
    assert set(errors(answer)) == {"peer"}


def test_a_bm_unit_comes_and_goes_with_its_place_in_the_directory(
    bob: Person, staff: Client
) -> None:
    point = Endpoint.objects.get(tenant_id=bob.tenant_id, name=bob.control_points[0])
    values = {"tenant": bob.tenant_id, "name": "bob-new", "control_point": point.id}
    assert post(staff, "bmunit_add", **values).status_code == 302
    row = BmUnit.objects.get(name="BOB-NEW")
    assert directory.find_tenant(Known.BM_UNIT, b"BOB-NEW") == bob.tenant_id
    assert last_told(bob.tenant_id)["verb"] == "added"
    assert post(staff, "bmunit_delete", row.id, post="yes").status_code == 302
    assert directory.find_tenant(Known.BM_UNIT, b"BOB-NEW") is None
    assert last_told(bob.tenant_id)["verb"] == "deleted"


def test_rows_deleted_from_the_list_go_through_the_scope_too(bob: Person, staff: Client) -> None:
    row = BmUnit.objects.get(name=bob.bm_units[bob.control_points[1]][0])
    values = {"action": "delete_selected", "_selected_action": row.id, "post": "yes"}
    assert post(staff, "bmunit_changelist", **values).status_code == 302
    assert not BmUnit.objects.filter(id=row.id).exists()
    assert last_told(bob.tenant_id)["what"] == f"BM unit {row.name}"


def test_a_bm_unit_of_another_tenant_or_at_its_control_point_is_refused(
    alice: Person, bob: Person, staff: Client
) -> None:
    point = Endpoint.objects.get(tenant_id=alice.tenant_id, name=alice.control_points[0])
    unit = alice.bm_units[alice.control_points[0]][0]
    answer = post(staff, "bmunit_add", tenant=bob.tenant_id, name=unit, control_point=point.id)
    assert set(errors(answer)) == {"name", "control_point"}


def test_a_certificate_is_pinned_by_what_it_is(cast: Cast, staff: Client) -> None:
    peer = Peer.objects.get(name="simulator")
    pem = cast.operator.authority.issue("another signer").pem
    values = {"peer": peer.id, "purpose": "SIGNING", "state": "ACTIVE"}
    assert post(staff, "peercertificate_add", **values, pem=pem).status_code == 302
    row = PeerCertificate.objects.get(pem=pem.strip())
    assert len(bytes(row.fingerprint)) == 32
    assert last_told(HOUSE)["verb"] == "added"
    assert set(errors(post(staff, "peercertificate_add", **values, pem=pem))) == {"pem"}
    assert set(errors(post(staff, "peercertificate_add", **values, pem="x"))) == {"pem"}
    answer = post(staff, "peercertificate_change", row.id, state="REVOKED")
    assert answer.status_code == 302
    row.refresh_from_db()
    assert row.state == "REVOKED"
    assert verify(HOUSE).broken is None


def test_no_scope_is_left_open_behind_a_page(alice: Person, staff: Client) -> None:
    post(staff, "tenant_change", alice.tenant_id, state="ACTIVE")
    assert current_tenant() is None


def test_every_page_that_writes_a_walled_table_goes_through_the_scope(staff: Client) -> None:
    request = staff.get("/admin/").wsgi_request
    written = [
        page
        for model, page in admin.site._registry.items()
        if isinstance(model._default_manager, WalledManager)
        and (page.has_change_permission(request) or page.has_add_permission(request))
    ]
    assert len(written) == 4
    assert all(isinstance(page, WalledAdmin) for page in written)


def test_negative_control_without_the_scope_the_database_refuses_staff(
    alice: Person, staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WalledAdmin, "save_model", admin.ModelAdmin.save_model)
    point = Endpoint.objects.get(tenant_id=alice.tenant_id, name=alice.control_points[0])
    values = {"tenant": alice.tenant_id, "name": "ALI-NEW", "control_point": point.id}
    with pytest.raises(ProgrammingError, match="row-level security"):
        post(staff, "bmunit_add", **values)
