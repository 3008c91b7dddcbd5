"""What is handed in is fit, or is refused with a sentence at the field it is about; no bytes make
it anything else.
"""

from __future__ import annotations

import base64
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenants.keys import opening, uploads
from tenants.keys.faults import Unfit
from tenants.keys.life import CertificatePurpose
from tenants.keys.uploads import Material, Offer
from tests.keys.papers import DAY, MIDDLE, OTHER, ROOT, RSA_ROOT, Wish, issue, make_key, weaken

SIGNING, CLIENT, POINT, SERVER = (
    CertificatePurpose.SIGNING,
    CertificatePurpose.SO_CLIENT,
    CertificatePurpose.CONTROL_POINT,
    CertificatePurpose.SERVER,
)
GOOD = issue(MIDDLE)
CHAIN = (MIDDLE.pem, ROOT.pem)
FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(offer: Offer, purpose: CertificatePurpose = SIGNING) -> Material:
    return uploads.read(offer, purpose, datetime.now(UTC))


def refusal(offer: Offer, purpose: CertificatePurpose = SIGNING) -> list[tuple[str, str]]:
    with pytest.raises(Unfit) as caught:
        read(offer, purpose)
    return [(fault.field, fault.text) for fault in caught.value.faults]


def pair(wish: Wish, key: str = "P-256") -> Offer:
    paper = issue(ROOT, wish, make_key(key))
    return Offer(paper.pem, paper.key_pem())


@pytest.mark.parametrize("purpose", [SIGNING, CLIENT])
@pytest.mark.parametrize("kind", ["P-256", "2048", "3072", "Ed25519"])
def test_a_good_pair_is_taken_with_its_chain(purpose: CertificatePurpose, kind: str) -> None:
    paper = issue(MIDDLE, Wish(), make_key(kind))
    found = read(Offer(paper.pem + MIDDLE.pem, paper.key_pem()), purpose)
    assert found.leaf == paper.certificate
    assert found.key is not None
    assert found.key.public_key() == paper.key.public_key()
    assert found.pem == paper.pem + MIDDLE.pem


@pytest.mark.parametrize("order", ["leaf first", "root first", "mixed", "twice"])
def test_a_chain_in_any_order_is_put_in_order(order: str) -> None:
    parts = {
        "leaf first": [GOOD.pem, *CHAIN],
        "root first": [ROOT.pem, MIDDLE.pem, GOOD.pem],
        "mixed": [MIDDLE.pem, GOOD.pem, ROOT.pem],
        "twice": [GOOD.pem, *CHAIN, GOOD.pem, *CHAIN],
    }[order]
    found = read(Offer("".join(parts), GOOD.key_pem()))
    assert found.pem == "".join([GOOD.pem, *CHAIN])


def test_an_encrypted_key_is_opened_with_its_passphrase() -> None:
    assert read(Offer(GOOD.pem, GOOD.key_pem("a pass phrase"), passphrase="a pass phrase")).key


def test_pkcs12_is_opened_with_its_passphrase() -> None:
    content = base64.b64decode(GOOD.pkcs12("a pass phrase", ROOT, MIDDLE))
    found = read(Offer(pkcs12=content, passphrase="a pass phrase"))
    assert found.pem == "".join([GOOD.pem, *CHAIN])
    assert found.key is not None


def test_a_machines_certificate_is_taken_without_its_key_and_its_leaf_is_found() -> None:
    found = read(Offer(MIDDLE.pem + GOOD.pem), POINT)
    assert (found.leaf, found.key) == (GOOD.certificate, None)


def test_a_certificate_whose_time_has_not_begun_is_taken() -> None:
    assert read(pair(Wish(starts=DAY))).key is not None


CODE_SIGNING = (ExtendedKeyUsageOID.CODE_SIGNING,)
WEAK = issue(ROOT, Wish(), make_key("1024"))
EXPIRED_MIDDLE = issue(ROOT, Wish("old middle", starts=-9 * DAY, ends=-DAY, is_authority=True))
NO_AUTHORITY = issue(ROOT, Wish("no authority"))
FORGED = issue(None, Wish("middle", is_authority=True))
SHA1_MIDDLE = weaken(issue(RSA_ROOT, Wish("SHA-1", is_authority=True)))
SHA1 = weaken(issue(RSA_ROOT))
SHA1_AND_MORE = weaken(issue(RSA_ROOT, Wish(starts=-9 * DAY, ends=-DAY, usages=CODE_SIGNING)))
UNDER = {name: issue(by) for name, by in {"old": EXPIRED_MIDDLE, "none": NO_AUTHORITY}.items()}
UNDER_SHA1 = issue(SHA1_MIDDLE)
P12 = base64.b64decode(GOOD.pkcs12("right"))

BAD: dict[str, tuple[Offer, CertificatePurpose, str, str]] = {
    "nothing": (Offer(), SIGNING, "certificate", "needed"),
    "no key": (Offer(GOOD.pem), SIGNING, "private_key", "needed"),
    "no key for a client": (Offer(GOOD.pem), CLIENT, "private_key", "needed"),
    "both forms": (Offer(GOOD.pem, GOOD.key_pem(), P12), SIGNING, "pkcs12", "Either"),
    "wrong passphrase": (
        Offer(GOOD.pem, GOOD.key_pem("right"), passphrase="wrong"),
        SIGNING,
        "passphrase",
        "not the one",
    ),
    "passphrase missing": (
        Offer(GOOD.pem, GOOD.key_pem("right")),
        SIGNING,
        "passphrase",
        "encrypted",
    ),
    "passphrase for a clear key": (
        Offer(GOOD.pem, GOOD.key_pem(), passphrase="right"),
        SIGNING,
        "passphrase",
        "not encrypted",
    ),
    "wrong passphrase of PKCS#12": (
        Offer(pkcs12=P12, passphrase="wrong"),
        SIGNING,
        "passphrase",
        "not the one",
    ),
    "no passphrase of PKCS#12": (Offer(pkcs12=P12), SIGNING, "passphrase", "not the one"),
    "another's key": (
        Offer(GOOD.pem, OTHER.key_pem()),
        SIGNING,
        "certificate",
        "do not belong together",
    ),
    "weak RSA": (Offer(WEAK.pem, WEAK.key_pem()), SIGNING, "private_key", "1024 bits"),
    "weak RSA of a machine": (Offer(WEAK.pem), POINT, "certificate", "1024 bits"),
    "unknown curve": (pair(Wish(), "secp256k1"), CLIENT, "private_key", "secp256k1"),
    "a curve no seal knows": (pair(Wish(), "P-384"), SIGNING, "private_key", "P-256"),
    "expired": (pair(Wish(starts=-9 * DAY, ends=-DAY)), SIGNING, "certificate", "expired at"),
    "SHA-1": (Offer(SHA1.pem + RSA_ROOT.pem, SHA1.key_pem()), SIGNING, "certificate", "SHA-1"),
    "an authority's": (
        Offer(ROOT.pem),
        SERVER,
        "certificate",
        "an authority (CA)",
    ),
    "for code signing": (pair(Wish(usages=CODE_SIGNING)), SIGNING, "certificate", "purpose"),
    "a server's, as client": (
        pair(Wish(usages=(ExtendedKeyUsageOID.SERVER_AUTH,))),
        CLIENT,
        "certificate",
        "clientAuth",
    ),
    "a client's, as server": (
        Offer(issue(ROOT, Wish(usages=(ExtendedKeyUsageOID.CLIENT_AUTH,))).pem),
        SERVER,
        "certificate",
        "serverAuth",
    ),
    "may not sign": (pair(Wish(signs=False)), SIGNING, "certificate", "key usage"),
    "chain without its middle": (
        Offer(GOOD.pem + ROOT.pem, GOOD.key_pem()),
        SIGNING,
        "certificate",
        "chain is broken",
    ),
    "chain of another": (
        Offer(GOOD.pem + MIDDLE.pem + OTHER.pem, GOOD.key_pem()),
        SIGNING,
        "certificate",
        "chain is broken",
    ),
    "chain by name alone": (
        Offer(GOOD.pem + FORGED.pem, GOOD.key_pem()),
        SIGNING,
        "certificate",
        "did not sign it",
    ),
    "chain through an expired authority": (
        Offer(UNDER["old"].pem + EXPIRED_MIDDLE.pem, UNDER["old"].key_pem()),
        SIGNING,
        "certificate",
        "expired",
    ),
    "chain through no authority": (
        Offer(UNDER["none"].pem + NO_AUTHORITY.pem, UNDER["none"].key_pem()),
        SIGNING,
        "certificate",
        "not an authority",
    ),
    "chain through SHA-1": (
        Offer(UNDER_SHA1.pem + SHA1_MIDDLE.pem, UNDER_SHA1.key_pem()),
        SIGNING,
        "certificate",
        "weak",
    ),
    "garbage certificate": (
        Offer("garbage", GOOD.key_pem()),
        SIGNING,
        "certificate",
        "not a certificate",
    ),
    "garbage in PEM": (
        Offer(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            GOOD.key_pem(),
        ),
        SIGNING,
        "certificate",
        "not a certificate",
    ),
    "garbage key": (Offer(GOOD.pem, "garbage"), SIGNING, "private_key", "not a private key"),
    "garbage PKCS#12": (Offer(pkcs12=b"garbage"), SIGNING, "pkcs12", "not a PKCS#12"),
    "a certificate for a key": (
        Offer(GOOD.pem, GOOD.pem),
        SIGNING,
        "private_key",
        "not a private key",
    ),
    "a key for a certificate": (
        Offer(GOOD.key_pem(), GOOD.key_pem()),
        SIGNING,
        "certificate",
        "not a certificate",
    ),
    "a machine's key": (
        Offer(GOOD.pem, GOOD.key_pem()),
        POINT,
        "private_key",
        "stays where it is",
    ),
    "a machine's PKCS#12": (Offer(pkcs12=P12), SERVER, "pkcs12", "stays where it is"),
    "10 MB": (Offer("A" * 10_000_000, "A"), SIGNING, "certificate", "longer than"),
    "10 MB of key": (Offer(GOOD.pem, "A" * 10_000_000), SIGNING, "private_key", "longer than"),
    "10 MB of PKCS#12": (Offer(pkcs12=b"A" * 10_000_000), SIGNING, "pkcs12", "longer than"),
    "many certificates": (
        Offer(GOOD.pem * 11, GOOD.key_pem()),
        SIGNING,
        "certificate",
        "more than 10",
    ),
    "a surrogate": (Offer("\ud800", "\ud800"), SIGNING, "certificate", "not a certificate"),
    "a surrogate for a key": (
        Offer(GOOD.pem, "\ud800"),
        SIGNING,
        "private_key",
        "not a private key",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_each_bad_upload_is_refused_at_its_field_with_what_and_why(name: str) -> None:
    offer, purpose, field, words = BAD[name]
    told = refusal(offer, purpose)
    assert [place for place, _ in told] == [field]
    assert words in told[0][1]


def test_everything_that_is_wrong_with_a_certificate_is_said_at_once() -> None:
    offer = Offer(SHA1_AND_MORE.pem, SHA1_AND_MORE.key_pem())
    assert [field for field, _ in refusal(offer)] == ["certificate"] * 3


def test_a_refusal_holds_neither_passphrase_nor_key() -> None:
    offer = Offer(GOOD.pem, GOOD.key_pem("right"), passphrase="a very secret phrase")
    told = str(refusal(offer))
    assert "a very secret phrase" not in told + repr(offer)
    assert "PRIVATE" not in told + repr(offer)


def dear() -> bytes:
    """Says that its passphrase is hashed eight million times to check it: seconds of a core. It
    could say two thousand million.
    """
    content = bytearray(base64.b64decode(GOOD.pkcs12("right")))
    mac = len(content) - 67
    assert content[:2] == b"\x30\x82"
    assert content[mac : mac + 2] == b"\x30\x41"
    assert content[-4:] == b"\x02\x02\x08\x00"
    content[2:4] = (int.from_bytes(content[2:4]) + 1).to_bytes(2)
    content[mac + 1] += 1
    return bytes(content[:-4]) + b"\x02\x03\x7f\xff\xff"


def test_a_passphrase_hashed_too_often_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "SECONDS", 0.5)
    told = refusal(Offer(pkcs12=dear(), passphrase="right"))
    assert told == [("pkcs12", opening._DEAR)]


def test_negative_control_without_the_bound_the_same_file_is_worked_on_to_its_end() -> None:
    """The bound taken away (as it stands, ten seconds are enough for this one): it is not refused
    for what it costs, but because it does not open.
    """
    ((field, _),) = refusal(Offer(pkcs12=dear(), passphrase="right"))
    assert field == "passphrase"


def test_a_program_that_ends_by_its_own_bounds_is_a_file_that_costs_too_much() -> None:
    with pytest.raises(Unfit, match="too long"):
        opening._ask([sys.executable, "-c", "raise SystemExit(137)"], {}, "pkcs12")


def test_the_opener_is_given_nothing_of_our_environment() -> None:
    """The master key is in it."""
    program = "import os, json; print(json.dumps({'names': list(os.environ)}))"
    assert "HOSTSVC_MASTER_KEY" in os.environ
    told = opening._ask([sys.executable, "-c", program], {}, "pkcs12")["names"]
    assert not [name for name in told if name.startswith(("HOSTSVC", "DATABASE", "REDIS"))]


@FAST
@given(st.binary(max_size=400))
def test_random_bytes_are_refused_and_nothing_else(content: bytes) -> None:
    text = content.decode("latin-1")
    for offer in (Offer(text, text), Offer(GOOD.pem + text, GOOD.key_pem())):
        with suppress(Unfit):
            read(offer)


@FAST
@given(st.data())
def test_a_mangled_certificate_is_refused_or_read_and_nothing_else(data: st.DataObject) -> None:
    der = bytearray(GOOD.certificate.public_bytes(serialization.Encoding.DER))
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    body = base64.encodebytes(bytes(der)).decode()
    pem = f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"
    for purpose in (POINT, SERVER):
        with suppress(Unfit):
            read(Offer(pem + MIDDLE.pem), purpose)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_mangled_pkcs12_or_key_is_refused_or_opened_and_nothing_else(data: st.DataObject) -> None:
    content = bytearray(P12)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    key = list(GOOD.key_pem())
    key[data.draw(st.integers(0, len(key) - 1))] = data.draw(st.characters())
    for offer in (
        Offer(pkcs12=bytes(content), passphrase="right"),
        Offer(GOOD.pem, "".join(key)),
    ):
        with suppress(Unfit):
            read(offer)
