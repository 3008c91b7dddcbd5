"""The API's side of the wall, over every address and method there is: none without a key, none with
another tenant's rows, none past what the caller may do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient
from rest_framework.views import APIView

from tenants import api_keys, members
from tenants.api import door
from tenants.api.door import TenantView
from tenants.ids import new_id
from tenants.models import ApiKey
from tenants.permissions import ROLES, Permission, Role
from tenants.scope import ScopeError, tenant_scope
from tests.api.addresses import (
    BESIDE,
    BODIES,
    BY_ID,
    LISTS,
    METHODS,
    OPERATIONS,
    OPERATIONS_BY_ID,
    PREFIX,
    PUBLIC,
    READ,
    ROUTES,
    ROWS,
    SINGLE,
    VIEWS,
    WALLED,
    address,
    named,
    offered,
    parameters,
)
from tests.api.carried import Carried
from tests.api.clients import client
from tests.api.conftest import Ask
from tests.people import Person


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for part in value.values():
            yield from leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from leaves(part)
    else:
        yield str(value)


def ask(asker: APIClient, route: str, method: str, place: str) -> Any:
    if method == "GET":
        return asker.get(place)
    body = BODIES.get((route, method), {})
    return asker.generic(method, place, json.dumps(body), content_type="application/json")


def test_what_is_outside_the_wall_is_there_and_tells_of_no_tenant(of_alice: Carried) -> None:
    assert set(ROUTES) >= PUBLIC | BESIDE
    for route in PUBLIC | BESIDE:
        told = client().get(route if route in BESIDE else PREFIX + route)
        assert b"alice" not in told.content.lower()


@pytest.mark.parametrize("route", WALLED)
def test_every_view_comes_through_the_door(route: str) -> None:
    assert issubclass(VIEWS[route], TenantView)


@pytest.mark.parametrize("route", WALLED)
def test_every_parameter_of_an_address_is_known_here(route: str) -> None:
    assert set(parameters(route)) <= ROWS.keys()


@pytest.mark.parametrize(("route", "method"), OPERATIONS)
def test_every_method_says_what_it_needs(route: str, method: str) -> None:
    assert isinstance(VIEWS[route].needed(method), Permission)
    assert VIEWS[route].needs.keys() <= set(offered(route))


def test_negative_control_a_method_that_writes_and_does_not_say_is_found() -> None:
    class Silent(TenantView):
        def post(self) -> None: ...

    with pytest.raises(LookupError):
        Silent.needed("POST")


@pytest.mark.parametrize(("route", "method"), OPERATIONS)
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
    alice: Person, of_alice: Carried, route: str, method: str, headers: dict[str, str]
) -> None:
    answer = ask(client(headers=headers), route, method, address(route, alice))
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["code"] in {"not-authenticated", "authentication-failed"}


@pytest.mark.parametrize(("route", "method"), OPERATIONS)
def test_a_key_with_one_character_changed_is_no_key(
    alice: Person, of_alice: Carried, route: str, method: str
) -> None:
    at = len("hsk_00000000_") + 5
    other = "A" if alice.api_key[at] != "A" else "B"
    wrong = alice.api_key[:at] + other + alice.api_key[at + 1 :]
    # Each from an address of its own: guesses at one key are counted by address.
    host = f"10.{OPERATIONS.index((route, method)) // 5}.0.1"
    asker = client(headers={"X-API-Key": wrong})
    asker.defaults["REMOTE_ADDR"] = host
    assert ask(asker, route, method, address(route, alice)).status_code == 401


@pytest.mark.parametrize("route", WALLED)
def test_a_method_that_is_not_offered_is_refused(
    alice: Person, of_alice: Carried, asking: Ask, route: str
) -> None:
    for method in {*METHODS, "OPTIONS"} - set(offered(route)):
        answer = ask(asking(alice), route, method, address(route, alice))
        assert answer.status_code == 405, method
        assert answer.json()["code"] == "method-not-allowed"


@pytest.mark.parametrize("route", LISTS)
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
    others get, and there is no count of rows.
    """
    seen = {}
    for person in (alice, bob, mallory):
        answer = asking(person).get(PREFIX + route)
        assert answer.status_code == 200
        assert answer.json().keys() == {"next", "previous", "results"}
        seen[person.name] = answer.json()["results"]
    marks = ("id", "hash", "message_id", "endpoint_id", "record_base64")
    names = {
        name: {row[key] for row in rows for key in marks if row.get(key)}
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


@pytest.mark.parametrize("route", SINGLE)
def test_what_there_is_one_of_is_ones_own(
    alice: Person, bob: Person, asking: Ask, route: str
) -> None:
    hers, his = (asking(person).get(PREFIX + route).json() for person in (alice, bob))
    assert hers != his


def told_of_another(asker: APIClient, route: str, method: str, alice: Person) -> str | None:
    """What an outsider learns from asking for alice's row, or None: the prover of the wall."""
    strange = {name: new_id() for name in parameters(route)}
    hers = ask(asker, route, method, address(route, alice))
    unknown = ask(asker, route, method, named(route, **strange))
    if hers.status_code != 404:
        return f"answered {hers.status_code}: {hers.content!r}"
    if hers.content != unknown.content:
        return "another body than for a row that does not exist"
    fixed = ("Content-Type", "Allow", "Vary", "Content-Length", "Retry-After")
    differs = [name for name in fixed if hers.get(name) != unknown.get(name)]
    differs += sorted(set(hers.headers) ^ set(unknown.headers))
    return f"other headers: {differs}" if differs else None


@pytest.mark.parametrize(("route", "method"), OPERATIONS_BY_ID)
def test_anothers_row_is_answered_as_one_that_does_not_exist(
    alice: Person,
    bob: Person,
    mallory: Person,
    of_alice: Carried,
    of_bob: Carried,
    asking: Ask,
    route: str,
    method: str,
) -> None:
    for person in (bob, mallory):
        assert told_of_another(asking(person), route, method, alice) is None


@pytest.mark.parametrize("route", [route for route in BY_ID if route in READ])
def test_ones_own_row_is_there(alice: Person, of_alice: Carried, asking: Ask, route: str) -> None:
    assert asking(alice).get(address(route, alice)).status_code == 200


@pytest.mark.parametrize("route", [route for route in BY_ID if route in READ])
def test_negative_control_a_door_that_opens_to_another_tenant_is_found(
    alice: Person,
    mallory: Person,
    of_alice: Carried,
    asking: Ask,
    route: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The guard switched off: the door opens alice's scope to whoever asks. The prover is seen to
    tell.
    """
    monkeypatch.setattr(door, "tenant_scope", lambda *_: tenant_scope(alice.tenant_id))
    assert told_of_another(asking(mallory), route, "GET", alice)


@pytest.mark.parametrize("route", ["api-keys", "api-certificates"])
def test_a_write_that_names_anothers_row_is_answered_as_if_there_were_none(
    alice: Person, bob: Person, of_alice: Carried, asking: Ask, route: str
) -> None:
    with tenant_scope(alice.tenant_id):
        hers = ROWS["member_id"]()
    told = []
    for member_id in (hers, new_id()):
        body = {"label": "x", "member_id": str(member_id), "pem": "x", "proof": "eA=="}
        wanted = {name: body[name] for name in body if route != "api-keys" or name[0] in "lm"}
        told.append(asking(bob).post(PREFIX + route, wanted, format="json"))
    assert [answer.status_code for answer in told] == [404, 404]
    assert told[0].content == told[1].content


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


@pytest.mark.parametrize("route", READ)
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
        asking(alice).get(address(route, alice))


@pytest.mark.parametrize("route", READ)
def test_no_answer_holds_a_key_or_its_hash(
    alice: Person, of_alice: Carried, asking: Ask, route: str
) -> None:
    text = json.dumps(asking(alice).get(address(route, alice)).json())
    with tenant_scope(alice.tenant_id):
        hashes = [bytes(row.hash).hex() for row in ApiKey.objects.all()]
    for secret in (*hashes, alice.api_key, alice.api_key.split("_", 2)[2], "PRIVATE KEY"):
        assert secret not in text


@pytest.fixture(scope="module")
def keys_of_roles(alice: Person) -> dict[Role, str]:
    """One of alice's people in each role."""
    with tenant_scope(alice.tenant_id):
        people = {
            role: members.add(role.value, f"the.{role.value}@alice.example", role) for role in Role
        }
        return {
            role: api_keys.mint("of a role", member=member).text for role, member in people.items()
        }


def refused(key: str, route: str, method: str, place: str) -> list[str] | None:
    """The permissions that a caller is told to lack, or None."""
    answer = ask(client({"X-API-Key": key}), route, method, place)
    if answer.status_code != 403:
        return None
    told = answer.json()
    assert told["code"] == "permission-needed"
    needed: list[str] = told["permissions"]
    assert all(name in told["detail"] for name in needed)
    return needed


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("route", "method"), OPERATIONS)
def test_a_role_gets_as_far_as_its_permissions_and_is_told_which_it_lacks(
    alice: Person,
    of_alice: Carried,
    keys_of_roles: dict[Role, str],
    route: str,
    method: str,
    role: Role,
) -> None:
    """With a row that does not exist, so that nothing is done: a permission comes before that."""
    place = named(route, **{name: UUID(int=7) for name in parameters(route)})
    needed = VIEWS[route].needed(method)
    if needed not in ROLES[role]:
        assert refused(keys_of_roles[role], route, method, place) == [needed.value]
    elif parameters(route) or method == "GET":
        assert refused(keys_of_roles[role], route, method, place) is None


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_negative_control_without_the_check_an_observer_could_write(
    alice: Person,
    of_alice: Carried,
    keys_of_roles: dict[Role, str],
    method: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The guard switched off: the test above is seen to fail."""
    monkeypatch.setattr(door, "require", lambda *_: None)
    route = "members" if method == "POST" else "members/<uuid:member_id>"
    place = named(route, member_id=UUID(int=7))
    assert refused(keys_of_roles[Role.OBSERVER], route, method, place) is None


@pytest.mark.parametrize("route", READ)
def test_every_answer_tells_how_the_quotas_stand(
    alice: Person, of_alice: Carried, asking: Ask, route: str
) -> None:
    for place in (address(route, alice), PREFIX + "messages?colour=red"):
        answer = asking(alice).get(place)
        assert answer["RateLimit-Policy"].startswith('"key";q=')
        assert '"tenant";r=' in answer["RateLimit"]


def test_a_revoked_or_expired_key_is_no_key(alice: Person) -> None:
    for column in ("revoked_at", "expires_at"):
        with tenant_scope(alice.tenant_id):
            key = api_keys.mint("to be withdrawn").text
        asker = client(headers={"X-API-Key": key})
        assert asker.get("/api/v1/tenant").status_code == 200
        with tenant_scope(alice.tenant_id):
            ApiKey.objects.filter(prefix=key.split("_")[1]).update(**{column: "2020-01-01T00:00Z"})
        assert asker.get("/api/v1/tenant").status_code == 401
