"""Where requests come from: allowed networks, what a proxy of ours says and what anybody else says,
and client certificates.
"""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings

from messaging.rehearsal.authority import Authority, Issued
from tenants import api_certificates, api_keys
from tenants.audit.models import Entry
from tenants.ids import HOUSE
from tenants.models import ApiCertificate
from tenants.permissions import Permission
from tenants.scope import tenant_scope
from tests.api.clients import client
from tests.api.conftest import Ask
from tests.api.equipped import prove
from tests.people import Person

PROXY, STRANGER, CLIENT = "10.9.0.1", "203.0.113.9", "198.51.100.4"
CERTIFICATES = "/api/v1/api-certificates"


@pytest.fixture(autouse=True)
def proxies(database: str) -> Iterator[None]:
    before = settings.TRUSTED_PROXIES
    settings.TRUSTED_PROXIES = (ipaddress.ip_network("10.9.0.0/24"),)
    yield
    settings.TRUSTED_PROXIES = before


def ask(peer: str, headers: dict[str, str]) -> Any:
    return client(headers).get("/api/v1/me", REMOTE_ADDR=peer)


def keyed(alice: Person, *networks: str) -> str:
    with tenant_scope(alice.tenant_id):
        return api_keys.mint("at a place", networks=networks).text


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        (STRANGER, None, STRANGER),
        (STRANGER, CLIENT, STRANGER),
        (PROXY, CLIENT, CLIENT),
        (PROXY, f"6.6.6.6, {CLIENT}", CLIENT),
        (PROXY, f"6.6.6.6,{CLIENT}, 10.9.0.2", CLIENT),
        (PROXY, f"::ffff:{CLIENT}", CLIENT),
        (PROXY, "2001:db8::5", "2001:db8::5"),
        (PROXY, None, None),
        (PROXY, "unknown", None),
        (PROXY, f"{CLIENT}:4711", None),
        (PROXY, ", " * 5000, None),
        (f"::ffff:{STRANGER}", None, STRANGER),
    ],
)
def test_a_proxy_of_ours_is_believed_and_nobody_else(
    alice: Person, peer: str, forwarded: str | None, seen: str | None
) -> None:
    headers = {"X-API-Key": alice.api_key}
    if forwarded is not None:
        headers["X-Forwarded-For"] = forwarded
    answer = ask(peer, headers)
    assert answer.status_code == 200
    assert answer.json()["address"] == seen


@pytest.mark.parametrize(
    ("peer", "forwarded", "status"),
    [
        (CLIENT, "", 200),
        (STRANGER, "", 401),
        (STRANGER, CLIENT, 401),
        (PROXY, CLIENT, 200),
        (PROXY, STRANGER, 401),
        (PROXY, f"{CLIENT}, {STRANGER}", 401),
        (PROXY, "", 401),
    ],
)
def test_a_key_is_in_force_in_its_networks_only(
    alice: Person, peer: str, forwarded: str, status: int
) -> None:
    key = keyed(alice, "198.51.100.0/24", "2001:db8::/32")
    headers = {"X-API-Key": key, **({"X-Forwarded-For": forwarded} if forwarded else {})}
    assert ask(peer, headers).status_code == status


def test_from_elsewhere_it_is_answered_as_a_key_there_is_not_and_its_tenant_is_told_once(
    alice: Person,
) -> None:
    key = keyed(alice, "198.51.100.0/24")
    right, unknown = (ask(STRANGER, {"X-API-Key": k}) for k in (key, "hsk_00000000_x"))
    assert right.content == unknown.content
    assert right.headers == unknown.headers
    ask(STRANGER, {"X-API-Key": key})
    with tenant_scope(alice.tenant_id):
        entries = Entry.objects.filter(event="credential refused")
        details = [json.loads(bytes(entry.record))["detail"] for entry in entries]
    mine = [detail for detail in details if key.startswith(f"{detail['credential']}_")]
    assert [row["address"] for row in mine] == [STRANGER]


def test_negative_control_were_everybody_a_proxy_anybody_could_say_where_they_are(
    alice: Person,
) -> None:
    """The guard switched off: what is refused above is seen to get in."""
    settings.TRUSTED_PROXIES = (ipaddress.ip_network("0.0.0.0/0"),)
    key = keyed(alice, "198.51.100.0/24")
    assert ask(STRANGER, {"X-API-Key": key, "X-Forwarded-For": CLIENT}).status_code == 200


def issued(person: Person, name: str = "robot") -> Issued:
    return Authority(f"clients of {person.name}").issue(name)


def pinning(issued: Issued, proven_for: Person, **more: Any) -> dict[str, Any]:
    proof = prove(issued, api_certificates.proof_text(proven_for.tenant_id))
    return {
        "label": "robot",
        "pem": issued.pem,
        "proof": base64.b64encode(proof).decode(),
        **more,
    }


def shown(issued: Issued, peer: str = PROXY, **headers: str) -> Any:
    """As nginx writes `$ssl_client_escaped_cert`."""
    return ask(peer, {"X-SSL-Client-Cert": quote(issued.pem), "X-Forwarded-For": CLIENT, **headers})


def test_a_pinned_certificate_is_as_good_as_a_key(alice: Person, asking: Ask) -> None:
    robot = issued(alice)
    answer = asking(alice).post(
        CERTIFICATES, pinning(robot, alice, scopes=["read", "operate"]), format="json"
    )
    assert answer.status_code == 201
    told = shown(robot)
    assert told.status_code == 200
    me = told.json()
    assert (me["tenant"], me["credential"]) == ("alice", "API certificate")
    assert (me["permissions"], me["address"]) == (["read", "operate"], CLIENT)
    assert told["RateLimit"].startswith('"key";r=')
    with tenant_scope(alice.tenant_id):
        entry = Entry.objects.filter(event="API certificate pinned").latest("seq")
        row = ApiCertificate.objects.get(id=answer.json()["id"])
    assert json.loads(bytes(entry.record))["digest"] == bytes(row.fingerprint).hex()
    assert row.last_used_at is not None


def test_from_anybody_but_a_proxy_of_ours_it_is_refused_and_the_house_is_told(
    alice: Person, asking: Ask
) -> None:
    robot = issued(alice)
    asking(alice).post(CERTIFICATES, pinning(robot, alice), format="json")
    assert shown(robot).status_code == 200
    # Not even beside a key that is good.
    for more in ({}, {"X-API-Key": alice.api_key}):
        assert shown(robot, STRANGER, **more).status_code == 401
    with tenant_scope(HOUSE):
        entry = Entry.objects.filter(event="forged header").latest("seq")
    assert json.loads(bytes(entry.record))["detail"]["address"] == STRANGER


def test_negative_control_were_the_stranger_a_proxy_the_header_would_let_them_in(
    alice: Person, asking: Ask
) -> None:
    """The guard switched off: the certificate, which is public, is seen to be enough."""
    robot = issued(alice)
    asking(alice).post(CERTIFICATES, pinning(robot, alice), format="json")
    settings.TRUSTED_PROXIES = (ipaddress.ip_network(f"{STRANGER}/32"),)
    assert shown(robot, STRANGER).status_code == 200


def test_of_two_certificates_in_one_header_neither_is_taken(alice: Person, asking: Ask) -> None:
    """A proxy that adds to what the client sent would else speak with the client's voice."""
    robot = issued(alice)
    asking(alice).post(CERTIFICATES, pinning(robot, alice), format="json")
    for text in (f"{quote(robot.pem)},{quote(robot.pem)}", quote(robot.pem + robot.pem)):
        assert ask(PROXY, {"X-SSL-Client-Cert": text}).status_code == 401


@pytest.mark.parametrize("text", ["nonsense", "%2D%2D", quote("-----BEGIN CERTIFICATE-----\nAA")])
def test_what_is_no_certificate_is_refused(database: str, text: str) -> None:
    assert ask(PROXY, {"X-SSL-Client-Cert": text}).status_code == 401


def test_a_certificate_that_is_pinned_by_nobody_is_refused(alice: Person) -> None:
    assert shown(issued(alice)).status_code == 401


def test_a_revoked_certificate_is_refused_and_can_be_pinned_anew(
    alice: Person, asking: Ask
) -> None:
    robot, owner = issued(alice), asking(alice)
    row = owner.post(CERTIFICATES, pinning(robot, alice), format="json").json()
    assert owner.delete(f"{CERTIFICATES}/{row['id']}").status_code == 204
    assert shown(robot).status_code == 401
    assert owner.get(f"{CERTIFICATES}/{row['id']}").json()["state"] == "REVOKED"
    assert owner.post(CERTIFICATES, pinning(robot, alice), format="json").status_code == 201
    assert shown(robot).status_code == 200


def test_without_the_private_key_anothers_certificate_cannot_be_pinned(
    alice: Person, bob: Person, asking: Ask
) -> None:
    """Else bob could be taken for alice: her certificate is no secret."""
    robot, other = issued(alice), issued(bob)
    for stolen in (
        {**pinning(robot, alice)},
        {**pinning(other, bob), "pem": robot.pem},
        {**pinning(robot, bob), "proof": "AAAA"},
    ):
        answer = asking(bob).post(CERTIFICATES, stolen, format="json")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "/pem")
    assert shown(robot).status_code == 401


def test_negative_control_without_the_proof_it_could_be(
    alice: Person, bob: Person, asking: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard switched off: alice's robot is seen to be taken for bob's."""
    robot = issued(alice)
    monkeypatch.setattr(api_certificates, "_is_signed", lambda *_: True)
    asking(bob).post(CERTIFICATES, {**pinning(robot, alice)}, format="json")
    assert shown(robot).json()["tenant"] == "bob"


def test_whoever_shares_a_private_key_learns_no_more_than_that_it_is_pinned(
    alice: Person, bob: Person, asking: Ask
) -> None:
    robot = issued(alice)
    assert asking(alice).post(CERTIFICATES, pinning(robot, alice), format="json").status_code == 201
    at_home = asking(alice).post(CERTIFICATES, pinning(robot, alice), format="json")
    elsewhere = asking(bob).post(CERTIFICATES, pinning(robot, bob), format="json")
    assert (at_home.status_code, at_home.content) == (400, elsewhere.content)


def test_a_key_goes_before_a_certificate(alice: Person, bob: Person, asking: Ask) -> None:
    robot = issued(alice)
    asking(alice).post(CERTIFICATES, pinning(robot, alice), format="json")
    assert shown(robot, **{"X-API-Key": bob.api_key}).json()["tenant"] == "bob"
    assert shown(robot, **{"X-API-Key": "hsk_00000000_x"}).status_code == 401


def test_a_certificate_has_networks_too(alice: Person, asking: Ask) -> None:
    robot = issued(alice)
    wanted = pinning(robot, alice, networks=["192.0.2.0/24"])
    assert asking(alice).post(CERTIFICATES, wanted, format="json").status_code == 201
    assert shown(robot).status_code == 401


@pytest.mark.parametrize(
    "pem", ["x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\u00e4"]
)
def test_what_is_no_certificate_cannot_be_pinned(alice: Person, asking: Ask, pem: str) -> None:
    wanted = {**pinning(issued(alice), alice), "pem": pem}
    assert asking(alice).post(CERTIFICATES, wanted, format="json").status_code == 400


def test_only_whoever_looks_after_people_pins(alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        key = api_keys.mint("x", scopes=[Permission.READ, Permission.KEYS]).text
    answer = client({"X-API-Key": key}).post(
        CERTIFICATES, pinning(issued(alice), alice), format="json"
    )
    assert (answer.status_code, answer.json()["permissions"]) == (403, ["people"])
