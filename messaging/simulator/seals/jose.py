"""The protected header that all JWS seals share, written and strictly read; how a JWS travels is in
the seals' own modules."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence

from messaging.simulator.certificates import Signer, Verifier
from messaging.simulator.seals.base import Claims, SealBroken
from messaging.simulator.strict_json import NotStrictJson, parse_object, write

_BASE64URL = re.compile(rb"[A-Za-z0-9_-]*", re.ASCII)
_TYPE = "wa+json"


def read_base64url(value: object, name: str) -> bytes:
    """Unpadded and canonical only: two spellings of one signature would be two messages."""
    if not isinstance(value, str) or not value.isascii():
        raise SealBroken(f"{name} is not base64url text")
    data = value.encode("ascii")
    decoded = base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4)) if _fits(data) else None
    if decoded is None or base64.urlsafe_b64encode(decoded).rstrip(b"=") != data:
        raise SealBroken(f"{name} is not canonical base64url without padding")
    return decoded


def _fits(data: bytes) -> bool:
    return len(data) % 4 != 1 and _BASE64URL.fullmatch(data) is not None


def write_header(claims: Claims, signer: Signer, extra: Mapping[str, object] | None = None) -> str:
    header = {
        "alg": signer.algorithm,
        "kid": signer.thumbprint,
        "x5t#S256": signer.thumbprint,
        "typ": _TYPE,
        "iat": int(claims.signed_at),
        "jti": claims.message_id,
        "iss": claims.issuer,
        "aud": claims.audience,
        **(extra or {}),
    }
    return write(header).decode("ascii")


def read_header(data: bytes) -> dict[str, object]:
    try:
        return parse_object(data)
    except NotStrictJson as error:
        raise SealBroken(f"protected header: {error}") from None


def find_verifier(
    header: Mapping[str, object],
    trusted: Mapping[str, Verifier],
    algorithms: Sequence[str],
    extra: Mapping[str, object] | None = None,
) -> Verifier:
    """The trusted certificate the header names, if the algorithm is one it and the setting
    allow. `extra` is what must be said of `crit` and `b64`."""
    told = {name: header[name] for name in ("crit", "b64") if name in header}
    if told != (extra or {}) and (extra or told != {"b64": True}):
        raise SealBroken("crit or b64 names an extension this seal does not know")
    if header.get("typ") != _TYPE:
        raise SealBroken(f"typ is not {_TYPE}")
    named = header.get("x5t#S256")
    if header.get("kid") != named:
        raise SealBroken("kid and x5t#S256 differ")
    verifier = trusted.get(named) if isinstance(named, str) else None
    if verifier is None:
        raise SealBroken("x5t#S256 is not a trusted certificate of the sender")
    algorithm = header.get("alg")
    if algorithm not in algorithms or algorithm not in verifier.algorithms:
        raise SealBroken("alg is not allowed for this sender and certificate")
    return verifier


def read_claims(header: Mapping[str, object]) -> Claims:
    return Claims(
        issuer=_text(header, "iss"),
        audience=_text(header, "aud"),
        signed_at=_seconds(header),
        message_id=_text(header, "jti"),
    )


def _text(header: Mapping[str, object], name: str) -> str:
    value = header.get(name)
    if not isinstance(value, str):
        raise SealBroken(f"{name} is missing or not a string")
    return value


def _seconds(header: Mapping[str, object]) -> int:
    value = header.get("iat")
    if type(value) is not int or abs(value) > 1 << 40:
        raise SealBroken("iat is missing or not whole seconds")
    return value
