"""What every seal promises and the checks of section 4 that all of them share; how one kind signs
is in its own module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from messaging.simulator.certificates import Signer, Verifier

FRESH_SECONDS = 300


class SealBroken(Exception):
    """The sender, certificate or signature does not hold; the text says why, for the peer to
    read."""


@dataclass(frozen=True, slots=True)
class Wire:
    """A sealed message as it travels: what to write after the request or status line. Header names
    are in any case, and one that came twice has both values, joined by a comma."""

    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a seal over HTTP may cover besides the payload: `POST` or `ANSWER`, and the request's
    absolute URL: the one configured for the host, or the one the host was configured to call."""

    verb: str
    url: str


@dataclass(frozen=True, slots=True)
class Claims:
    """Who says it to whom and when, in seconds. `message_id` is None only for a seal that does not
    carry it."""

    issuer: str
    audience: str
    signed_at: float
    message_id: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    payload: bytes
    claims: Claims
    verifier: Verifier


class Seal(Protocol):
    """`algorithms` are those it can sign with."""

    name: str
    content_type: str
    algorithms: tuple[str, ...]

    def close(self, payload: bytes, claims: Claims, signer: Signer, exchange: Exchange) -> Wire: ...

    def open(
        self,
        wire: Wire,
        trusted: Mapping[str, Verifier],
        algorithms: Sequence[str],
        exchange: Exchange,
    ) -> Opened:
        """Checks the form and the signature and raises SealBroken; the claims are the caller's to
        judge."""
        ...


def read_header_line(wire: Wire, name: str) -> str:
    for one, value in wire.headers.items():
        if one.lower() == name.lower():
            return value
    raise SealBroken(f"the header {name} is missing")


def judge(opened: Opened, issuer: str, audience: str, at: datetime) -> None:
    """Raises SealBroken unless a good signature is also the right party's, for us, and fresh."""
    claims = opened.claims
    if claims.issuer != issuer:
        raise SealBroken("iss is not the party this connection belongs to")
    if claims.audience != audience:
        raise SealBroken("aud is not this receiver")
    if not opened.verifier.is_valid_at(at):
        raise SealBroken("the signing certificate is expired or not yet valid")
    age = at.astimezone(UTC).timestamp() - claims.signed_at
    if abs(age) > FRESH_SECONDS:
        raise SealBroken(f"the time of signing is more than {FRESH_SECONDS} s from now")
