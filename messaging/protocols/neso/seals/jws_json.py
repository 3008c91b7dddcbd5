"""The `jws-json` seal: the body is a JWS in flattened JSON serialization (RFC 7515, 7.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
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
from messaging.protocols.neso.seals.jose import MOST_SIGNATURE, sign_flattened, verify_flattened
from messaging.protocols.neso.seals.jws_header import (
    TYPE,
    choose,
    decode_base64url,
    read_header,
    write_header,
)
from messaging.protocols.neso.seals.keys import signing_key
from messaging.protocols.neso.seals.verifying import check_heading, check_reference, find_signer
from messaging.protocols.neso.strict_json import NotStrictJson, parse_object, write


class JwsJsonSeal:
    """It covers the payload and the protected header, not the URL. No unprotected header, one
    signature.
    """

    name = "jws-json"
    content_type = "application/jose+json"
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
        signed = sign_flattened(write_header(heading), payload, signing_key(key))
        return Sealed(write(signed), self.content_type)

    def peek(self, sealed: Sealed) -> Heading:
        return read_header(_members(sealed)["protected"])

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
        members = _members(sealed)
        heading = read_header(members["protected"])
        check_heading(heading, audience=audience, issuer=issuer, algorithms=algorithms, now=now)
        signer, key = find_signer(heading, trusted, now)
        payload = decode_base64url(members["payload"], "payload")
        verify_flattened(members, heading.algorithm, key)
        check_reference(heading, payload, id_at)
        return Opened(payload, heading, signer)


def _members(sealed: Sealed) -> dict[str, str]:
    """The three members of the JWS; others, which RFC 7515 has ignored, are left out."""
    if len(sealed.body) > MOST_BODY:
        raise SealError("The body is too long.")
    try:
        body = parse_object(sealed.body)
    except NotStrictJson as error:
        raise SealError(f"The body is not a JWS in JSON: {error}.") from None
    for name in ("header", "signatures"):
        if name in body:
            raise SealError(f"The JWS has {name}, which this seal does not allow.")
    members = {name: _text(body, name) for name in ("payload", "protected", "signature")}
    if len(members["signature"]) > MOST_SIGNATURE:
        raise SealError("The signature is too long.")
    decode_base64url(members["signature"], "signature")
    return members


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise SealError(f"The JWS has no {name}, or not as a string.")
    return value
