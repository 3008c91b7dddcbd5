"""Lamps, holds and outage notices by the API: what a tenant sees, and what its people may do."""

from __future__ import annotations

from typing import Any

import pytest

from messaging.models import Connection, OutageNotice
from messaging.relay import telephone
from tenants.clock import now
from tenants.ids import new_id
from tenants.models import Endpoint
from tenants.scope import tenant_scope
from tests.api.carried import Carried
from tests.api.conftest import Ask
from tests.people import Person

HOLDS, NOTICES = "/api/v1/holds", "/api/v1/outage-notices"
TEXT = "NESO_Redeclaration\\nNESO_Submission\r\nfrom 09:00 GMT to 23:00 GMT on 12 March 2031"


def test_the_lamp_tells_how_the_connection_stands(
    alice: Person, of_alice: Carried, asking: Ask
) -> None:
    (row,) = asking(alice).get("/api/v1/connections").json()["results"]
    assert row["endpoint_id"] == str(of_alice.endpoint)
    assert (row["state"], row["holds"], row["environment"]) == ("UNKNOWN", False, "simulator")
    query = {"state": "OUT"}
    assert asking(alice).get("/api/v1/connections", query).json()["results"] == []


def test_asking_in_vain_is_shown_and_ended_with_a_reason(
    alice: Person, of_alice: Carried, asking: Ask
) -> None:
    asker = asking(alice)
    (row,) = asker.get("/api/v1/connections").json()["results"]
    assert (row["unasked_since"], row["unasked_why"]) == (None, "")
    place = f"/api/v1/connections/{row['id']}/end-asking"
    told = asker.post(place, {"reason": "by telephone"}, format="json")
    assert (told.status_code, told.json()["code"]) == (409, "not-asked-in-vain")
    with tenant_scope(alice.tenant_id):
        since = {"normalize_from": now(), "unasked_since": now(), "unasked_why": "HTTP 500"}
        Connection.objects.update(**since)
    (row,) = asker.get("/api/v1/connections").json()["results"]
    assert (row["unasked_since"] is not None, row["unasked_why"]) == (True, "HTTP 500")
    assert asker.post(place, {}, format="json").status_code == 400
    told = asker.post(place, {"reason": "by telephone"}, format="json")
    assert told.status_code == 200
    assert (told.json()["unasked_since"], told.json()["missed_since"]) == (None, None)


def test_a_hold_is_placed_listed_and_released_once(
    alice: Person, of_alice: Carried, asking: Ask
) -> None:
    asker = asking(alice)
    wanted = {"bm_unit": "ALICP1-1", "reason": "it floods"}
    placed = asker.post(HOLDS, wanted, format="json")
    assert placed.status_code == 201
    row = placed.json()
    assert (row["bm_unit"], row["endpoint_id"], row["released_at"]) == ("ALICP1-1", None, None)
    standing = asker.get(HOLDS, {"standing": "true"}).json()["results"]
    assert [one["id"] for one in standing] == [row["id"]]
    assert asker.get(f"{HOLDS}/{row['id']}").json() == row
    release = f"{HOLDS}/{row['id']}/release"
    assert asker.post(release, {}, format="json").status_code == 400
    told = asker.post(release, {"reason": "no more"}, format="json")
    assert told.json()["release_reason"] == "no more"
    again = asker.post(release, {"reason": "no more"}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "not-held")
    assert asker.get(HOLDS, {"standing": "true"}).json()["results"] == []


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({}, 400),
        ({"reason": ""}, 400),
        ({"reason": "r" * 501}, 400),
        ({"reason": "r", "bm_unit": "ALICP1-1", "endpoint_id": str(new_id())}, 400),
        ({"reason": "r", "bm_units": "ALICP1-1"}, 400),
        ({"reason": "r", "bm_unit": "NOBODYS"}, 404),
        ({"reason": "r", "endpoint_id": "00000000-0000-0000-0000-000000000007"}, 404),
    ],
)
def test_what_can_not_be_held_is_refused(
    alice: Person, of_alice: Carried, asking: Ask, wanted: dict[str, Any], status: int
) -> None:
    assert asking(alice).post(HOLDS, wanted, format="json").status_code == status


def test_anothers_endpoint_is_held_as_little_as_one_that_does_not_exist(
    alice: Person, bob: Person, asking: Ask
) -> None:
    with tenant_scope(alice.tenant_id):
        hers = Endpoint.objects.get(protocol="neso-wa").id
    told = [
        asking(bob).post(HOLDS, {"reason": "r", "endpoint_id": str(one)}, format="json")
        for one in (hers, new_id())
    ]
    assert [one.status_code for one in told] == [404, 404]
    assert told[0].content == told[1].content


def post(asking: Ask, person: Person, **body: Any) -> Any:
    return asking(person).post(NOTICES, body, format="json")


def test_a_notice_is_read_and_planned(alice: Person, asking: Ask) -> None:
    row = post(asking, alice, text=TEXT).json()
    assert (row["state"], row["environment"]) == ("PLANNED", "production")
    assert row["services"] == ["Redeclaration", "Submission"]
    assert row["starts_at"] == "2031-03-12T09:00:00Z"
    assert row["ends_at"] == "2031-03-12T23:00:00Z"
    assert (row["missing"], row["text"], row["is_the_hosts"]) == ([], TEXT, False)


def test_what_is_said_beside_the_text_goes_before_it(alice: Person, asking: Ask) -> None:
    row = post(asking, alice, text=TEXT, services=["Health"], ends_at="2031-03-13T00:00Z").json()
    assert (row["services"], row["ends_at"]) == (["Health"], "2031-03-13T00:00:00Z")


def test_what_can_not_be_read_is_kept_and_completed(alice: Person, asking: Ask) -> None:
    row = post(asking, alice, text="It will be out").json()
    assert (row["state"], row["missing"]) == ("INCOMPLETE", ["services", "start", "end"])
    place = f"{NOTICES}/{row['id']}"
    changes = {"services": ["Health"], "starts_at": "2031-03-12T09:00Z"}
    told = asking(alice).patch(place, changes, format="json").json()
    assert (told["state"], told["missing"]) == ("INCOMPLETE", ["end"])
    told = asking(alice).patch(place, {"until_further_notice": True}, format="json").json()
    assert (told["state"], told["missing"]) == ("PLANNED", [])
    told = asking(alice).patch(place, {"ends_at": "2031-03-12T10:00Z"}, format="json").json()
    assert (told["ends_at"], told["until_further_notice"]) == ("2031-03-12T10:00:00Z", False)
    wrong = asking(alice).patch(place, {"ends_at": "2031-03-12T08:00Z"}, format="json")
    assert wrong.status_code == 400
    assert asking(alice).get(place).json()["ends_at"] == "2031-03-12T10:00:00Z"
    assert asking(alice).post(f"{place}/cancel").json()["state"] == "CANCELLED"
    again = asking(alice).post(f"{place}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "over")


def test_the_hosts_notice_is_seen_and_not_changed(alice: Person, asking: Ask) -> None:
    with tenant_scope(alice.tenant_id):
        row = telephone.post(OutageNotice(system_notice_id=new_id()), "ada", now())
    place = f"{NOTICES}/{row.id}"
    assert asking(alice).get(place).json()["is_the_hosts"] is True
    for told in (
        asking(alice).patch(place, {"services": ["Health"]}, format="json"),
        asking(alice).post(f"{place}/cancel"),
    ):
        assert (told.status_code, told.json()["code"]) == (409, "the-hosts")


@pytest.mark.parametrize(
    "body",
    [
        {"services": ["Everything"]},
        {"text": "x" * 20_001},
        {"environment": "moon"},
        {"state": "ON"},
    ],
)
def test_a_notice_that_says_what_can_not_be_is_refused(
    alice: Person, asking: Ask, body: dict[str, Any]
) -> None:
    assert post(asking, alice, **body).status_code == 400
