"""The API's side of the wall, over every address there is: none without a key, none with another
tenant's rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.views import APIView

from tenants import api_keys
from tenants.api.door import TenantView
from tenants.ids import new_id
from tenants.models import ApiKey
from tenants.scope import ScopeError, tenant_scope
from tests.api.carried import Carried
from tests.api.clients import client
from tests.api.conftest import Ask
from tests.people import Person

PREFIX = "/api/v1/"

# Addresses that are the same for everybody, and tell of no tenant.
PUBLIC = {"openapi", "docs"}
LISTS = {
    "bm-units",
    "certificates",
    "endpoints",
    "messages",
    "deliveries",
    "instructions",
    "audit/entries",
}
SINGLE = {"tenant", "audit/head"}
BY_ID = {"messages/<uuid:message_id>"}
# Asked about in tests/keys, each with a body of its own.
CERTIFICATE = "certificates/<uuid:certificate_id>"
OF_CERTIFICATES = {
    *("certificates/requests", "certificates/uploads", CERTIFICATE, f"{CERTIFICATE}/answer"),
    *(f"{CERTIFICATE}/switch-over", f"{CERTIFICATE}/revoke"),
}
WALLED = sorted(LISTS | SINGLE | BY_ID)


def routes() -> dict[str, Any]:
    """Every address of the API as the urlconf has it, with its view's class."""

    def below(patterns: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from below(pattern.url_patterns, route)
            elif isinstance(pattern, URLPattern):
                yield route, getattr(pattern.callback, "cls", None)

    found = below(get_resolver("hostsvc.urls").url_patterns, "/")
    return {route.removeprefix(PREFIX): view for route, view in found if route.startswith(PREFIX)}


def address(route: str, message_id: UUID) -> str:
    return PREFIX + route.replace("<uuid:message_id>", str(message_id))


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for part in value.values():
            yield from leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from leaves(part)
    else:
        yield str(value)


def test_the_tables_here_name_every_address_of_the_urlconf() -> None:
    assert set(routes()) == PUBLIC | set(WALLED) | OF_CERTIFICATES


@pytest.mark.parametrize("route", WALLED)
def test_every_view_comes_through_the_door(route: str) -> None:
    assert issubclass(routes()[route], TenantView)


@pytest.mark.parametrize("route", WALLED)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer hsk_00000000_" + "A" * 43},
        {"Authorization": "Basic aHNrOmhzaw=="},
        {"Authorization": "Bearer " + "hsk_" * 10_000},
        {"X-API-Key": "hsk_\u00e4"},
        {"X-API-Key": ""},
    ],
    ids=["none", "empty", "unknown", "another scheme", "endless", "not ASCII", "empty header"],
)
def test_without_a_key_in_force_there_is_nothing(
    of_alice: Carried, route: str, headers: dict[str, str]
) -> None:
    answer = client().get(address(route, of_alice.redeclaration), headers=headers)
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["code"] in {"not-authenticated", "authentication-failed"}


@pytest.mark.parametrize("route", WALLED)
def test_a_key_with_one_character_changed_is_no_key(
    alice: Person, of_alice: Carried, route: str
) -> None:
    last = "A" if alice.api_key[-1] != "A" else "B"
    asker = client(headers={"X-API-Key": alice.api_key[:-1] + last})
    assert asker.get(address(route, of_alice.redeclaration)).status_code == 401


def test_a_revoked_or_expired_key_is_no_key(alice: Person) -> None:
    for column in ("revoked_at", "expires_at"):
        with tenant_scope(alice.tenant_id):
            key = api_keys.mint("to be withdrawn")
        asker = client(headers={"X-API-Key": key})
        assert asker.get("/api/v1/tenant").status_code == 200
        with tenant_scope(alice.tenant_id):
            ApiKey.objects.filter(prefix=key.split("_")[1]).update(**{column: "2020-01-01T00:00Z"})
        assert asker.get("/api/v1/tenant").status_code == 401


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("route", WALLED)
def test_nothing_can_be_written(
    alice: Person, of_alice: Carried, asking: Ask, route: str, method: str
) -> None:
    answer = getattr(asking(alice), method)(address(route, of_alice.redeclaration))
    assert answer.status_code == 405
    assert answer.json()["code"] == "method-not-allowed"


@pytest.mark.parametrize("route", sorted(LISTS))
def test_lists_hold_ones_own_rows_and_none_of_anothers(
    alice: Person,
    bob: Person,
    mallory: Person,
    of_alice: Carried,
    of_bob: Carried,
    asking: Ask,
    route: str,
) -> None:
    """Told by the ids and hashes: whatever names one of alice's rows must be nowhere in what the
    others get.
    """
    seen = {}
    for person in (alice, bob, mallory):
        answer = asking(person).get(PREFIX + route)
        assert answer.status_code == 200
        seen[person.name] = answer.json()["results"]
    named = ("id", "hash", "message_id", "record_base64")
    names = {
        name: {row[key] for row in rows for key in named if row.get(key)}
        for name, rows in seen.items()
    }
    assert names["alice"]
    assert names["bob"]
    assert not names["alice"] & {leaf for row in seen["bob"] for leaf in leaves(row)}
    assert not names["alice"] & {leaf for row in seen["mallory"] for leaf in leaves(row)}


@pytest.mark.parametrize("route", ["messages", "deliveries", "instructions"])
def test_a_tenant_without_rows_gets_an_empty_page(
    mallory: Person, of_alice: Carried, asking: Ask, route: str
) -> None:
    answer = asking(mallory).get(PREFIX + route)
    assert answer.json() == {"next": None, "previous": None, "results": []}


@pytest.mark.parametrize("route", sorted(SINGLE))
def test_what_there_is_one_of_is_ones_own(
    alice: Person, bob: Person, asking: Ask, route: str
) -> None:
    hers, his = (asking(person).get(PREFIX + route).json() for person in (alice, bob))
    assert hers != his


@pytest.mark.parametrize("route", sorted(BY_ID))
def test_anothers_row_is_answered_as_one_that_does_not_exist(
    alice: Person,
    bob: Person,
    mallory: Person,
    of_alice: Carried,
    of_bob: Carried,
    asking: Ask,
    route: str,
) -> None:
    assert asking(alice).get(address(route, of_alice.redeclaration)).status_code == 200
    for person in (bob, mallory):
        anothers = asking(person).get(address(route, of_alice.redeclaration))
        unknown = asking(person).get(address(route, new_id()))
        assert anothers.status_code == unknown.status_code == 404
        assert anothers.json() == unknown.json()
        assert anothers.headers == unknown.headers


def test_a_filter_by_anothers_message_finds_nothing(
    bob: Person, of_alice: Carried, asking: Ask
) -> None:
    query = {"message_id": str(of_alice.redeclaration)}
    assert asking(bob).get("/api/v1/audit/entries", query).json()["results"] == []


def test_anothers_cursor_leads_to_none_of_their_rows(
    alice: Person, bob: Person, of_alice: Carried, of_bob: Carried, asking: Ask
) -> None:
    following = asking(alice).get("/api/v1/messages", {"limit": "1"}).json()["next"]
    shown = asking(bob).get(following).json()["results"]
    assert {row["id"] for row in shown} <= {str(row_id) for row_id in of_bob.messages}


@pytest.mark.parametrize("route", WALLED)
def test_negative_control_a_view_past_the_door_is_stopped_by_the_manager(
    alice: Person,
    of_alice: Carried,
    asking: Ask,
    route: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The door taken away: the key is good, and still no row can be asked for."""
    monkeypatch.setattr(TenantView, "initial", APIView.initial)
    with pytest.raises(ScopeError):
        asking(alice).get(address(route, of_alice.redeclaration))


@pytest.mark.parametrize("route", WALLED)
def test_no_answer_holds_a_key_or_its_hash(
    alice: Person, of_alice: Carried, asking: Ask, route: str
) -> None:
    text = json.dumps(asking(alice).get(address(route, of_alice.redeclaration)).json())
    with tenant_scope(alice.tenant_id):
        hashes = [bytes(row.hash).hex() for row in ApiKey.objects.all()]
    for secret in (*hashes, alice.api_key, alice.api_key.split("_", 2)[2], "PRIVATE KEY"):
        assert secret not in text
