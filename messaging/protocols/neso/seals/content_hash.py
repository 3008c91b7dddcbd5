"""The `content-hash` seal: the body is the payload, and headers carry an RSA signature over the
request's method and URL, the time, the payload's hash, and who says it to whom. After the public
shape of the Elexon DIP.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import textwrap
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from messaging.protocols.base import LocalProtocolError
from messaging.protocols.neso.seals.base import (
    MESSAGE_ID,
    MOST_BODY,
    Heading,
    KeyDoesNotFit,
    Opened,
    Sealed,
    SealError,
    SigningKey,
    Target,
    Trusted,
    header_of,
)
from messaging.protocols.neso.seals.keys import choose_algorithm
from messaging.protocols.neso.seals.verifying import check_heading, find_signer, message_id_of

SIGNATURE: Final = "X-Signature"
DATE: Final = "X-Signature-Date"
CERTIFICATE: Final = "X-Signature-Certificate"
HASH: Final = "X-Content-Hash"
ISSUER: Final = "X-Signature-Issuer"
AUDIENCE: Final = "X-Signature-Audience"

ALGORITHM: Final = "RS256"
"""What JOSE calls RSA PKCS#1 v1.5 with SHA-256, and so does an endpoint's allow-list."""

_MOST: Final = 16_384
"""Characters of any of the headers."""

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_NAME: Final = re.compile(r"[!-:<-~]([ -:<-~]{0,198}[!-:<-~])?", re.ASCII)
"""Printable, and without the semicolon: it parts what is signed."""

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"
_PEM: Final = re.compile(
    rf"{_BEGIN}\n((?:[A-Za-z0-9+/]{{64}}\n)*[A-Za-z0-9+/]{{1,64}}={{0,2}})\n{_END}\n?", re.ASCII
)
_OWN_PEM: Final = re.compile(rf"{_BEGIN}([A-Za-z0-9+/=\s]+){_END}", re.ASCII)


class ContentHashSeal:
    """It covers the payload and the URL, whose case does not matter. RSA alone signs it."""

    name = "content-hash"
    content_type = "application/json"
    headers = frozenset(
        name.lower() for name in (SIGNATURE, DATE, CERTIFICATE, HASH, ISSUER, AUDIENCE)
    )

    def choose(self, key: SigningKey, algorithm: str | None = None) -> str:
        return choose_algorithm(key, algorithm, (ALGORITHM,))

    def close(
        self,
        payload: bytes,
        *,
        key: SigningKey,
        issuer: str,
        audience: str,
        reference: str,
        now: datetime,
        algorithm: str | None = None,
        target: Target | None = None,
    ) -> Sealed:
        self.choose(key, algorithm)
        assert isinstance(key.key, RSAPrivateKey), "the algorithm was found to fit the key"
        if not (_NAME.fullmatch(issuer) and _NAME.fullmatch(audience)):
            raise LocalProtocolError("a participant's name does not fit into this seal's headers")
        heading = Heading(ALGORITHM, key.thumbprint, "", now, reference, issuer, audience)
        date, digest = _write_date(now), _hash_of(payload)
        signature = key.key.sign(_signed(target, date, digest, heading), PKCS1v15(), SHA256())
        headers = {
            SIGNATURE: _encode(signature),
            DATE: date,
            CERTIFICATE: _encode(_leaf_of(key).encode("ascii")),
            HASH: digest,
            ISSUER: issuer,
            AUDIENCE: audience,
        }
        return Sealed(payload, self.content_type, headers)

    def peek(self, sealed: Sealed) -> Heading:
        if len(sealed.body) > MOST_BODY:
            raise SealError("The body is too long.")
        _decode(_text(sealed, SIGNATURE), SIGNATURE)
        if _text(sealed, HASH) != _hash_of(sealed.body):
            raise SealError(f"The header {HASH} is not the body's hash.")
        return Heading(
            algorithm=ALGORITHM,
            kid=_kid(_text(sealed, CERTIFICATE)),
            typ="",
            issued_at=_read_date(_text(sealed, DATE)),
            jti=message_id_of(sealed.body, MESSAGE_ID) or _text(sealed, HASH),
            issuer=_name(sealed, ISSUER),
            audience=_name(sealed, AUDIENCE),
        )

    def open(
        self,
        sealed: Sealed,
        *,
        trusted: Trusted,
        audience: str,
        issuer: str | None,
        algorithms: frozenset[str],
        now: datetime,
        target: Target | None = None,
        id_at: tuple[str, ...] = MESSAGE_ID,
    ) -> Opened:
        heading = self.peek(sealed)
        if id_at != MESSAGE_ID:
            reference = message_id_of(sealed.body, id_at) or _text(sealed, HASH)
            heading = replace(heading, jti=reference)
        check_heading(heading, audience=audience, issuer=issuer, algorithms=algorithms, now=now)
        signer, key = find_signer(heading, trusted, now)
        signed = _signed(target, _text(sealed, DATE), _text(sealed, HASH), heading)
        _verify(key.raw_value, _decode(_text(sealed, SIGNATURE), SIGNATURE), signed)
        return Opened(sealed.body, heading, signer)


def _signed(target: Target | None, date: str, digest: str, heading: Heading) -> bytes:
    if target is None:
        raise LocalProtocolError("this seal covers the URL, and none was given")
    names = (heading.issuer, heading.audience)
    return ";".join((target.verb, target.url.lower(), date, digest, *names)).encode("utf-8")


def _verify(key: object, signature: bytes, signed: bytes) -> None:
    assert isinstance(key, RSAPublicKey), "the algorithm was found to fit the key"
    try:
        key.verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        raise SealError("The signature does not hold.") from None


def _text(sealed: Sealed, name: str) -> str:
    value = header_of(sealed, name)
    if len(value) > _MOST:
        raise SealError(f"The header {name} is too long.")
    return value


def _name(sealed: Sealed, header: str) -> str:
    value = _text(sealed, header)
    if _NAME.fullmatch(value) is None:
        raise SealError(f"The header {header} does not name a participant.")
    return value


def _kid(value: str) -> str:
    """The thumbprint of the certificate shown, which is not read any further: only a trusted one is
    believed, and that one is at hand.
    """
    text = _decode(value, CERTIFICATE).decode("latin-1").replace("\r\n", "\n")
    found = _PEM.fullmatch(text)
    if found is None:
        raise SealError(f"The header {CERTIFICATE} is not the PEM of one certificate.")
    return _thumbprint(_decode(found[1].replace("\n", ""), CERTIFICATE))


def _leaf_of(key: SigningKey) -> str:
    """The PEM of the key's own certificate, the first of its chain, as OpenSSL would write it."""
    found = _OWN_PEM.search(key.pem)
    der = base64.b64decode(found[1]) if found else b""
    if _thumbprint(der) != key.thumbprint:
        raise KeyDoesNotFit("this seal shows the signing key's certificate, and it is not at hand")
    lines = textwrap.wrap(_encode(der), 64)
    return "\n".join([_BEGIN, *lines, _END, ""])


def _thumbprint(der: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode("ascii")


def _hash_of(payload: bytes) -> str:
    return _encode(hashlib.sha256(payload).digest())


def _write_date(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read_date(value: str) -> datetime:
    try:
        if _DATE.fullmatch(value):
            return datetime.fromisoformat(value)
    except ValueError:
        pass
    raise SealError(f"The header {DATE} is not YYYY-MM-DDTHH:MM:SS.mmmZ.")


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(value: str, name: str) -> bytes:
    """Canonical only: two spellings of one signature would be two messages."""
    try:
        data = value.encode("ascii")
        decoded = base64.b64decode(data, validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise SealError(f"The header {name} is not base64.") from None
    if base64.b64encode(decoded) != data:
        raise SealError(f"The header {name} is not canonical base64.")
    return decoded
