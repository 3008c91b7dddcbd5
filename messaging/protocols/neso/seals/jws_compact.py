"""The `jws-compact` seal: the body is a JWS in compact serialization (RFC 7515, 7.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from messaging.protocols.neso.seals.base import (
    MESSAGE_ID,
    MOST_BODY,
    Heading,
    Opened,
    Sealed,
    SealError,
    SigningKey,
    Target,
    Trusted,
)
from messaging.protocols.neso.seals.jose import MOST_SIGNATURE, sign_compact, verify_compact
from messaging.protocols.neso.seals.jws_header import (
    TYPE,
    choose,
    decode_base64url,
    read_header,
    write_header,
)
from messaging.protocols.neso.seals.keys import signing_key
from messaging.protocols.neso.seals.verifying import check_heading, check_reference, find_signer


class JwsCompactSeal:
    """It covers the payload and the protected header, not the URL."""

    name = "jws-compact"
    content_type = "application/jose"
    headers: frozenset[str] = frozenset()

    def choose(self, key: SigningKey, algorithm: str | None = None) -> str:
        return choose(key, algorithm)

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
        chosen = self.choose(key, algorithm)
        heading = Heading(chosen, key.thumbprint, TYPE, now, reference, issuer, audience)
        token = sign_compact(write_header(heading), payload, signing_key(key))
        return Sealed(token.encode("ascii"), self.content_type)

    def peek(self, sealed: Sealed) -> Heading:
        return read_header(_token(sealed).header)

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
        token = _token(sealed)
        heading = read_header(token.header)
        check_heading(heading, audience=audience, issuer=issuer, algorithms=algorithms, now=now)
        signer, key = find_signer(heading, trusted, now)
        payload = decode_base64url(token.payload, "payload")
        verify_compact(token.text, heading.algorithm, key)
        check_reference(heading, payload, id_at)
        return Opened(payload, heading, signer)


@dataclass(frozen=True, slots=True)
class _Token:
    """The body, and two of its three segments; the third is canonical base64url."""

    text: str
    header: str
    payload: str


def _token(sealed: Sealed) -> _Token:
    if len(sealed.body) > MOST_BODY:
        raise SealError("The body is too long.")
    try:
        text = sealed.body.decode("ascii")
        header, payload, signature = text.split(".", 3)
    except ValueError:
        raise SealError("The body is not a JWS of three segments.") from None
    if len(signature) > MOST_SIGNATURE:
        raise SealError("The signature is too long.")
    decode_base64url(signature, "signature")
    return _Token(text, header, payload)
