"""The `jws-detached` seal: the body is the payload, and a header carries the JWS without it (RFC
7515, appendix F), signed over the payload as it is (RFC 7797).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

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
    header_of,
)
from messaging.protocols.neso.seals.jose import (
    MOST_HEADER,
    MOST_SIGNATURE,
    sign_detached,
    verify_compact,
)
from messaging.protocols.neso.seals.jws_header import (
    TYPE,
    UNENCODED,
    choose,
    decode_base64url,
    read_header,
    write_header,
)
from messaging.protocols.neso.seals.keys import signing_key
from messaging.protocols.neso.seals.verifying import check_heading, check_reference, find_signer

SIGNATURE: Final = "X-JWS-Signature"
_MOST_TOKEN: Final = MOST_HEADER + MOST_SIGNATURE + 2


class JwsDetachedSeal:
    """It covers the payload and the protected header, not the URL. A payload that is closed is
    UTF-8.
    """

    name = "jws-detached"
    content_type = "application/json"
    headers = frozenset({SIGNATURE.lower()})

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
        header = {**write_header(heading), **UNENCODED}
        token = sign_detached(header, payload, signing_key(key))
        return Sealed(payload, self.content_type, {SIGNATURE: token})

    def peek(self, sealed: Sealed) -> Heading:
        return _heading(_token(sealed))

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
        heading = _heading(token)
        check_heading(heading, audience=audience, issuer=issuer, algorithms=algorithms, now=now)
        signer, key = find_signer(heading, trusted, now)
        verify_compact(token, heading.algorithm, key, detached_payload=sealed.body)
        check_reference(heading, sealed.body, id_at)
        return Opened(sealed.body, heading, signer)


def _token(sealed: Sealed) -> str:
    """The JWS, of a header and a signature with nothing between them."""
    if len(sealed.body) > MOST_BODY:
        raise SealError("The body is too long.")
    token = header_of(sealed, SIGNATURE)
    if len(token) > _MOST_TOKEN:
        raise SealError(f"The header {SIGNATURE} is too long.")
    _, between, signature = token.partition("..")
    if not between:
        raise SealError(f"The header {SIGNATURE} is not a JWS without its payload.")
    if len(signature) > MOST_SIGNATURE:
        raise SealError("The signature is too long.")
    decode_base64url(signature, "signature")
    return token


def _heading(token: str) -> Heading:
    return read_header(token.partition("..")[0], unencoded=True)
