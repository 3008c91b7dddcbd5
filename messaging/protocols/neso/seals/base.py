"""What a seal is: payload bytes turned into signed bytes and back. How one kind of seal signs is in
its own module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from typing import Protocol as Shape

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from messaging.protocols.base import LocalProtocolError

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey | Ed25519PrivateKey

CLOCK_TOLERANCE: Final = timedelta(seconds=300)
"""How far the time of signing may lie from the verifier's clock, either way (wire format, section
Seals).
"""

FRESH_FOR: Final = timedelta(seconds=240)
"""How long a sender repeats sealed bytes as they are; after that it seals the same payload anew."""

MESSAGE_ID: Final = ("messageId",)
"""Where a payload names its messageId unless its profile says otherwise."""

MOST_BODY: Final = 96 << 20
"""Bytes of a sealed body: base64 of the largest payload there is, 64 MiB, and what stands around
it.
"""

_LINE: Final = b"\r\n"


class SealError(Exception):
    """A seal does not hold. `reason` is one sentence for the sender; it tells of nobody but the
    sender and the receiver.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeyDoesNotFit(LocalProtocolError):
    """The key cannot sign in this way, or not with the algorithm asked for: the owner of the key
    is to be told, and nobody else.
    """


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the base64url SHA-256 thumbprint of the certificate (DER) it belongs to.
    `pem` is that certificate, its chain perhaps after it, for a seal that shows it.
    """

    thumbprint: str
    key: PrivateKey = field(repr=False)
    pem: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A certificate whose signatures count as `participant_id`'s. The thumbprint is base64url
    SHA-256 of its DER.
    """

    thumbprint: str
    certificate: x509.Certificate
    participant_id: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed payload as it travels. `headers` may hold others than the seal's, in any case."""

    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def record(self) -> bytes:
        """All of it as one run of bytes, to be kept and hashed: header lines as HTTP writes them,
        the content type first, an empty line, the body.
        """
        lines = [("content-type", self.content_type), *sorted(self.headers.items())]
        head = b"".join(f"{name}: {value}".encode("latin-1") + _LINE for name, value in lines)
        return head + _LINE + self.body

    @classmethod
    def from_record(cls, record: bytes) -> Sealed:
        """What `record` was made of, byte for byte."""
        head, _, body = record.partition(_LINE + _LINE)
        lines = [line.partition(": ") for line in head.decode("latin-1").split("\r\n")]
        (_, _, content_type), *others = lines
        return cls(body, content_type, {name: value for name, _, value in others})


@dataclass(frozen=True, slots=True)
class Heading:
    """What a seal says of itself. Only that of an `Opened` has been verified.

    `jti` is what the message is known by: the payload's messageId. Where a seal does not carry it
    and the payload names none (to `peek`: where it is looked for without a profile), it is the hash
    that was signed in its place.
    """

    algorithm: str
    kid: str
    typ: str
    issued_at: datetime
    jti: str
    issuer: str
    audience: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A payload whose seal held."""

    payload: bytes
    heading: Heading
    signer: TrustedKey


TrustLookup = Callable[[str], TrustedKey | None]
"""From a thumbprint to the trusted key it names, if any."""

Trusted = Iterable[TrustedKey] | TrustLookup


@dataclass(frozen=True, slots=True)
class Target:
    """What a seal over HTTP may cover besides the payload.

    `verb` is the request's method, or ANSWER; `url` the request's, absolute, as configured at both
    ends.
    """

    verb: str
    url: str


class Seal(Shape):
    """One way of signing. `name` is what an endpoint's setting calls it; `headers`, in lower case,
    are those it travels in: any of them announces it.

    `choose` is the algorithm that `close` signs with, the key's own default where `algorithm` is
    None; both raise KeyDoesNotFit where there is none. `peek` reads who speaks to whom before
    anything is verified; `open` verifies all of it. Both raise SealError and nothing else, whatever
    the bytes. With `issuer` the signer must be that one; else whoever `trusted` says the
    certificate belongs to. `algorithms` is the receiver's allow-list. A seal that does not cover
    the URL ignores `target`. `id_at` are the names of the members that lead to the payload's
    messageId, which must be the one that is sealed.
    """

    @property
    def name(self) -> str: ...
    @property
    def content_type(self) -> str: ...
    @property
    def headers(self) -> frozenset[str]: ...

    def choose(self, key: SigningKey, algorithm: str | None = None) -> str: ...

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
    ) -> Sealed: ...

    def peek(self, sealed: Sealed) -> Heading: ...

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
    ) -> Opened: ...


def header_of(sealed: Sealed, name: str) -> str:
    """The one value of a header. SealError where it is missing, or there twice."""
    values = [value for one, value in sealed.headers.items() if one.lower() == name.lower()]
    if len(values) != 1:
        raise SealError(f"The header {name} is {'there twice' if values else 'missing'}.")
    return values[0]


def is_fresh(signed_at: datetime, now: datetime) -> bool:
    """Whether bytes sealed at `signed_at` may still be sent as they are."""
    return abs(now - signed_at) < FRESH_FOR
