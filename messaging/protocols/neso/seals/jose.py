"""Signatures by the JOSE library, held to our algorithms and bounds; what a protected header must
say is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final, cast

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jws import FlattenedJSONSerialization, JWSRegistry

from messaging.protocols.base import LocalProtocolError
from messaging.protocols.neso.seals.base import SealError
from messaging.protocols.neso.seals.keys import ALGORITHMS, JoseKey

MOST_HEADER: Final = 4096
"""Characters of a protected header, encoded."""

MOST_SIGNATURE: Final = 2048
"""Characters of a signature, encoded: RSA of up to 12,288 bits."""

_MOST_PAYLOAD: Final = 1 << 30


class SealRegistry(JWSRegistry):
    """The library's rules, with our bounds in place of its own, and one algorithm."""

    max_header_length = MOST_HEADER
    max_signature_length = MOST_SIGNATURE
    max_payload_length = _MOST_PAYLOAD

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithms=[algorithm], strict_check_header=False)

    def get_alg(self, name: str) -> JWSAlgModel:
        """Without the library's warning that EdDSA is an old name: the wire format asks for it."""
        if name not in ALGORITHMS or name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
        return self.algorithms[name]


@cache
def _registry(algorithm: str) -> SealRegistry:
    return SealRegistry(algorithm)


def sign_flattened(header: dict[str, object], payload: bytes, key: JoseKey) -> dict[str, object]:
    """The three members of a JWS in flattened JSON serialization."""
    registry = _registry(str(header["alg"]))
    try:
        signed = jws.serialize_json({"protected": header}, payload, key, registry=registry)
    except JoseError as error:
        raise LocalProtocolError(f"the payload cannot be sealed: {error}") from error
    return dict(signed)


def sign_compact(header: dict[str, object], payload: bytes, key: JoseKey) -> str:
    """A JWS in compact serialization."""
    registry = _registry(str(header["alg"]))
    try:
        return jws.serialize_compact(header, payload, key, registry=registry)
    except (JoseError, UnicodeDecodeError) as error:
        raise LocalProtocolError(f"the payload cannot be sealed: {error}") from error


def sign_detached(header: dict[str, object], payload: bytes, key: JoseKey) -> str:
    """A JWS in compact serialization without its payload, which is UTF-8 (RFC 7515, appendix F)."""
    return jws.detach_content(sign_compact(header, payload, key))


def verify_flattened(members: Mapping[str, str], algorithm: str, key: JoseKey) -> None:
    """SealError unless the signature holds under `algorithm`, whatever the header names."""
    value = cast(FlattenedJSONSerialization, dict(members))
    try:
        jws.deserialize_json(value, key, registry=_registry(algorithm))
    except (JoseError, ValueError):
        raise SealError("The signature does not hold.") from None


def verify_compact(
    token: str, algorithm: str, key: JoseKey, detached_payload: bytes | None = None
) -> None:
    """SealError unless the signature holds under `algorithm`, whatever the header names."""
    registry = _registry(algorithm)
    try:
        jws.deserialize_compact(token, key, registry=registry, payload=detached_payload)
    except (JoseError, ValueError):
        raise SealError("The signature does not hold.") from None
