"""A dump of the whole database, after everything a tenant does, holds no secret in any form."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client, override_settings

from tenants import api_keys, certificates
from tenants.audit import bodies
from tenants.clock import now
from tenants.keys import housekeeping
from tenants.models import Certificate
from tenants.scope import tenant_scope
from tests.api.carried import carry
from tests.api.clients import HOST, client
from tests.dumped import dump, is_in, secrets_of, without_breaks
from tests.keys.conftest import Desk
from tests.keys.papers import DAY, MIDDLE, ROOT, Wish, issue, make_key
from tests.people import Cast
from tests.roles import as_role
from tests.servers import TestServers

PASSWORD = "a long pass phrase of ada's"
PHRASES = ("the phrase of a PEM", "the phrase of a PKCS#12", "a phrase that was mistyped")
HERE = {"purpose": "SIGNING", "environment": "test"}


@dataclass(frozen=True, slots=True)
class Run:
    """What a run has made that nobody may find, by name."""

    url: str
    secrets: dict[str, bytes]


@pytest.fixture(scope="module")
def after(cast: Cast, servers: TestServers, database: str) -> Run:
    """Enrolment, traffic, API keys, uploads good and bad, requests, revocations, an admin's
    session.
    """
    kept: dict[str, bytes] = {}
    for person in (cast.alice, cast.bob, cast.mallory):
        carry(person)
        kept[f"API key of {person.name}"] = person.api_key.split("_", 2)[2].encode()
        for name in ("signing", "client"):
            kept |= named(f"{name} of {person.name}", getattr(person, name).key)
        for point, issued in person.links.items():
            kept |= named(point, issued.key)
    kept |= hand_in(Desk(cast.alice, client({"X-API-Key": cast.alice.api_key})))
    with tenant_scope(cast.alice.tenant_id):
        kept["another API key"] = api_keys.mint("another").text.split("_", 2)[2].encode()
    housekeeping.attend(now())
    with (
        as_role("staff", servers, database),
        override_settings(ROOT_URLCONF="hostsvc.urls_admin"),
    ):
        User.objects.create_superuser("ada", password=PASSWORD)
        browser = Client(SERVER_NAME=HOST)
        assert browser.login(username="ada", password=PASSWORD)
        assert browser.get("/admin/").status_code == 200
        kept["session"] = str(browser.session.session_key).encode()
        kept["session cookie"] = browser.cookies["sessionid"].value.encode()
    kept |= {"password": PASSWORD.encode(), "master key": settings.MASTER_KEY}
    kept["secret key"] = settings.SECRET_KEY.encode()
    url = urlsplit(servers.admin)._replace(path=f"/{database}").geturl()
    return Run(url, kept)


def named(name: str, key: Any) -> dict[str, bytes]:
    return {f"{name}, part {number}": part for number, part in enumerate(secrets_of(key))}


def hand_in(desk: Desk) -> dict[str, bytes]:
    """By every way in; the keys made in the service are read as only the service can."""
    kept = {f"phrase {number}": phrase.encode() for number, phrase in enumerate(PHRASES)}
    for number, kind in enumerate(("P-256", "2048", "Ed25519")):
        paper = issue(MIDDLE, Wish(), make_key(kind))
        pair = {"certificate": paper.pem + MIDDLE.pem, "private_key": paper.key_pem(PHRASES[0])}
        told = desk.done("uploads", **HERE, **pair, passphrase=PHRASES[0])
        kept |= named(f"uploaded {kind}", paper.key)
        if number:
            desk.done(f"{told['id']}/revoke", reason="to see what is left of it")
    paper = issue(ROOT, Wish(ends=2 * DAY))
    desk.done("uploads", **HERE, pkcs12=paper.pkcs12(PHRASES[1]), passphrase=PHRASES[1])
    kept |= named("PKCS#12", paper.key)
    bad = issue(ROOT)
    for offer in (
        {"pkcs12": bad.pkcs12(PHRASES[1]), "passphrase": PHRASES[2]},
        {"certificate": paper.pem, "private_key": bad.key_pem()},
        {"certificate": bad.key_pem(), "private_key": bad.key_pem(), "passphrase": PHRASES[2]},
    ):
        desk.refused("uploads", **HERE, **offer)
    kept |= named("refused", bad.key)
    for kind in ("EC-P256", "RSA-3072", "Ed25519"):
        told = desk.done("requests", **HERE, key=kind)
        with tenant_scope(desk.person.tenant_id):
            row = Certificate.objects.get(id=told["id"])
            assert row.private_key is not None
            kept |= named(
                f"made here, {kind}", certificates.open_key(row.id, bytes(row.private_key))
            )
    return kept


@pytest.fixture(scope="module")
def dumped(after: Run) -> tuple[bytes, bytes]:
    found = dump(after.url)
    return found, without_breaks(found)


def test_no_secret_is_in_a_dump(after: Run, dumped: tuple[bytes, bytes]) -> None:
    assert len(after.secrets) >= 60
    assert [name for name, secret in after.secrets.items() if is_in(*dumped, secret)] == []


def test_no_private_key_in_any_encoding_is_in_a_dump(dumped: tuple[bytes, bytes]) -> None:
    for mark in (b"PRIVATE KEY", base64.b64encode(b"PRIVATE KEY")[:-4]):
        assert mark not in dumped[0]


def test_the_dump_is_of_everything(after: Run, dumped: tuple[bytes, bytes], cast: Cast) -> None:
    """What is no secret is found in it, in the forms that a secret is looked for."""
    alice = cast.alice
    prefix = alice.api_key.split("_")[1].encode()
    for known in (b"ALICP1-1", alice.participant_id.encode(), prefix, b"link", b"ada"):
        assert known in dumped[0]
    der = base64.b64decode("".join(alice.signing.pem.splitlines()[1:-1]))
    assert is_in(*dumped, der[100:160]), "out of the middle of a certificate, as base64 in lines"


@pytest.fixture
def clear_key(after: Run) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    after.secrets.update(named("planted", key))
    return key


WAYS = {
    "PKCS#8 in PEM": (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8),
    "SEC1 in PEM": (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL),
    "PKCS#8 in DER": (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8),
    "SEC1 in DER": (serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL),
}


@pytest.mark.parametrize("way", WAYS)
def test_negative_control_a_key_that_is_stored_in_clear_is_found(
    after: Run, cast: Cast, clear_key: ec.EllipticCurvePrivateKey, way: str
) -> None:
    """The vault gone by: the same key, kept as a message's body."""
    content = clear_key.private_bytes(*WAYS[way], serialization.NoEncryption())
    with tenant_scope(cast.mallory.tenant_id):
        bodies.keep(content, now())
    assert leaked(after)


@pytest.mark.parametrize("form", ["hex", "base64", "url", "raw"])
def test_negative_control_any_other_secret_is_found_in_any_form(after: Run, form: str) -> None:
    secret = secrets.token_bytes(33)
    text = {
        "hex": secret.hex(),
        "base64": base64.b64encode(b"x" + secret).decode(),
        "url": base64.urlsafe_b64encode(b"xy" + secret).decode(),
        "raw": "",
    }[form]
    with planted(after.url, text, secret if form == "raw" else b"") as found:
        assert is_in(found, without_breaks(found), secret)


def leaked(after: Run) -> list[str]:
    found = dump(after.url)
    joined = without_breaks(found)
    return [name for name, secret in after.secrets.items() if is_in(found, joined, secret)]


@contextmanager
def planted(url: str, text: str, content: bytes) -> Iterator[bytes]:
    """A dump with one more row in it."""
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("CREATE TABLE planted (text text, content bytea)")
        try:
            session.execute("INSERT INTO planted VALUES (%s, %s)", [text, content])
            yield dump(url)
        finally:
            session.execute("DROP TABLE planted")
