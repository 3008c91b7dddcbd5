"""Turns what a tenant hands in, PEM or PKCS#12, into a certificate with its chain and its key, or
says what is wrong with it. Stores nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from tenants.keys import checks, opening
from tenants.keys.faults import unfit
from tenants.keys.life import OURS, CertificatePurpose

LARGEST_BYTES = 256 * 1024
"""Of any one thing handed in: a long chain with keys of 8,192 bits has a tenth of it."""

MOST_CERTIFICATES = 10


@dataclass(frozen=True, slots=True)
class Offer:
    """What was handed in; what is empty was not."""

    certificate: str = ""
    private_key: str = field(default="", repr=False)
    pkcs12: bytes = field(default=b"", repr=False)
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Material:
    """Fit to be stored: `pem` is the leaf and then its chain, in order."""

    leaf: x509.Certificate
    pem: str
    key: PrivateKeyTypes | None = field(repr=False)


def read(offer: Offer, purpose: CertificatePurpose, at: datetime) -> Material:
    """A certificate with its key, or, for a machine of the tenant's, without. Raises Unfit and
    Busy.
    """
    _bound(offer)
    if purpose not in OURS:
        return _of_machine(offer, purpose, at)
    if offer.pkcs12:
        if offer.certificate or offer.private_key:
            raise unfit("pkcs12", "Either PKCS#12, or certificate and private key as PEM.")
        return _from_pkcs12(offer, purpose, at)
    if not offer.certificate:
        raise unfit("certificate", "A certificate is needed, as PEM or in PKCS#12.")
    if not offer.private_key:
        raise unfit("private_key", "The private key is needed, as PEM or in PKCS#12.")
    found = _parsed(offer.certificate)
    key = opening.open_pem(offer.private_key.encode(errors="replace"), offer.passphrase).key
    assert key is not None
    return _with_key(found, key, purpose, at, "certificate")


def read_answer(
    certificate: str, key: PrivateKeyTypes, purpose: CertificatePurpose, at: datetime
) -> Material:
    """An authority's answer to the request that was made with `key`. Raises Unfit."""
    _bound(Offer(certificate))
    return _with_key(_parsed(certificate), key, purpose, at, "certificate")


def _from_pkcs12(offer: Offer, purpose: CertificatePurpose, at: datetime) -> Material:
    opened = opening.open_pkcs12(offer.pkcs12, offer.passphrase)
    if opened.key is None:
        raise unfit("pkcs12", "There is no private key in it.")
    if not opened.certificates:
        raise unfit("pkcs12", "There is no certificate in it.")
    found = _parsed("".join(opened.certificates), "pkcs12")
    return _with_key(found, opened.key, purpose, at, "pkcs12")


def _of_machine(offer: Offer, purpose: CertificatePurpose, at: datetime) -> Material:
    """The private key of a machine of the tenant's stays there: it is not taken if it is given."""
    if offer.private_key or offer.pkcs12 or offer.passphrase:
        given = "pkcs12" if offer.pkcs12 else "private_key"
        raise unfit(given, "Its private key stays where it is: hand in the certificate alone.")
    if not offer.certificate:
        raise unfit("certificate", "A certificate is needed, as PEM.")
    found = _parsed(offer.certificate)
    with _readable("certificate"):
        others = [one for one in found if not _vouches_for_another(one, found)]
    leaf = (others or found)[0]
    return _fit(leaf, found, None, purpose, at, "certificate")


def _with_key(
    found: list[x509.Certificate],
    key: PrivateKeyTypes,
    purpose: CertificatePurpose,
    at: datetime,
    place: str,
) -> Material:
    public = key.public_key()
    weak = list(checks.key_faults(public, purpose))
    if weak:
        raise unfit("private_key" if place == "certificate" else place, weak[0])
    with _readable(place):
        leaf = next((one for one in found if _holds(one, public)), None)
    if leaf is None:
        text = "The certificate and the private key do not belong together."
        raise unfit(place, text)
    return _fit(leaf, found, key, purpose, at, place)


def _fit(
    leaf: x509.Certificate,
    found: list[x509.Certificate],
    key: PrivateKeyTypes | None,
    purpose: CertificatePurpose,
    at: datetime,
    place: str,
) -> Material:
    checks.check_leaf(leaf, purpose, at, place)
    with _readable(place):
        chain = checks.chain_of(leaf, [one for one in found if one != leaf], place)
    checks.check_issuers(chain, at, place)
    pem = "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in (leaf, *chain))
    return Material(leaf, pem, key)


def _parsed(text: str, place: str = "certificate") -> list[x509.Certificate]:
    """Each once, in the order given. Raises Unfit."""
    if text.count("-----BEGIN CERTIFICATE-----") > MOST_CERTIFICATES:
        raise unfit(place, f"There are more than {MOST_CERTIFICATES} certificates in it.")
    try:
        return list(dict.fromkeys(x509.load_pem_x509_certificates(text.encode())))
    except checks.UNREADABLE:
        raise unfit(place, "This is not a certificate in PEM, or it is damaged.") from None


def _holds(certificate: x509.Certificate, public: object) -> bool:
    return bool(certificate.public_key() == public)


def _vouches_for_another(one: x509.Certificate, found: list[x509.Certificate]) -> bool:
    return any(other.issuer == one.subject for other in found if other != one)


def _bound(offer: Offer) -> None:
    for name in ("certificate", "private_key", "pkcs12", "passphrase"):
        if len(getattr(offer, name)) > LARGEST_BYTES:
            raise unfit(name, f"This is longer than {LARGEST_BYTES} bytes.")


@contextmanager
def _readable(place: str) -> Iterator[None]:
    """Parts of a certificate are read when they are looked at: a damaged one fails as late."""
    try:
        yield
    except checks.UNREADABLE:
        text = "A certificate is damaged, or holds what is not supported."
        raise unfit(place, text) from None
