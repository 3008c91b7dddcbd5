"""The lamps of a tenant's control points in the API."""

from __future__ import annotations

from typing import Any

from rest_framework.test import APIClient

from messaging.relay import links, presence
from messaging.relay.register import as_control_point
from tenants.models import Endpoint
from tenants.scope import tenant_scope
from tests.api.clients import client
from tests.people import Person


def asker(person: Person) -> APIClient:
    return client({"Authorization": f"Bearer {person.api_key}"})


def lamps(person: Person) -> dict[str, Any]:
    told = asker(person).get("/api/v1/links").json()["results"]
    return {row["name"]: row for row in told}


def test_each_control_point_has_a_lamp_from_the_beginning(alice: Person, bob: Person) -> None:
    told = lamps(alice)
    assert set(told) == set(alice.control_points)
    for row in told.values():
        assert (row["lamp"], row["since"], row["address"]) == ("NEVER", None, None)


def test_it_is_up_since_and_down_since_and_another_tenants_stays_as_it_is(
    alice: Person, bob: Person
) -> None:
    name = alice.control_points[0]
    with tenant_scope(alice.tenant_id):
        point = as_control_point(Endpoint.objects.get(name=name))
    presence.announce(5)
    hold = links.open_link(alice.tenant_id, point, 5, "192.0.2.7:1", 0).hold
    up = lamps(alice)[name]
    assert (up["lamp"], up["since"], up["address"]) == ("UP", up["up_at"], "192.0.2.7:1")
    links.close_link(hold, "a test")
    down = lamps(alice)[name]
    assert (down["lamp"], down["since"]) == ("DOWN", down["down_at"])
    assert down["down_at"] > down["up_at"]
    assert lamps(alice)[alice.control_points[1]]["lamp"] == "NEVER"
    assert {row["lamp"] for row in lamps(bob).values()} == {"NEVER"}


def test_the_lamp_of_one_is_found_by_its_endpoint_and_others_have_none(alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        operator = Endpoint.objects.get(protocol="neso-wa")
        point = Endpoint.objects.get(name=alice.control_points[0])
    ask = asker(alice)
    assert ask.get(f"/api/v1/links/{point.id}").json()["name"] == point.name
    assert ask.get(f"/api/v1/links/{operator.id}").status_code == 404
