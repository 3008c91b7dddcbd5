"""The API of certificates: ways in, rotation with overlap, revocation, and that nothing is stored
by halves.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.db import connection
from django.db.utils import IntegrityError

from tenants import certificates, directory, vault
from tenants.certificates import CertificateMissing
from tenants.clock import now
from tenants.keys import checks, housekeeping, possession, requests, store
from tenants.keys.life import CertificatePurpose
from tenants.keys.requests import KeyKind, Subject
from tenants.models import Certificate, Endpoint
from tenants.scope import tenant_scope
from tests.keys.conftest import Desk
from tests.keys.papers import DAY, ROOT, Paper, Wish, issue, make_key
from tests.people import Person

HERE = {"purpose": "SIGNING", "environment": "simulator"}
SIGNING, CLIENT, POINT = (
    CertificatePurpose.SIGNING,
    CertificatePurpose.SO_CLIENT,
    CertificatePurpose.CONTROL_POINT,
)


def uploaded(desk: Desk, paper: Paper, **more: Any) -> dict[str, Any]:
    pair = {"certificate": paper.pem, "private_key": paper.key_pem()}
    return desk.done("uploads", **{**HERE, **pair, **more})


def proof_of(person: Person, paper: Paper) -> str:
    text = possession.text_to_sign(person.tenant_id, paper.certificate).encode()
    assert isinstance(paper.key, ec.EllipticCurvePrivateKey)
    return base64.b64encode(paper.key.sign(text, ec.ECDSA(hashes.SHA256()))).decode()


def signer(person: Person, environment: str = "simulator") -> bytes:
    with tenant_scope(person.tenant_id):
        return certificates.get_active(environment, SIGNING).by_purpose[SIGNING].fingerprint


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        ("EC-P256", ec.EllipticCurvePrivateKey),
        ("RSA-3072", rsa.RSAPrivateKey),
        ("Ed25519", ed25519.Ed25519PrivateKey),
    ],
)
@pytest.mark.parametrize("purpose", ["SIGNING", "SO_CLIENT"])
def test_a_key_made_here_is_certified_by_an_authority_and_signs(
    desk: Desk, alice: Person, kind: str, type_: type, purpose: str
) -> None:
    told = desk.done("requests", **{**HERE, "purpose": purpose, "key": kind})
    assert (told["state"], told["pem"], told["key_held"]) == ("REQUESTED", "", True)
    request = x509.load_pem_x509_csr(told["request"].encode())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=ALICE,O=alice"
    answer = issue(ROOT, Wish("as the authority likes"), request.public_key())
    told = desk.done(f"{told['id']}/answer", certificate=ROOT.pem + answer.pem)
    assert (told["state"], told["subject"]) == ("NEXT", "CN=as the authority likes")
    assert told["pem"] == answer.pem + ROOT.pem
    assert desk.done(f"{told['id']}/switch-over")["state"] == "ACTIVE"
    with tenant_scope(alice.tenant_id):
        found = CertificatePurpose(purpose)
        pair = certificates.get_active("simulator", found).by_purpose[found]
    assert pair.fingerprint == answer.fingerprint
    assert isinstance(pair.key, type_)
    assert pair.key.public_key() == request.public_key()


def test_the_subject_can_be_said(desk: Desk) -> None:
    told = desk.done(
        "requests", **HERE, common_name="Alice Energy", organization="Alice plc", country="GB"
    )
    request = x509.load_pem_x509_csr(told["request"].encode())
    assert request.subject.rfc4514_string() == "CN=Alice Energy,O=Alice plc,C=GB"


@pytest.mark.parametrize("field", ["common_name", "organization"])
def test_a_name_is_as_long_as_a_certificate_takes_it_and_no_longer(desk: Desk, field: str) -> None:
    names = {"common_name": "Alice Energy", field: "é" * 32}
    assert desk.done("requests", **HERE, **names)["state"] == "REQUESTED"
    refused = desk.refused("requests", **HERE, **{**names, field: "é" * 33})
    assert "64 bytes" in refused[field]


def test_a_tenants_long_name_is_cut_between_characters_for_its_request() -> None:
    subject = Subject("ALICE", requests.fitting("Ørsted é" * 20))
    assert 60 < len(subject.organization.encode()) <= requests.NAME_LIMIT
    key = requests.make_key(KeyKind.EC_P256)
    made = requests.request_for(key, CertificatePurpose.SIGNING, subject)
    assert "Ørsted" in x509.load_pem_x509_csr(made.encode()).subject.rfc4514_string()


def test_an_answer_to_another_request_is_refused_and_the_right_one_still_taken(desk: Desk) -> None:
    told = desk.done("requests", **HERE)
    stray = issue(ROOT)
    place = f"{told['id']}/answer"
    assert "belong together" in desk.refused(place, certificate=stray.pem)["certificate"]
    assert desk.get(told["id"])["state"] == "REQUESTED"
    public = x509.load_pem_x509_csr(told["request"].encode()).public_key()
    right = issue(ROOT, Wish(), public)
    assert desk.done(place, certificate=right.pem)["state"] == "NEXT"
    again = desk.post(place, certificate=right.pem)
    assert (again.status_code, again.json()["code"]) == (409, "wrong-state")


def test_rotation_overlaps_both_verify_and_exactly_one_signs(desk: Desk, alice: Person) -> None:
    before, paper = desk.active(), issue(ROOT)
    assert before.fingerprint is not None
    told = uploaded(desk, paper)
    both = {bytes(before.fingerprint), paper.fingerprint}

    def verifying() -> set[bytes]:
        with tenant_scope(alice.tenant_id):
            return set(certificates.still_verify(SIGNING, both))

    assert (verifying(), signer(alice)) == (both, bytes(before.fingerprint))
    desk.done(f"{told['id']}/switch-over")
    assert (verifying(), signer(alice)) == (both, paper.fingerprint)
    assert desk.get(str(before.id))["state"] == "RETIRING"
    desk.done(f"{before.id}/switch-over")
    assert (verifying(), signer(alice)) == (both, bytes(before.fingerprint)), "and back again"
    desk.done(f"{told['id']}/switch-over")
    desk.done(f"{before.id}/revoke", reason="rotated")
    assert verifying() == {paper.fingerprint}


def test_negative_control_the_database_refuses_a_second_that_signs(
    desk: Desk, alice: Person
) -> None:
    """The code's guard gone by: written straight to the table, it is refused all the same."""
    told = uploaded(desk, issue(ROOT))
    with (
        pytest.raises(IntegrityError, match="exactly_one_signs"),
        tenant_scope(alice.tenant_id),
    ):
        Certificate.objects.filter(id=told["id"]).update(state="ACTIVE")


def test_two_switch_overs_at_once_leave_one_that_signs(desk: Desk) -> None:
    ids = [uploaded(desk, issue(ROOT))["id"] for _ in range(4)]

    def switch(row_id: str) -> int:
        try:
            return int(desk.post(f"{row_id}/switch-over").status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(switch, ids)) == [200] * 4
    assert str(desk.active().id) in ids


def test_a_switch_over_at_a_set_time_happens_then_and_once(desk: Desk, alice: Person) -> None:
    before, paper = desk.active(), issue(ROOT)
    at = now() + timedelta(hours=1)
    told = uploaded(desk, paper, switch_at=at.isoformat())
    assert (told["state"], told["switch_at"]) == ("NEXT", at.isoformat().replace("+00:00", "Z"))
    housekeeping.attend(at - timedelta(seconds=1))
    assert desk.active() == before
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda _: attend_once(at), range(3)))
    assert str(desk.active().id) == told["id"]
    switched = [entry for entry in desk.told("key switched to") if told["id"] in str(entry)]
    assert len(switched) == 1
    assert switched[0]["detail"]["by"] == "the service"


def attend_once(at: Any) -> None:
    try:
        housekeeping.attend(at)
    finally:
        connection.close()


def test_a_switch_over_can_be_called_off_and_set_anew(desk: Desk) -> None:
    before = desk.active()
    told = uploaded(desk, issue(ROOT))
    at = now() + timedelta(hours=1)
    assert desk.done(f"{told['id']}/switch-over", at=at.isoformat())["state"] == "NEXT"
    assert desk.api.delete(f"/api/v1/certificates/{told['id']}/switch-over").status_code == 200
    housekeeping.attend(at + timedelta(hours=1))
    assert desk.active() == before


def test_a_certificate_that_is_not_valid_yet_waits_for_its_time(desk: Desk) -> None:
    told = uploaded(desk, issue(ROOT, Wish(starts=DAY)))
    assert "not valid before" in desk.refused(f"{told['id']}/switch-over")["at"]
    soon = (now() + timedelta(hours=1)).isoformat()
    assert "not valid before" in desk.refused(f"{told['id']}/switch-over", at=soon)["at"]
    late = (now() + 2 * DAY).isoformat()
    assert desk.done(f"{told['id']}/switch-over", at=late)["switch_at"]
    desk.done(f"{told['id']}/revoke", reason="not needed")


def test_a_switch_over_after_its_end_or_in_many_years_is_refused(desk: Desk) -> None:
    told = uploaded(desk, issue(ROOT, Wish(ends=1000 * DAY)))
    for days, words in ((1001, "expired by then"), (400, "year")):
        at = (now() + days * DAY).isoformat()
        assert words in desk.refused(f"{told['id']}/switch-over", at=at)["at"]


def test_what_is_revoked_signs_nothing_its_key_is_gone_and_the_next_takes_over(
    desk: Desk, alice: Person
) -> None:
    paper, following = issue(ROOT), issue(ROOT)
    told = uploaded(desk, paper, switch_at=now().isoformat())
    then = uploaded(desk, following)
    assert signer(alice) == paper.fingerprint
    told = desk.done(f"{told['id']}/revoke", reason="lost laptop")
    assert (told["state"], told["key_held"], told["reason"]) == ("REVOKED", False, "lost laptop")
    assert signer(alice) == following.fingerprint
    (row,) = desk.rows(id=told["id"])
    assert row.private_key is None
    for place in ("switch-over", "revoke"):
        assert desk.post(f"{told['id']}/{place}", reason="again").status_code in (400, 409)
    desk.done(f"{then['id']}/revoke", reason="all of them")
    entry = desk.told("key revoked")[-1]
    assert entry["detail"]["reason"] == "all of them"
    assert entry["detail"]["by"]
    assert entry["digest"] == following.fingerprint.hex()


def test_a_revoked_certificate_cannot_be_handed_in_again(desk: Desk) -> None:
    paper = issue(ROOT)
    told = uploaded(desk, paper)
    pair = {"certificate": paper.pem, "private_key": paper.key_pem()}
    assert "already" in desk.refused("uploads", **HERE, **pair)["certificate"]
    desk.done(f"{told['id']}/revoke", reason="lost")
    assert "already" in desk.refused("uploads", **HERE, **pair)["certificate"]


def test_an_expired_certificate_never_signs_even_before_anybody_has_noticed(
    desk: Desk, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper, following = issue(ROOT, Wish(ends=DAY)), issue(ROOT, Wish(ends=900 * DAY))
    told = [uploaded(desk, one, environment="test") for one in (paper, following)]
    assert [row["state"] for row in told] == ["ACTIVE", "NEXT"]
    assert signer(alice, "test") == paper.fingerprint
    monkeypatch.setattr(certificates, "now", lambda: now() + 2 * DAY)
    with pytest.raises(CertificateMissing):
        signer(alice, "test")
    assert desk.get(told[0]["id"])["state"] == "ACTIVE", "nobody has noticed"
    housekeeping.attend(now() + 2 * DAY)
    assert signer(alice, "test") == following.fingerprint, "the one that waited took over"


def test_a_key_pair_that_was_kept_is_of_no_use_once_it_has_expired(
    desk: Desk, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tenant_scope(alice.tenant_id):
        pair = certificates.get_active("simulator", SIGNING).by_purpose[SIGNING]
    assert pair.in_time() is pair
    monkeypatch.setattr(certificates, "now", lambda: pair.not_after)
    with pytest.raises(CertificateMissing):
        pair.in_time()


def test_a_key_of_one_environment_signs_in_no_other(desk: Desk, alice: Person) -> None:
    paper = issue(ROOT)
    told = uploaded(desk, paper, environment="production")
    assert told["state"] == "ACTIVE", "the first of its slot is in use at once"
    with tenant_scope(alice.tenant_id):
        pairs = certificates.get_active("production", SIGNING)
        assert pairs.by_purpose[SIGNING].fingerprint == paper.fingerprint
        with pytest.raises(CertificateMissing):
            certificates.get_active("moon", SIGNING)
    assert signer(alice) != paper.fingerprint
    desk.done(f"{told['id']}/revoke", reason="end of test")


def test_pkcs12_comes_in_as_base64(desk: Desk) -> None:
    paper = issue(ROOT)
    told = desk.done(
        "uploads", **HERE, pkcs12=paper.pkcs12("a phrase", ROOT), passphrase="a phrase"
    )
    assert told["pem"] == paper.pem + ROOT.pem
    wrong = desk.refused("uploads", **HERE, pkcs12=paper.pkcs12("a phrase"), passphrase="b")
    assert "passphrase" in wrong


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"certificate": "x"}, "purpose"),
        ({**HERE, "purpose": "WINE"}, "purpose"),
        ({**HERE, "environment": "moon"}, "environment"),
        ({**HERE, "certificate": 7, "private_key": []}, "private_key"),
        ({**HERE, "certificate": "\0"}, "certificate"),
        ({**HERE, "pkcs12": "not base64!"}, "pkcs12"),
        ({**HERE, "switch_at": "tomorrow"}, "switch_at"),
        ({**HERE, "certificate": "A" * 300_000}, "certificate"),
        ({**HERE, "colour": "red"}, "colour"),
        ({"purpose": "CONTROL_POINT", "certificate": issue(ROOT).pem}, "endpoint_id"),
        ({**HERE, "purpose": "CONTROL_POINT", "endpoint_id": "7"}, "endpoint_id"),
    ],
)
def test_a_bad_body_is_refused_by_field(desk: Desk, body: dict[str, Any], field: str) -> None:
    assert field in desk.refused("uploads", **body)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'"x"', b"\xff", b'{"certificate": "\\ud800"}', b"null", b"7", b"{}"],
)
@pytest.mark.parametrize("place", ["uploads", "requests"])
def test_no_body_makes_it_stumble(desk: Desk, content: bytes, place: str) -> None:
    answer = desk.api.post(
        f"/api/v1/certificates/{place}", content, content_type="application/json"
    )
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_ten_megabytes_are_refused_before_they_are_read(desk: Desk) -> None:
    answer = desk.post("uploads", **HERE, certificate="A" * 10_000_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_nothing_is_half_stored_when_the_end_of_an_upload_fails(
    desk: Desk, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, chain = len(desk.rows()), len(desk.told("key installed"))
    paper = issue(ROOT)

    def fail(*details: object) -> None:
        raise RuntimeError("the last step fails")

    monkeypatch.setattr(store, "_told", fail)
    pair = {"certificate": paper.pem, "private_key": paper.key_pem()}
    with pytest.raises(RuntimeError):
        desk.post("uploads", **HERE, **pair)
    assert len(desk.rows()) == before
    assert len(desk.told("key installed")) == chain
    monkeypatch.undo()
    assert desk.done("uploads", **HERE, **pair)["id"]


def point_upload(desk: Desk, paper: Paper, index: int = 0, **more: Any) -> Any:
    body = {
        "purpose": "CONTROL_POINT",
        "endpoint_id": desk.endpoint(index),
        "certificate": paper.pem,
        "proof": proof_of(desk.person, paper),
    }
    return desk.post("uploads", **{**body, **more})


def test_a_control_points_next_certificate_is_let_in_beside_the_one_in_use(
    desk: Desk, alice: Person
) -> None:
    paper, point = issue(ROOT), alice.control_points[0]
    told = point_upload(desk, paper).json()
    assert (told["state"], told["key_held"], told["environment"]) == ("NEXT", False, "simulator")

    def names() -> list[str | None]:
        old = x509.load_pem_x509_certificate(alice.links[point].pem.encode())
        shown = (paper.fingerprint, certificates.fingerprint_of(old))
        with tenant_scope(alice.tenant_id):
            found = [certificates.find_control_point(one) for one in shown]
        return [row.name if row else None for row in found]

    assert names() == [point, point]
    desk.done(f"{told['id']}/switch-over")
    assert names() == [point, point]
    (old,) = desk.rows(state="RETIRING", endpoint_id=desk.endpoint())
    desk.done(f"{old.id}/revoke", reason="replaced")
    assert names() == [point, None]


def test_a_control_points_certificate_is_named_with_proof_of_its_key(
    desk: Desk, desk_of: Callable[[Person], Desk], alice: Person, mallory: Person
) -> None:
    """Mallory has seen alice's new certificate on the wire, before alice hands it in."""
    paper = issue(ROOT, Wish("ALICP2"))
    hers = desk_of(mallory)
    for proof in ("", "AAAA", proof_of(alice, paper), proof_of(mallory, issue(ROOT))):
        answer = point_upload(hers, paper, proof=proof)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"].startswith("/proof")
    assert point_upload(desk, paper, 1).status_code == 201


def test_negative_control_without_the_proof_mallory_takes_alices_control_point(
    desk: Desk,
    desk_of: Callable[[Person], Desk],
    alice: Person,
    mallory: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The guard switched off: the certificate is mallory's now, and alice's link would be."""
    paper = issue(ROOT, Wish("ALICP2"))
    monkeypatch.setattr(possession, "check", lambda *details: None)
    told = point_upload(desk_of(mallory), paper).json()
    kind = directory.Known.CONTROL_POINT_CERTIFICATE
    assert directory.find_tenant(kind, paper.fingerprint) == mallory.tenant_id
    monkeypatch.undo()
    refused = point_upload(desk, paper)
    assert "cannot be used here" in refused.json()["errors"][0]["text"]
    desk_of(mallory).done(f"{told['id']}/revoke", reason="not hers")


@pytest.mark.parametrize("kind", ["2048", "Ed25519"])
def test_any_kind_of_key_can_prove_itself(alice: Person, kind: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import padding

    paper = issue(ROOT, Wish(), make_key(kind))
    text = possession.text_to_sign(alice.tenant_id, paper.certificate).encode()
    match paper.key:
        case rsa.RSAPrivateKey():
            signature = paper.key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        case ed25519.Ed25519PrivateKey():
            signature = paper.key.sign(text)
    possession.check(base64.b64encode(signature).decode(), alice.tenant_id, paper.certificate)


def test_a_servers_certificates_are_pinned_for_its_endpoint_while_they_are_in_force(
    desk: Desk, alice: Person
) -> None:
    with tenant_scope(alice.tenant_id):
        endpoint = Endpoint.objects.get(name="simulator", protocol="neso-wa")
    papers, told = [issue(ROOT), issue(ROOT)], []
    for paper in papers:
        body = {"purpose": "SERVER", "endpoint_id": str(endpoint.id), "certificate": paper.pem}
        told.append(desk.done("uploads", **body))
    assert [row["state"] for row in told] == ["ACTIVE", "NEXT"]

    def pinned() -> set[bytes]:
        with tenant_scope(alice.tenant_id):
            return set(certificates.servers_of(endpoint.id))

    assert pinned() == {paper.fingerprint for paper in papers}
    desk.done(f"{told[0]['id']}/revoke", reason="replaced")
    assert pinned() == {papers[1].fingerprint}
    wrong = {"purpose": "SERVER", "endpoint_id": desk.endpoint(), "certificate": issue(ROOT).pem}
    assert "connects to the host" in desk.refused("uploads", **wrong)["endpoint_id"]


def test_anothers_endpoint_cannot_be_named(
    desk: Desk, desk_of: Callable[[Person], Desk], bob: Person
) -> None:
    answer = point_upload(desk, issue(ROOT), endpoint_id=desk_of(bob).endpoint())
    assert answer.json()["errors"][0]["field"].startswith("/endpoint_id")


def test_anothers_certificates_do_not_exist(
    desk: Desk, desk_of: Callable[[Person], Desk], bob: Person
) -> None:
    row_id = str(desk.active().id)
    his = desk_of(bob)
    assert row_id not in {
        row["id"] for row in his.api.get("/api/v1/certificates").json()["results"]
    }
    assert his.api.get(f"/api/v1/certificates/{row_id}").status_code == 404
    for place in ("switch-over", "revoke", "answer"):
        body = {"reason": "mine"} if place == "revoke" else {}
        body |= {"certificate": "x"} if place == "answer" else {}
        assert his.post(f"{row_id}/{place}", **body).status_code == 404
    assert str(desk.active().id) == row_id


def test_the_list_can_be_asked_for_what_ends_soon(desk: Desk) -> None:
    told = uploaded(desk, issue(ROOT, Wish(ends=20 * DAY)))
    asked = {"expires_within_days": "25", "purpose": "SIGNING", "environment": "simulator"}
    rows = desk.api.get("/api/v1/certificates", asked).json()["results"]
    assert told["id"] in {row["id"] for row in rows}
    assert all(row["days_left"] < 25 for row in rows)
    assert (told["days_left"], told["warning"]) == (19, 30)


def test_ends_are_told_of_once_each_in_the_chain_and_in_the_api(desk: Desk) -> None:
    told = uploaded(desk, issue(ROOT, Wish(ends=61 * DAY)))
    at = now()
    for day in range(63):
        for _ in range(2):
            housekeeping.attend(at + day * DAY)
    shown = desk.get(told["id"])
    days = [60, 30, 14, 7, 3, 1, 0]
    assert sorted((notice["days"] for notice in shown["notices"]), reverse=True) == days
    entries = [e["detail"] for e in desk.told("key expires") if told["id"] in str(e)]
    assert [entry["days"] for entry in entries] == days[:-1]
    assert len([e for e in desk.told("key expired") if told["id"] in str(e)]) == 1
    assert (shown["state"], shown["key_held"], shown["days_left"]) == ("EXPIRED", False, None)


def test_no_answer_and_no_entry_holds_a_private_key_or_passphrase(desk: Desk) -> None:
    paper = issue(ROOT)
    key = {"private_key": paper.key_pem("a pass phrase"), "passphrase": "a pass phrase"}
    told = desk.done("uploads", **HERE, certificate=paper.pem, **key)
    pages = json.dumps([told, desk.get(told["id"]), desk.told("key installed", "key requested")])
    numbers = paper.key.private_numbers()  # type: ignore[union-attr]
    scalar = numbers.private_value.to_bytes(32)  # type: ignore[union-attr]
    for secret in ("PRIVATE", "a pass phrase", scalar.hex(), base64.b64encode(scalar).decode()):
        assert secret not in pages


def test_a_row_copied_to_another_tenant_or_purpose_does_not_open(
    desk: Desk, alice: Person, bob: Person
) -> None:
    row = desk.active()
    assert row.private_key is not None
    sealed = bytes(row.private_key)
    with tenant_scope(alice.tenant_id):
        certificates.open_key(row.id, sealed)
        with pytest.raises(vault.VaultError):
            vault.unseal(sealed, "another purpose", row.id)
        with pytest.raises(vault.VaultError):
            certificates.open_key(bob.tenant_id, sealed)
    with tenant_scope(bob.tenant_id), pytest.raises(vault.VaultError):
        certificates.open_key(row.id, sealed)


def test_negative_control_without_the_binding_a_copied_row_opens_under_its_tenants_key(
    desk: Desk, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Associated data switched off: moved to another row of the same tenant, the secret opens."""
    monkeypatch.setattr(vault, "_bound_to", lambda *details: b"")
    with tenant_scope(alice.tenant_id):
        sealed = vault.seal(b"secret", "one", alice.tenant_id)
        assert vault.unseal(sealed, "another", desk.active().id) == b"secret"


def test_negative_control_an_unchecked_certificate_is_taken(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks switched off: a certificate for code signing is installed for messages."""
    from cryptography.x509.oid import ExtendedKeyUsageOID

    paper = issue(ROOT, Wish(usages=(ExtendedKeyUsageOID.CODE_SIGNING,)))
    pair = {"certificate": paper.pem, "private_key": paper.key_pem()}
    assert "another purpose" in desk.refused("uploads", **HERE, **pair)["certificate"]
    monkeypatch.setattr(checks, "check_leaf", lambda *details: None)
    told = desk.done("uploads", **HERE, **pair)
    desk.done(f"{told['id']}/revoke", reason="it should not be there")
