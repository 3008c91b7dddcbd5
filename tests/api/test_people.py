"""The tenant's people and what they show to the API: who may do what, who did it, and that somebody
can always do it.
"""

from __future__ import annotations

import json
import secrets
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from rest_framework.test import APIClient

from tenants import api_keys, members, pepper, vault
from tenants.audit.models import Entry
from tenants.audit.verify import verify
from tenants.credentials import TooWide
from tenants.models import ApiKey, Member, Pepper
from tenants.permissions import ROLES, Permission, Role
from tenants.scope import tenant_scope
from tests.api.clients import client
from tests.api.conftest import Ask
from tests.people import Person

KEYS, MEMBERS = "/api/v1/api-keys", "/api/v1/members"


@pytest.fixture
def owner(alice: Person, asking: Ask) -> APIClient:
    return asking(alice)


def by(key: str) -> APIClient:
    return client({"Authorization": f"Bearer {key}"})


def added(owner: APIClient, role: str = "OPERATOR", name: str = "Olga") -> dict[str, Any]:
    count = len(list(owner.get(MEMBERS, {"limit": "500"}).json()["results"]))
    body = {"name": name, "email": f"{name}{count}@alice.example", "role": role}
    answer = owner.post(MEMBERS, body, format="json")
    assert answer.status_code == 201, answer.json()
    found: dict[str, Any] = answer.json()
    return found


def minted(owner: APIClient, **wanted: Any) -> dict[str, Any]:
    answer = owner.post(KEYS, {"label": "a key", **wanted}, format="json")
    assert answer.status_code == 201, answer.json()
    assert answer["Cache-Control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


def told(person: Person) -> list[dict[str, Any]]:
    """Events of people and keys with their details, oldest first."""
    with tenant_scope(person.tenant_id):
        rows = [json.loads(bytes(row.record)) for row in Entry.objects.order_by("seq")]
    return [{"event": row["event"], **row["detail"]} for row in rows]


def test_me_says_who_is_asking(alice: Person, owner: APIClient) -> None:
    me = owner.get("/api/v1/me").json()
    assert (me["tenant"], me["name"], me["member"]["role"]) == ("alice", "alice the owner", "OWNER")
    assert me["permissions"] == [one.value for one in Permission]
    assert (me["credential"], me["is_rotated"], me["address"]) == ("API key", False, "127.0.0.1")


def test_a_member_is_added_given_a_role_and_removed_and_the_log_says_by_whom(
    alice: Person, owner: APIClient
) -> None:
    olga = added(owner)
    place = f"{MEMBERS}/{olga['id']}"
    answer = owner.patch(place, {"role": "SECURITY_OFFICER"}, format="json")
    assert answer.json()["role"] == "SECURITY_OFFICER"
    assert owner.delete(place).status_code == 204
    assert owner.get(place).json()["state"] == "REMOVED"
    assert owner.delete(place).status_code == 404
    events = [row for row in told(alice) if row.get("email") == olga["email"]]
    assert [row["event"] for row in events] == ["member added", "member changed", "member removed"]
    assert {row["by"] for row in events} == {"alice the owner"}
    assert events[1]["role_before"] == "OPERATOR"
    assert verify(alice.tenant_id).broken is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "/name"),
        ({"name": "x", "email": "x", "role": "OWNER"}, "/email"),
        ({"name": "x", "email": "x@y.example", "role": "KING"}, "/role"),
        ({"name": "x" * 201, "email": "x@y.example", "role": "OWNER"}, "/name"),
        ({"name": "x\0", "email": "x@y.example", "role": "OWNER"}, "/name"),
        ({"name": "x", "email": "x@y.example", "role": "OWNER", "tenant": "bob"}, "/tenant"),
        ([], "/non_field_errors"),
    ],
)
def test_a_bad_body_is_refused_by_name(owner: APIClient, body: Any, field: str) -> None:
    answer = owner.post(MEMBERS, body, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].startswith(field)


def test_an_email_belongs_to_one_active_member(owner: APIClient) -> None:
    olga = added(owner)
    again = {"name": "x", "email": olga["email"].upper(), "role": "OBSERVER"}
    answer = owner.post(MEMBERS, again, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "email-taken")
    owner.delete(f"{MEMBERS}/{olga['id']}")
    assert owner.post(MEMBERS, again, format="json").status_code == 201


def test_the_same_email_at_another_tenant_tells_nothing(
    owner: APIClient, bob: Person, asking: Ask
) -> None:
    olga = added(owner)
    body = {"name": "Olga", "email": olga["email"], "role": "OBSERVER"}
    assert asking(bob).post(MEMBERS, body, format="json").status_code == 201


def test_the_last_owner_can_be_neither_removed_nor_demoted(bob: Person, asking: Ask) -> None:
    owner = asking(bob)
    (row,) = owner.get(MEMBERS, {"role": "OWNER"}).json()["results"]
    place = f"{MEMBERS}/{row['id']}"
    for answer in (owner.delete(place), owner.patch(place, {"role": "OPERATOR"}, format="json")):
        assert (answer.status_code, answer.json()["code"]) == (409, "last-owner")
    other = {"name": "Other", "email": "other@bob.example", "role": "OWNER"}
    second = owner.post(MEMBERS, other, format="json").json()
    assert owner.delete(f"{MEMBERS}/{second['id']}").status_code == 204
    assert owner.delete(place).status_code == 409


def test_two_owners_who_remove_each_other_at_once_do_not_both_succeed(mallory: Person) -> None:
    with tenant_scope(mallory.tenant_id):
        first = Member.objects.get(role=Role.OWNER)
        second = members.add("second", "second@mallory.example", Role.OWNER)
    barrier, refused = threading.Barrier(2), []

    def remove(member: Member) -> None:
        try:
            barrier.wait()
            with tenant_scope(mallory.tenant_id):
                row = members.find_locked(member.id)
                assert row is not None
                members.remove(row)
        except members.LastOwner:
            refused.append(member)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=remove, args=(one,)) for one in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with tenant_scope(mallory.tenant_id):
        assert Member.objects.filter(role=Role.OWNER, state="ACTIVE").count() == 1
    assert len(refused) == 1


def test_a_key_may_do_what_its_scopes_and_its_members_role_both_allow(owner: APIClient) -> None:
    olga = added(owner, "OPERATOR")
    key = minted(owner, member_id=olga["id"])
    assert (key["permissions"], key["member_name"]) == (["read", "operate"], "Olga")
    me = by(key["key"]).get("/api/v1/me").json()
    assert (me["permissions"], me["member"]["id"]) == (["read", "operate"], olga["id"])
    owner.patch(f"{MEMBERS}/{olga['id']}", {"role": "OBSERVER"}, format="json")
    assert by(key["key"]).get("/api/v1/me").json()["permissions"] == ["read"]
    owner.patch(f"{MEMBERS}/{olga['id']}", {"role": "OWNER"}, format="json")
    assert by(key["key"]).get("/api/v1/me").json()["permissions"] == ["read", "operate"]


def test_a_removed_members_keys_are_no_keys(owner: APIClient) -> None:
    olga = added(owner)
    key = minted(owner, member_id=olga["id"])["key"]
    assert by(key).get("/api/v1/me").status_code == 200
    owner.delete(f"{MEMBERS}/{olga['id']}")
    assert by(key).get("/api/v1/me").status_code == 401


def test_the_tenants_own_key_may_read_if_nothing_else_is_said(owner: APIClient) -> None:
    key = minted(owner)
    assert (key["member_id"], key["permissions"]) == (None, ["read"])
    me = by(key["key"]).get("/api/v1/me").json()
    assert (me["member"], me["name"]) == (None, "service a key")
    assert minted(owner, scopes=["operate", "read"])["permissions"] == ["read", "operate"]


def test_scopes_beyond_the_members_role_are_refused(owner: APIClient) -> None:
    olga = added(owner, "OBSERVER")
    wanted = {"label": "x", "member_id": olga["id"], "scopes": ["read", "people"]}
    answer = owner.post(KEYS, wanted, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].startswith("/scopes")


def test_nobody_mints_or_rotates_a_key_that_may_do_more_than_theirs(
    alice: Person, owner: APIClient
) -> None:
    """Else a key that was given little could be used to come by one that was given all."""
    little = by(minted(owner, scopes=["read", "people"])["key"])
    wanted = {"label": "x", "scopes": ["read", "keys"]}
    answer = little.post(KEYS, wanted, format="json")
    assert (answer.status_code, answer.json()["permissions"]) == (403, ["keys"])
    much = minted(owner, scopes=["read", "keys"])
    answer = little.post(f"{KEYS}/{much['id']}/rotate", {}, format="json")
    assert (answer.status_code, answer.json()["permissions"]) == (403, ["keys"])
    with tenant_scope(alice.tenant_id):
        boss = str(Member.objects.get(name="alice the owner").id)
    theirs = little.post(KEYS, {"label": "x", "member_id": boss}, format="json").json()
    assert theirs["permissions"] == ["read", "people"]


def test_negative_control_without_that_check_a_key_would_grow(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard switched off: what the test above refuses is seen to be given."""
    little = frozenset({Permission.READ})
    with tenant_scope(alice.tenant_id):
        with pytest.raises(TooWide):
            api_keys.mint("x", scopes=[Permission.KEYS], maker=little)
        monkeypatch.setattr(api_keys, "granted", lambda scopes, *_: [s.value for s in scopes])
        grown = api_keys.mint("x", scopes=[Permission.KEYS], maker=little)
    assert grown.row.scopes == ["keys"]


def test_rotation_leaves_the_old_key_for_the_overlap_and_says_so(
    alice: Person, owner: APIClient
) -> None:
    old = minted(owner, networks=["127.0.0.0/8"], scopes=["read"])
    before = datetime.now(UTC)
    answer = owner.post(f"{KEYS}/{old['id']}/rotate", {"overlap_hours": 2}, format="json")
    new = answer.json()
    assert (answer.status_code, new["networks"], new["scopes"]) == (201, ["127.0.0.0/8"], ["read"])
    shown = owner.get(f"{KEYS}/{old['id']}").json()
    assert (shown["state"], shown["replaced_by_id"]) == ("ROTATED", new["id"])
    lives = datetime.fromisoformat(shown["expires_at"]) - before
    assert timedelta(hours=1.9) < lives < timedelta(hours=2.1)
    assert by(old["key"]).get("/api/v1/me").json()["is_rotated"] is True
    assert by(new["key"]).get("/api/v1/me").json()["is_rotated"] is False
    again = owner.post(f"{KEYS}/{old['id']}/rotate", {}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "not-rotatable")
    (rotated,) = (row for row in told(alice) if row.get("replaced_by") == new["prefix"])
    assert (rotated["event"], rotated["prefix"]) == ("API key rotated", old["prefix"])


def test_without_an_overlap_the_old_key_ends_at_once(owner: APIClient) -> None:
    old = minted(owner)
    owner.post(f"{KEYS}/{old['id']}/rotate", {"overlap_hours": 0}, format="json")
    assert by(old["key"]).get("/api/v1/me").status_code == 401
    assert owner.get(f"{KEYS}/{old['id']}").json()["state"] == "EXPIRED"


def test_a_rotated_key_lives_as_long_anew_as_the_old_one_was_given(owner: APIClient) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    old = minted(owner, expires_at=until.isoformat())
    new = owner.post(f"{KEYS}/{old['id']}/rotate", {}, format="json").json()
    assert abs(datetime.fromisoformat(new["expires_at"]) - until) < timedelta(minutes=1)
    assert datetime.fromisoformat(owner.get(f"{KEYS}/{old['id']}").json()["expires_at"]) == until


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({}, "/label"),
        ({"label": "x", "scopes": ["all"]}, "/scopes"),
        ({"label": "x", "scope": ["read"]}, "/scope"),
        ({"label": "x", "networks": ["10.0.0.1/8"]}, "/networks"),
        ({"label": "x", "networks": ["nowhere"]}, "/networks"),
        ({"label": "x", "networks": ["10.0.0.0/8"] * 51}, "/networks"),
        ({"label": "x", "expires_at": "2020-01-01T00:00Z"}, "/expires_at"),
        ({"label": "x", "member_id": "x"}, "/member_id"),
    ],
)
def test_a_bad_wish_for_a_key_is_refused_by_name(owner: APIClient, wanted: Any, field: str) -> None:
    answer = owner.post(KEYS, wanted, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].startswith(field)


def test_networks_and_label_can_be_changed_and_take_effect(owner: APIClient) -> None:
    key = minted(owner)
    place = f"{KEYS}/{key['id']}"
    answer = owner.patch(place, {"networks": ["192.0.2.0/24"], "label": "moved"}, format="json")
    assert (answer.json()["networks"], answer.json()["label"]) == (["192.0.2.0/24"], "moved")
    assert by(key["key"]).get("/api/v1/me").status_code == 401
    owner.patch(place, {"networks": []}, format="json")
    assert by(key["key"]).get("/api/v1/me").status_code == 200


def test_a_revoked_key_is_no_key_and_a_second_time_changes_nothing(
    alice: Person, owner: APIClient
) -> None:
    key = minted(owner)
    for _ in range(2):
        assert owner.delete(f"{KEYS}/{key['id']}").status_code == 204
    assert by(key["key"]).get("/api/v1/me").status_code == 401
    assert owner.get(f"{KEYS}/{key['id']}").json()["state"] == "REVOKED"
    events = [row["event"] for row in told(alice) if row.get("prefix") == key["prefix"]]
    assert events == ["API key minted", "API key revoked"]


def test_a_member_sees_rotates_and_revokes_their_own_keys_and_no_colleagues(
    owner: APIClient,
) -> None:
    olga, otto = added(owner), added(owner, name="Otto")
    hers, his = (minted(owner, member_id=one["id"]) for one in (olga, otto))
    caller = by(hers["key"])
    assert [row["id"] for row in caller.get(KEYS).json()["results"]] == [hers["id"]]
    for refused in (
        caller.get(f"{KEYS}/{his['id']}"),
        caller.delete(f"{KEYS}/{his['id']}"),
        caller.post(f"{KEYS}/{his['id']}/rotate", {}, format="json"),
        caller.patch(f"{KEYS}/{hers['id']}", {"networks": []}, format="json"),
    ):
        assert (refused.status_code, refused.json()["permissions"]) == (403, ["people"])
    new = caller.post(f"{KEYS}/{hers['id']}/rotate", {}, format="json").json()
    assert by(new["key"]).delete(f"{KEYS}/{hers['id']}").status_code == 204
    assert caller.get("/api/v1/me").status_code == 401


def test_the_secret_is_nowhere_but_in_the_answer(alice: Person, owner: APIClient) -> None:
    key = minted(owner)
    secret = key["key"].split("_", 2)[2]
    assert len(secret) == 43
    with tenant_scope(alice.tenant_id):
        row = ApiKey.objects.get(id=key["id"])
        assert secret.encode() not in bytes(row.hash)
        assert not [e for e in Entry.objects.all() if secret.encode() in bytes(e.record)]
    assert secret not in json.dumps(owner.get(KEYS).json())


def test_use_is_noted_once_a_minute_and_after_the_answer_is_made(
    alice: Person, owner: APIClient
) -> None:
    olga = added(owner)
    key = minted(owner, member_id=olga["id"])
    place = f"{KEYS}/{key['id']}"
    assert owner.get(place).json()["last_used_at"] is None
    by(key["key"]).get("/api/v1/me")
    first = owner.get(place).json()["last_used_at"]
    assert first is not None
    assert owner.get(f"{MEMBERS}/{olga['id']}").json()["last_seen_at"] is not None
    by(key["key"]).get("/api/v1/me")
    assert owner.get(place).json()["last_used_at"] == first
    with tenant_scope(alice.tenant_id):
        long_ago = datetime.now(UTC) - timedelta(minutes=2)
        ApiKey.objects.filter(id=key["id"]).update(last_used_at=long_ago)
    by(key["key"]).get("/api/v1/me")
    assert owner.get(place).json()["last_used_at"] > first


def test_a_row_that_is_locked_keeps_no_request_waiting(alice: Person, owner: APIClient) -> None:
    key = minted(owner)
    with tenant_scope(alice.tenant_id):
        ApiKey.objects.select_for_update().get(id=key["id"])
        answers: list[int] = []

        def ask() -> None:
            answers.append(by(key["key"]).get("/api/v1/me").status_code)
            connections.close_all()

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(10)
        assert answers == [200]


def test_peppers_are_random_and_each_tenants_own_and_sealed(alice: Person, bob: Person) -> None:
    clear = set()
    for person in (alice, bob):
        with tenant_scope(person.tenant_id):
            row = Pepper.objects.get()
            clear.add(pepper.get_pepper())
            assert pepper.get_pepper() not in bytes(row.sealed)
            assert vault.unseal(bytes(row.sealed), "pepper", row.id) == pepper.get_pepper()
    assert len(clear) == 2


def test_a_key_does_not_hang_on_the_master_key(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hash is made with a secret that is sealed, not derived from the master key. That a sealed
    value opens after a change of that one is the vault's own promise.
    """
    assert by(alice.api_key).get("/api/v1/me").status_code == 200
    monkeypatch.setattr(settings, "MASTER_KEY", secrets.token_bytes(32))
    assert by(alice.api_key).get("/api/v1/me").status_code == 200


def test_negative_control_with_another_pepper_no_key_is_in_force(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the hash is a keyed one: the table alone lets nobody try guesses."""
    monkeypatch.setattr(api_keys, "get_pepper", lambda: b"another")
    assert by(alice.api_key).get("/api/v1/me").status_code == 401


@pytest.mark.parametrize("role", Role)
def test_every_role_reads_and_has_no_more_than_the_table_says(role: Role) -> None:
    assert {
        Role.OWNER: set(Permission),
        Role.SECURITY_OFFICER: {Permission.READ, Permission.KEYS},
        Role.OPERATOR: {Permission.READ, Permission.OPERATE},
        Role.OBSERVER: {Permission.READ},
    }[role] == ROLES[role]
