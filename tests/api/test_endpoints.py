"""Endpoints as a tenant adds, changes, holds and removes them itself: each wrong field is named,
and the chain tells who did it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from tenants import api_keys, endpoints, members
from tenants.api.endpoints import EndpointDetail, EndpointList
from tenants.audit.models import Entry
from tenants.audit.verify import verify
from tenants.models import Endpoint, Environment, Peer
from tenants.onboarding.enrol import (
    ControlPointPlan,
    OperatorPlan,
    _add_control_point,
    _add_operator,
)
from tenants.permissions import Permission, Role
from tenants.scope import tenant_scope
from tests.api.carried import Carried
from tests.api.clients import client
from tests.api.conftest import Ask
from tests.people import Person

ALL = "/api/v1/endpoints"
A_CONTROL_POINT = {
    "name": "ALICP9",
    "protocol": "edl",
    "transport": "tcp",
    "environment": "simulator",
}
OPERATOR = {
    "name": "operator",
    "protocol": "neso-wa",
    "transport": "https",
    "environment": "test",
    "address": "https://so.example",
}


def told(person: Person) -> dict[str, Any]:
    with tenant_scope(person.tenant_id):
        record = Entry.objects.order_by("-seq")[0].record
    found: dict[str, Any] = json.loads(bytes(record))
    return {"event": found["event"], **found["detail"]}


def wrong(answer: Any) -> set[str]:
    assert answer.status_code == 400, answer.json()
    assert answer.json()["code"] == "invalid"
    return {error["field"] for error in answer.json()["errors"]}


def one(endpoint_id: object) -> str:
    return f"{ALL}/{endpoint_id}"


@pytest.fixture
def point(alice: Person, asking: Ask) -> Iterator[str]:
    """A control point of alice's that nothing was carried by."""
    answer = asking(alice).post(ALL, A_CONTROL_POINT, format="json")
    assert answer.status_code == 201, answer.json()
    yield answer.json()["id"]
    asking(alice).delete(one(answer.json()["id"]))


def test_a_control_point_is_added_and_told(alice: Person, asking: Ask, point: str) -> None:
    shown = asking(alice).get(one(point)).json()
    assert shown == {
        **A_CONTROL_POINT,
        "id": point,
        "address": "",
        "state": "ACTIVE",
        "settings": {},
    }
    entry = told(alice)
    assert (entry["event"], entry["verb"], entry["endpoint"]) == (
        "endpoint changed",
        "added",
        point,
    )
    assert entry["by"]
    assert verify(alice.tenant_id).broken is None


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"name": ""}, {"/name"}),
        ({"name": "TOOLONG"}, {"/name"}),
        ({"name": "A B"}, {"/name"}),
        ({"name": "A^"}, {"/name"}),
        ({"name": "ALICP1"}, {"/name"}),
        ({"protocol": "gopher"}, {"/protocol"}),
        ({"transport": "https"}, {"/transport"}),
        ({"environment": "moon"}, {"/environment"}),
        ({"address": "https://so.example"}, {"/address"}),
        ({"settings": {"seal": "jws-json"}}, {"/settings/seal"}),
        ({"settings": {"profile": "host-0", "x": 1}}, {"/settings/profile", "/settings/x"}),
        ({"settings": []}, {"/settings"}),
        ({"settings": None}, {"/settings"}),
        ({"peer": "mallory's"}, {"/peer"}),
        ({"id": "x", "tenant": "y", "state": "HELD"}, {"/id", "/tenant", "/state"}),
    ],
)
def test_a_wrong_field_of_a_new_endpoint_is_named_and_nothing_is_added(
    alice: Person, asking: Ask, changes: dict[str, Any], fields: set[str]
) -> None:
    before = asking(alice).get(ALL).json()["results"]
    answer = asking(alice).post(ALL, {**A_CONTROL_POINT, **changes}, format="json")
    assert wrong(answer) == fields
    assert asking(alice).get(ALL).json()["results"] == before


@pytest.mark.parametrize("body", ["[]", '"x"', "1", "null"])
def test_what_is_no_object_is_refused(alice: Person, asking: Ask, point: str, body: str) -> None:
    for ask, place in ((asking(alice).post, ALL), (asking(alice).patch, one(point))):
        assert ask(place, body, content_type="application/json").status_code == 400


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("", "https://"),
        ("http://so.example", "https://"),
        ("HTTPS://so.example", "https://"),
        ("ftp://so.example", "https://"),
        ("so.example", "https://"),
        ("https://", "slash"),
        ("https:///x", "host"),
        ("https://so.example/", "slash"),
        ("https://so.example/wa/", "slash"),
        ("https://user@so.example", "no user"),
        ("https://user:secret@so.example", "no user"),
        ("https://so.example?x=1", "query"),
        ("https://so.example/wa?", "query"),
        ("https://so.example#x", "fragment"),
        ("https://so.example:0", "port"),
        ("https://so.example:", "port"),
        ("https://so.example:65536", "port"),
        ("https://so.example:https", "port"),
        ("https://so..example", "host"),
        ("https://-so.example", "host"),
        ("https://so.ex ample", "host"),
        ("https://s\u00f6.example", "ASCII"),
        ("https://so.example/a b", "path"),
        ("https://so.example//wa", "path"),
        ("https://so.example/../x", "go up"),
        ("https://[::1", "no URL"),
        ("https://[fe80::1%25eth0]", "host"),
        ("https://10.0.0.1", "private"),
        ("https://169.254.169.254/latest", "link-local"),
        ("https://[::ffff:10.0.0.1]", "private"),
        ("https://[fd00::1]:8443", "private"),
        ("https://so.example/" + "x" * 500, ""),
        ("https://so.example\\@evil.example", ""),
    ],
)
def test_an_ill_formed_address_is_refused(
    alice: Person, of_alice: Carried, asking: Ask, address: str, text: str
) -> None:
    answer = asking(alice).patch(one(of_alice.endpoint), {"address": address}, format="json")
    assert wrong(answer) == {"/address"}
    assert text in answer.json()["errors"][0]["text"]


@pytest.mark.parametrize(
    "address",
    [
        "https://so.example",
        "https://so.example:8443/wa/v1",
        "https://SO.example",
        "https://8.8.8.8",
        "https://[2606:4700::1]:443/x",
        "https://127.0.0.1:9",
    ],
)
def test_a_good_address_is_taken_and_told(
    alice: Person, of_alice: Carried, asking: Ask, address: str
) -> None:
    """Loopback is an allowed network where tests run."""
    place = one(of_alice.endpoint)
    asking(alice).patch(place, {"address": "https://before.example"}, format="json")
    answer = asking(alice).patch(place, {"address": address}, format="json")
    assert (answer.status_code, answer.json()["address"]) == (200, address)
    assert told(alice)["address"] == address


def test_an_address_in_a_network_that_is_not_allowed_is_refused_before_it_is_used(
    alice: Person, of_alice: Carried, asking: Ask
) -> None:
    with override_settings(ALLOWED_NETWORKS=()):
        answer = asking(alice).patch(
            one(of_alice.endpoint), {"address": "https://127.0.0.1:9"}, format="json"
        )
    assert wrong(answer) == {"/address"}


def test_settings_are_replaced_whole_and_not_told(
    alice: Person, of_alice: Carried, asking: Ask
) -> None:
    place = one(of_alice.endpoint)
    asking(alice).patch(place, {"settings": {"answer_seconds": 7}}, format="json")
    answer = asking(alice).patch(place, {"settings": {"algorithms": ["ES256"]}}, format="json")
    assert answer.json()["settings"] == {"algorithms": ["ES256"]}
    entry = told(alice)
    assert (entry["fields"], entry.get("settings")) == ("settings", None)
    asking(alice).patch(place, {"settings": {}}, format="json")


def test_all_is_changed_or_nothing(alice: Person, of_alice: Carried, asking: Ask) -> None:
    place = one(of_alice.endpoint)
    before = asking(alice).get(place).json()
    changes = {"state": "HELD", "address": "https://new.example", "settings": {"seal": "x"}}
    assert wrong(asking(alice).patch(place, changes, format="json")) == {"/settings/seal"}
    assert asking(alice).get(place).json() == before


def test_an_endpoint_is_held_and_released_and_an_idle_change_is_not_told(
    alice: Person, of_alice: Carried, asking: Ask
) -> None:
    place = one(of_alice.endpoint)
    for state in ("HELD", "ACTIVE"):
        assert asking(alice).patch(place, {"state": state}, format="json").json()["state"] == state
        entry = told(alice)
        assert (entry["fields"], entry["state"]) == ("state", state)
    with tenant_scope(alice.tenant_id):
        entries = Entry.objects.count()
    assert asking(alice).patch(place, {"state": "ACTIVE"}, format="json").status_code == 200
    with tenant_scope(alice.tenant_id):
        assert Entry.objects.count() == entries


@pytest.mark.parametrize("name", ["peer", "name", "protocol", "transport", "environment", "id"])
def test_what_is_not_the_tenants_to_change_is_refused_by_name(
    alice: Person, of_alice: Carried, asking: Ask, name: str
) -> None:
    answer = asking(alice).patch(one(of_alice.endpoint), {name: "x"}, format="json")
    assert wrong(answer) == {f"/{name}"}


def test_without_a_peer_of_the_vendors_there_is_no_way_out(alice: Person, asking: Ask) -> None:
    assert wrong(asking(alice).post(ALL, OPERATOR, format="json")) == {"/environment"}


def test_there_is_one_way_out_in_each_environment(
    alice: Person, of_alice: Carried, asking: Ask
) -> None:
    """Else nobody could say where a message goes."""
    again = {**OPERATOR, "environment": "simulator"}
    assert wrong(asking(alice).post(ALL, again, format="json")) == {"/environment"}


def test_a_new_way_out_leads_to_the_peer_that_the_vendor_trusts(
    mallory: Person, asking: Ask
) -> None:
    with tenant_scope(mallory.tenant_id):
        Endpoint.objects.filter(protocol="neso-wa").delete()
    answer = asking(mallory).post(ALL, {**OPERATOR, "environment": "simulator"}, format="json")
    assert answer.status_code == 201
    with tenant_scope(mallory.tenant_id):
        row = Endpoint.objects.select_related("peer").get(id=answer.json()["id"])
    assert row.peer == Peer.objects.get(environment="simulator", is_default=True)


def test_what_nothing_was_carried_by_can_be_removed(alice: Person, asking: Ask) -> None:
    made = asking(alice).post(ALL, {**A_CONTROL_POINT, "name": "GONE"}, format="json").json()
    assert asking(alice).delete(one(made["id"])).status_code == 204
    assert told(alice)["verb"] == "removed"
    assert asking(alice).get(one(made["id"])).status_code == 404


def test_what_carried_something_or_has_bm_units_stays(
    alice: Person, of_alice: Carried, asking: Ask
) -> None:
    with tenant_scope(alice.tenant_id):
        idle = Endpoint.objects.get(name=alice.control_points[1])
    for endpoint_id in (of_alice.endpoint, idle.id):
        answer = asking(alice).delete(one(endpoint_id))
        assert (answer.status_code, answer.json()["code"]) == (409, "in-use")
        assert asking(alice).get(one(endpoint_id)).status_code == 200


def test_what_each_deed_needs_is_stated() -> None:
    assert EndpointList.needs["POST"] is Permission.SET_UP
    assert EndpointDetail.needs["DELETE"] is Permission.SET_UP
    assert EndpointDetail.needs["PATCH"] is Permission.OPERATE


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        (ControlPointPlan("TOOLONG", (), "", "edl", "tcp"), "name"),
        (ControlPointPlan("CP", (), "", "edl", "https"), "transport"),
        (ControlPointPlan("CP", (), "", "edl", "tcp", {"x": 1}), "settings"),
    ],
)
def test_enrolment_goes_through_the_same_door(
    alice: Person, plan: ControlPointPlan, field: str
) -> None:
    with pytest.raises(endpoints.BadEndpoint) as refused, tenant_scope(alice.tenant_id):
        _add_control_point(alice.tenant_id, Environment.SIMULATOR, plan, "ada")
    assert {fault.field for fault in refused.value.faults} == {field}


def test_an_operator_is_not_enrolled_with_an_address_that_is_none(alice: Person) -> None:
    peer = Peer.objects.get(environment="simulator")
    plan = OperatorPlan(peer, "neso-wa", "https", "http://so.example")
    with pytest.raises(endpoints.BadEndpoint, match="address"), tenant_scope(alice.tenant_id):
        _add_operator(Environment.TEST, plan)


def test_negative_control_without_the_check_a_wrong_endpoint_is_written(
    alice: Person, of_alice: Carried, asking: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one check switched off: what is refused above is stored."""
    place = one(of_alice.endpoint)
    before = asking(alice).get(place).json()["address"]
    monkeypatch.setattr(endpoints, "faults_of", lambda draft: ())
    answer = asking(alice).patch(place, {"address": "http://10.0.0.1/"}, format="json")
    assert (answer.status_code, answer.json()["address"]) == (200, "http://10.0.0.1/")
    asking(alice).patch(place, {"address": before}, format="json")


def test_an_operator_may_hold_and_release_and_change_nothing_else(
    alice: Person, of_alice: Carried
) -> None:
    with tenant_scope(alice.tenant_id):
        who = members.add("Olga", "olga@alice.example", Role.OPERATOR)
        key = api_keys.mint("of an operator", member=who).text
    asker = client({"X-API-Key": key})
    place = f"/api/v1/endpoints/{of_alice.endpoint}"
    for state in ("HELD", "ACTIVE"):
        assert asker.patch(place, {"state": state}, format="json").status_code == 200
    refused = asker.patch(place, {"settings": {}}, format="json")
    assert (refused.status_code, refused.json()["permissions"]) == (403, ["set up"])
