"""Refusals: one shape, stable codes, and never a traceback."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connections
from rest_framework.test import APIClient

from hostsvc import problems
from tenants.api import door
from tests.api.carried import Carried
from tests.api.clients import client
from tests.api.conftest import Ask
from tests.people import Person
from tests.roles import point_django_at
from tests.servers import TestServers


def cursor(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "/colour"),
        ("kind=MEL&kind=MIL", "/kind"),
        ("kind=", "/kind"),
        ("kind=%00", "/kind"),
        ("bm_unit=LONGERTHANNINE", "/bm_unit"),
        ("received_since=yesterday", "/received_since"),
        ("received_since=2026-13-01T00:00Z", "/received_since"),
        ("received_until=0001-01-01T00:00%2B23:59", "/received_until"),
        ("limit=0", "/limit"),
        ("limit=501", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=%D9%A1", "/limit"),
        ("limit=" + "9" * 5000, "/limit"),
        ("cursor=nonsense", "/cursor"),
        ("cursor=" + cursor("p=yesterday"), "/cursor"),
        ("cursor=" + cursor("p=\0"), "/cursor"),
        ("cursor=" + cursor("o=x"), "/cursor"),
        ("cursor=%FF", "/cursor"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(
    alice: Person, asking: Ask, query: str, field: str
) -> None:
    answer = asking(alice).get(f"/api/v1/messages?{query}")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert (told["code"], told["status"], told["title"]) == ("invalid", 400, "Bad Request")
    assert [error["field"].split("/0")[0] for error in told["errors"]] == [field]


@pytest.mark.parametrize(
    ("route", "query"),
    [
        ("audit/entries", "after=-1"),
        ("audit/entries", "after=9223372036854775808"),
        ("audit/entries", "after=x"),
        ("audit/entries", "message_id=x"),
        ("audit/entries", "cursor=" + cursor("p=x")),
        ("deliveries", "state=GONE"),
        ("deliveries", "lane=fast"),
        ("instructions", "kind=MEL"),
        ("bm-units", "cursor=" + cursor("p=\0")),
        ("bm-units", "name=x"),
    ],
)
def test_each_list_knows_its_own_parameters(
    alice: Person, asking: Ask, route: str, query: str
) -> None:
    answer = asking(alice).get(f"/api/v1/{route}?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"


def test_a_cursor_beyond_every_number_is_a_page_with_nothing(alice: Person, asking: Ask) -> None:
    far = cursor("p=99999999999999999999999")
    assert asking(alice).get(f"/api/v1/audit/entries?cursor={far}").json()["results"] == []


@pytest.mark.parametrize(
    "path", ["", "nothing", "messages/", "messages/x", "messages/../tenant", "audit", "tenant/x"]
)
def test_an_address_that_does_not_exist_is_told_like_a_row_that_does_not(
    alice: Person, asking: Ask, path: str
) -> None:
    answer = asking(alice).get(f"/api/v1/{path}")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "not-found"


def test_a_wrong_address_is_told_where_all_addresses_are(alice: Person, asking: Ask) -> None:
    told = [
        asking(alice).get(f"/api/v1/{path}").json()["detail"] for path in ("", "messages/", "x")
    ]
    assert all("/api/v1/openapi" in detail for detail in told)
    assert ["slash" in detail for detail in told] == [True, True, False]


def test_who_shows_nothing_is_told_how_to(alice: Person) -> None:
    told = client().get("/api/v1/tenant", headers={"Authorization": alice.api_key}).json()
    assert "Authorization: Bearer" in told["detail"]


def test_an_unknown_parameter_is_told_what_is_known(alice: Person, asking: Ask) -> None:
    (error,) = asking(alice).get("/api/v1/messages?received_after=now").json()["errors"]
    assert {"kind", "bm_unit", "received_since", "received_until", "cursor", "limit"} == set(
        error["text"].partition("known are ")[2].rstrip(".").split(", ")
    )


def test_an_answer_in_another_form_than_json_is_refused(alice: Person, asking: Ask) -> None:
    answer = asking(alice).get("/api/v1/tenant", headers={"Accept": "text/html"})
    assert answer.status_code == 406
    assert answer.json()["code"] == "not-acceptable"


def test_a_host_that_is_not_ours_is_a_problem_too() -> None:
    answer = APIClient(SERVER_NAME="elsewhere.example").get("/api/v1/tenant")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_a_bug_is_told_as_internal_and_with_no_word_of_it(
    alice: Person, asking: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("what nobody should read")

    monkeypatch.setattr(door, "caller_of", broken)
    client = asking(alice)
    client.raise_request_exception = False
    answer = client.get("/api/v1/tenant")
    assert answer.status_code == 500
    assert answer.json() == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "code": "internal",
    }


def test_a_question_that_takes_too_long_is_ended(
    alice: Person,
    of_alice: Carried,
    asking: Ask,
    servers: TestServers,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Held up by a lock on the table."""
    monkeypatch.setattr(door, "QUESTION_SECONDS", 1)
    with psycopg.connect(servers.url("owner", database)) as owner:
        owner.execute("LOCK TABLE messaging_message IN ACCESS EXCLUSIVE MODE")
        answer = asking(alice).get("/api/v1/messages")
    assert answer.status_code == 503
    assert answer.json()["code"] == "took-too-long"
    assert asking(alice).get("/api/v1/messages").status_code == 200


@pytest.fixture
def database_away(servers: TestServers, database: str) -> Iterator[None]:
    """Nothing listens where the database should be."""
    connections.close_all()
    connections["default"].settings_dict["PORT"] = "1"
    try:
        yield
    finally:
        point_django_at(servers, database)


def test_without_the_database_callers_are_asked_to_come_again(
    alice: Person, asking: Ask, database_away: None
) -> None:
    answer = asking(alice).get("/api/v1/tenant")
    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert int(answer["Retry-After"]) > 0


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    "body",
    [
        '{"label": ' + nested(100) + "}",
        '{"label": ' + nested(5_000) + "}",
        nested(900_000),
        '{"label": ' + "9" * 5_000 + "}",
        '{"label": NaN}',
        '{"label": "\xff',
        "",
        "null",
        "[]",
        '"text"',
        '{"label": "\\u0000"}',
        '{"label": "\\ud800"}',
        '{"\\ud800": 1}',
        '{"label": ["\\ud800"]}',
    ],
    ids=[
        *("deep", "deeper", "deepest", "endless number", "no number", "cut off", "nothing"),
        *("null", "array", "text", "NUL", "half a pair", "half a pair as a name", "half in a list"),
    ],
)
def test_a_body_that_nobody_can_mean_is_refused(alice: Person, asking: Ask, body: str) -> None:
    answer = asking(alice).post(
        "/api/v1/api-keys", body.encode("latin-1"), content_type="application/json"
    )
    assert answer.status_code == 400
    assert answer.json()["code"] in {"invalid", "parse-error"}


def test_what_is_told_of_a_bad_request_is_bounded(alice: Person, asking: Ask) -> None:
    body = {f"{number}{'x' * 1000}": 1 for number in range(2_000)}
    answer = asking(alice).post("/api/v1/api-keys", body, format="json")
    assert answer.status_code == 400
    assert len(answer.json()["errors"]) == problems.MOST_ERRORS
    assert len(answer.content) < 100_000


@pytest.mark.parametrize(
    "settings",
    ['{"profile": "\\u0000"}', '{"\\u0000": 1}', '{"profile": "\\udfff"}', '{"profile": 1e999}'],
    ids=["NUL", "NUL in a name", "half a pair", "beyond all numbers"],
)
def test_settings_that_can_not_be_stored_are_refused(
    alice: Person, asking: Ask, settings: str
) -> None:
    body = (
        '{"name": "NEW1", "protocol": "edl", "transport": "tcp", "environment": "simulator",'
        f' "settings": {settings}}}'
    )
    answer = asking(alice).post("/api/v1/endpoints", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "/settings"


def test_a_setting_named_by_nothing_is_refused_beside_others(alice: Person, asking: Ask) -> None:
    named = {"name": "NEW1", "protocol": "edl", "transport": "tcp", "environment": "simulator"}
    body = {**named, "settings": {"": 1, "x": 1}}
    answer = asking(alice).post("/api/v1/endpoints", body, format="json")
    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["errors"]] == ["/settings/", "/settings/x"]


@pytest.mark.parametrize(
    ("route", "body", "field"),
    [
        ("api-keys", {"label": 0}, "/label"),
        ("api-keys", {"label": "x", "member_id": 0}, "/member_id"),
        ("api-keys", {"label": "x", "networks": [0]}, "/networks/0"),
        ("holds", {"reason": True}, "/reason"),
        ("outage-notices", {"until_further_notice": 0}, "/until_further_notice"),
        ("outage-notices", {"until_further_notice": "true"}, "/until_further_notice"),
        ("endpoints", {"name": 1}, "/name"),
        ("webhooks", {"url": ["x"]}, "/url"),
        ("alerts", {"addresses": [], "steps": [None]}, "/steps/0"),
    ],
)
def test_what_is_of_another_kind_is_not_made_to_fit(
    alice: Person, asking: Ask, route: str, body: dict[str, object], field: str
) -> None:
    method = "PUT" if route == "alerts" else "POST"
    answer = asking(alice).generic(
        method, f"/api/v1/{route}", json.dumps(body), content_type="application/json"
    )
    assert answer.status_code == 400
    assert field in [error["field"] for error in answer.json()["errors"]]
