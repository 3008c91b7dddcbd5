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

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey | Ed25519PrivateKey

CLOCK_TOLERANCE: Final = timedelta(seconds=300)
"""How far the time of signing may lie from the verifier's clock, either way (wire format, section
Seals).
"""

FRESH_FOR: Final = timedelta(seconds=240)
"""How long a sender repeats sealed bytes as they are; after that it seals the same payload anew."""


class SealError(Exception):
    """A seal does not hold. `reason` is one sentence for the sender; it tells of nobody but the
    sender and the receiver.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the base64url SHA-256 thumbprint of the certificate (DER) it belongs to."""

    thumbprint: str
    key: PrivateKey = field(repr=False)


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
    """A sealed payload as it travels."""

    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Heading:
    """What a seal says of itself. Only that of an `Opened` has been verified.

    `jti` is the payload's messageId, empty for a seal that does not carry it.
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
    """One way of signing. `name` is what an endpoint's setting calls it.

    `close` signs with the key's own default where `algorithm` is None and raises LocalProtocolError
    where the algorithm does not fit the key. `peek` reads who speaks to whom before anything is
    verified; `open` verifies all of it. Both raise SealError and nothing else, whatever the bytes.
    With `issuer` the signer must be that one; else whoever `trusted` says the certificate belongs
    to. `algorithms` is the receiver's allow-list. A seal that does not cover the URL ignores
    `target`.
    """

    @property
    def name(self) -> str: ...
    @property
    def content_type(self) -> str: ...

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
    ) -> Opened: ...


def is_fresh(signed_at: datetime, now: datetime) -> bool:
    """Whether bytes sealed at `signed_at` may still be sent as they are."""
    return abs(now - signed_at) < FRESH_FOR
