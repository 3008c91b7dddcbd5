"""What was carried, as a tenant reads it: order, filters, pages, and one message from end to
end.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

from tenants.ids import digest_of
from tenants.models import Endpoint
from tenants.scope import tenant_scope
from tests.api.carried import START, Carried, signed_form
from tests.api.conftest import Ask
from tests.people import Person


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_messages_come_newest_first(alice: Person, of_alice: Carried, asking: Ask) -> None:
    found = ids(asking(alice).get("/api/v1/messages"))
    assert found == [str(row_id) for row_id in reversed(of_alice.messages)]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"kind": "MEL"}, ["redeclaration"]),
        ({"kind": "mel"}, []),
        ({"bm_unit": "ALICP1-1"}, ["acceptance", "redeclaration"]),
        ({"bm_unit": "ALICP1-2"}, []),
        ({"bm_unit": "ALICP1-1", "kind": "BOA"}, ["acceptance"]),
        ({"received_since": START + timedelta(minutes=1)}, ["broken", "text", "acceptance"]),
        ({"received_until": START + timedelta(minutes=1)}, ["redeclaration"]),
        (
            {
                "received_since": START + timedelta(minutes=1),
                "received_until": START + timedelta(minutes=2),
            },
            ["acceptance"],
        ),
    ],
    ids=str,
)
def test_messages_are_filtered(
    alice: Person, of_alice: Carried, asking: Ask, query: dict[str, Any], names: list[str]
) -> None:
    written = {k: v if isinstance(v, str) else v.isoformat() for k, v in query.items()}
    found = ids(asking(alice).get("/api/v1/messages", written))
    assert found == [str(getattr(of_alice, name)) for name in names]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 3),
        ({"state": "PENDING"}, 1),
        ({"state": "ACKNOWLEDGED", "lane": "operator"}, 1),
        ({"state": "ACKNOWLEDGED", "lane": "link"}, 0),
        ({"lane": "link"}, 1),
    ],
    ids=str,
)
def test_deliveries_are_filtered(
    alice: Person, of_alice: Carried, asking: Ask, query: dict[str, str], count: int
) -> None:
    assert len(ids(asking(alice).get("/api/v1/deliveries", query))) == count


def test_an_instruction_says_what_it_waits_for(
    alice: Person, of_alice: Carried, asking: Ask
) -> None:
    (row,) = asking(alice).get("/api/v1/instructions", {"kind": "BOA"}).json()["results"]
    assert row["id"] == str(of_alice.instruction)
    assert row["message_id"] == str(of_alice.acceptance)
    assert (row["number"], row["verdict"], row["answer_id"]) == (7, None, None)


@pytest.mark.parametrize("limit", ["1", "2", "3"])
@pytest.mark.parametrize("route", ["messages", "audit/entries", "bm-units", "endpoints"])
def test_pages_join_up_forwards_and_backwards(
    alice: Person, of_alice: Carried, asking: Ask, route: str, limit: str
) -> None:
    client = asking(alice)
    seen: list[Any] = []
    back: list[Any] = []
    whole = client.get(f"/api/v1/{route}").json()["results"]
    address, last = f"/api/v1/{route}?limit={limit}", None
    while address:
        last = client.get(address).json()
        seen += last["results"]
        address = last["next"]
    assert seen == whole
    while last is not None:
        back = last["results"] + back
        last = client.get(last["previous"]).json() if last["previous"] else None
    assert back == whole


def test_a_message_is_told_from_end_to_end(alice: Person, of_alice: Carried, asking: Ask) -> None:
    told = asking(alice).get(f"/api/v1/messages/{of_alice.redeclaration}").json()
    assert told["message"]["id"] == str(of_alice.redeclaration)
    assert digest_of(base64.b64decode(told["body_base64"])).hex() == told["message"]["body_digest"]
    assert told["content"] == {
        "type": "LevelRedeclaration",
        "control_point": "ALICP1",
        "bm_unit": "ALICP1-1",
        "parameter": "MEL",
        "levels": [
            {
                "type": "Segment",
                "time_from": f"{START:%Y-%m-%dT%H:%M:%SZ}",
                "level_from": 100,
                "time_to": f"{START + timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}",
                "level_to": 80,
            }
        ],
    }
    (delivery,) = told["deliveries"]
    assert (delivery["state"], delivery["attempt_count"]) == ("ACKNOWLEDGED", 1)
    assert [attempt["outcome"] for attempt in delivery["attempts"]] == ["DELIVERED"]
    assert [entry["event"] for entry in told["entries"]] == ["received", "delivered"]
    assert told["is_whole"] is True


def test_an_acceptance_is_read_from_the_operators_own_bytes(
    alice: Person, of_alice: Carried, asking: Ask
) -> None:
    told = asking(alice).get(f"/api/v1/messages/{of_alice.acceptance}").json()
    assert told["content"]["type"] == "BidOfferAcceptance"
    assert (told["content"]["number"], told["content"]["so_flag"]) == (7, True)


def test_what_the_operator_signed_is_given_as_it_came(
    alice: Person, of_alice: Carried, asking: Ask
) -> None:
    told = asking(alice).get(f"/api/v1/messages/{of_alice.acceptance}").json()
    sealed, body = (base64.b64decode(told[n]) for n in ("sealed_base64", "body_base64"))
    assert sealed == signed_form(body)
    assert told["message"]["sealed_digest"] == digest_of(sealed).hex()
    assert told["message"]["profile"] == "host-1"
    plain = asking(alice).get(f"/api/v1/messages/{of_alice.redeclaration}").json()
    assert (plain["sealed_base64"], plain["message"]["sealed_digest"]) == (None, None)


def test_bytes_that_cannot_be_read_are_shown_with_the_reason(
    alice: Person, of_alice: Carried, asking: Ask
) -> None:
    told = asking(alice).get(f"/api/v1/messages/{of_alice.broken}").json()
    assert told["content"] is None
    assert told["content_fault"].startswith("R001 ")
    assert base64.b64decode(told["body_base64"]) == b"\x00 not EDL"


def test_a_setting_that_is_not_known_to_be_harmless_is_not_shown(
    alice: Person, asking: Ask
) -> None:
    with tenant_scope(alice.tenant_id):
        Endpoint.objects.filter(name="ALICP2").update(
            settings={"profile": "host-1", "password": "secret"}
        )
    rows = asking(alice).get("/api/v1/endpoints").json()["results"]
    (row,) = (row for row in rows if row["name"] == "ALICP2")
    assert row["settings"] == {"profile": "host-1"}
