"""Logins for a trading point's files, and what the host logs in by elsewhere, as a tenant sets them
itself.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from messaging.relay.file_places import place_of
from tenants import endpoints, file_logins
from tenants.audit.models import Entry
from tenants.endpoints import Draft
from tenants.models import Endpoint, Environment, FileLogin, RemoteSecret
from tenants.scope import tenant_scope
from tests.api.conftest import Ask
from tests.people import Person

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPs0B8cYqT6QdaQ4F8uJYV2mGkq3Jm8wBv1q0pXb9yQd"
HOST_KEY = KEY


def point_of(person: Person, name: str, **more: Any) -> Endpoint:
    with tenant_scope(person.tenant_id):
        found = Endpoint.objects.filter(name=name).first()
        return found or endpoints.add(Draft(name, "edt", "sftp", Environment.SIMULATOR, **more))


@pytest.fixture
def logins(alice: Person) -> str:
    return f"/api/v1/endpoints/{point_of(alice, 'with logins').id}/file-logins"


def told(person: Person) -> dict[str, Any]:
    with tenant_scope(person.tenant_id):
        record: dict[str, Any] = json.loads(bytes(Entry.objects.order_by("-seq")[0].record))
    return record


def test_a_password_is_shown_once_and_kept_as_a_hash(
    alice: Person, asking: Ask, logins: str
) -> None:
    made = asking(alice).post(logins, {"label": "their EMS"}, format="json")
    assert made.status_code == 201
    shown = made.json()
    assert len(shown["password"]) >= 32
    record = told(alice)
    assert record["event"] == "file login added"
    assert record["detail"]["by"] == "alice the owner"
    assert shown["password"] not in json.dumps(record)
    again = asking(alice).get(logins).json()["results"][-1]
    assert again == {key: value for key, value in shown.items() if key != "password"}
    with tenant_scope(alice.tenant_id):
        row = FileLogin.objects.get(id=shown["id"])
        assert shown["password"].encode() not in bytes(row.password_hash or b"")
        assert file_logins.fits(row, shown["password"])
        assert not file_logins.fits(row, shown["password"] + "x")


def test_a_login_with_keys_alone_has_no_password(alice: Person, asking: Ask, logins: str) -> None:
    body = {"password": False, "public_keys": [f"{KEY} ems@alice"]}
    made = asking(alice).post(logins, body, format="json").json()
    assert (made["password"], made["has_password"]) == (None, False)
    assert made["public_keys"] == [KEY]
    with tenant_scope(alice.tenant_id):
        assert not file_logins.fits(FileLogin.objects.get(id=made["id"]), "")


def weak_key() -> str:
    # A key of this size is what is to be refused.
    key = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def old_key() -> str:
    key = dsa.generate_private_key(1024).public_key()  # noqa: S505
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def test_keys_that_are_weak_or_none_are_refused(alice: Person, asking: Ask, logins: str) -> None:
    for key in ("", "x", "ssh-ed25519 AAAA", f"{KEY}\n{KEY}", weak_key(), old_key(), "x" * 5000):
        answer = asking(alice).post(logins, {"public_keys": [key]}, format="json")
        assert answer.status_code == 400, key
    wrong: list[Any] = [{"password": False}, {"pasword": True}, {"public_keys": [KEY] * 21}, []]
    for body in wrong:
        assert asking(alice).post(logins, body, format="json").status_code == 400


def test_a_login_is_revoked_for_good(alice: Person, asking: Ask, logins: str) -> None:
    made = asking(alice).post(logins, {}, format="json").json()
    place = f"/api/v1/file-logins/{made['id']}"
    for _ in range(2):
        assert asking(alice).delete(place).status_code == 204
    assert asking(alice).get(place).json()["revoked_at"]
    assert told(alice)["event"] == "file login revoked"
    with tenant_scope(alice.tenant_id):
        assert file_logins.find(made["username"]) is None


def test_nobody_logs_in_at_another_kind_of_endpoint(alice: Person, asking: Ask) -> None:
    with tenant_scope(alice.tenant_id):
        link = Endpoint.objects.filter(protocol="edl")[0].id
    answer = asking(alice).post(f"/api/v1/endpoints/{link}/file-logins", {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "no-file-server")


def test_the_secret_of_a_server_is_set_and_never_shown(alice: Person, asking: Ask) -> None:
    settings = {"mode": "client", "user": "host", "host_key": HOST_KEY}
    row = point_of(alice, "elsewhere", address="sftp://files.example", settings=settings)
    place = f"/api/v1/endpoints/{row.id}/remote-secret"
    for secret in ("first", "second"):
        assert asking(alice).put(place, {"password": secret}, format="json").status_code == 204
    with tenant_scope(alice.tenant_id):
        remote = place_of(row).remote
        assert remote is not None
        assert remote.password == "second"
        assert RemoteSecret.objects.filter(endpoint=row).count() == 1
    assert "second" not in json.dumps(told(alice))
    assert "second" not in json.dumps(asking(alice).get(f"/api/v1/endpoints/{row.id}").json())
    for body in ({}, {"private_key": "x"}, {"password": ""}, {"secret": "x"}):
        assert asking(alice).put(place, body, format="json").status_code == 400
    other = point_of(alice, "with logins")
    answer = asking(alice).put(
        f"/api/v1/endpoints/{other.id}/remote-secret", {"password": "x"}, format="json"
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "no-file-client")
