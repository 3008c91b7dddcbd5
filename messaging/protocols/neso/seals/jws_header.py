"""The protected header that the JWS seals share, written and strictly read; how a JWS travels is in
the seals' own modules.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from messaging.protocols.neso.seals.base import Heading, SealError, SigningKey
from messaging.protocols.neso.seals.jose import MOST_HEADER
from messaging.protocols.neso.seals.keys import ALGORITHMS, choose_algorithm
from messaging.protocols.neso.strict_json import NotStrictJson, parse_object

TYPE: Final = "wa+json"

UNENCODED: Final[Mapping[str, object]] = {"b64": False, "crit": ["b64"]}
"""What a header says over a payload that is signed as it is (RFC 7797, 3 and 6)."""

_ALL: Final = tuple(sorted(ALGORITHMS))
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
NAME: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")
_LATEST: Final = 253402300799
"""The last second of the year 9999."""


def choose(key: SigningKey, algorithm: str | None) -> str:
    """The algorithm that a JWS seal signs with by a key. Raises KeyDoesNotFit."""
    return choose_algorithm(key, algorithm, _ALL)


def write_header(heading: Heading) -> dict[str, object]:
    return {
        "alg": heading.algorithm,
        "kid": heading.kid,
        "x5t#S256": heading.kid,
        "typ": heading.typ,
        "iat": int(heading.issued_at.timestamp()),
        "jti": heading.jti,
        "iss": heading.issuer,
        "aud": heading.audience,
    }


def read_header(segment: str, *, unencoded: bool = False) -> Heading:
    """SealError for a header that is not whole, says a thing twice, or wants something that is not
    understood.

    With `unencoded` it must say what UNENCODED says; without, none of that. Members that are not
    understood and not critical are ignored, as RFC 7515, 4 asks.
    """
    if len(segment) > MOST_HEADER:
        raise SealError("The protected header is too long.")
    try:
        header = parse_object(decode_base64url(segment, "protected header"))
    except NotStrictJson as error:
        raise SealError(f"The protected header does not hold: {error}.") from None
    _check_extensions(header, unencoded)
    if header.get("typ") != TYPE:
        raise SealError(f"The protected header's typ is not {TYPE}.")
    return Heading(
        algorithm=_text(header, "alg", NAME),
        kid=_kid(header),
        typ=TYPE,
        issued_at=_issued_at(header),
        jti=_text(header, "jti", NAME),
        issuer=_text(header, "iss", NAME),
        audience=_text(header, "aud", NAME),
    )


def decode_base64url(text: str, name: str) -> bytes:
    """Canonical and unpadded only: two spellings of one signature would be two messages."""
    try:
        data = text.encode("ascii")
        decoded = base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4))
    except (UnicodeEncodeError, binascii.Error):
        raise SealError(f"The {name} is not base64url.") from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != data:
        raise SealError(f"The {name} is not canonical base64url without padding.")
    return decoded


def _check_extensions(header: Mapping[str, object], unencoded: bool) -> None:
    understood = header.get("crit") == UNENCODED["crit"] if unencoded else "crit" not in header
    if not understood:
        raise SealError("The protected header's crit is not what this seal understands.")
    if header.get("b64", True) is not (not unencoded):
        raise SealError("The protected header's b64 does not belong to this seal.")


def _kid(header: Mapping[str, object]) -> str:
    kid = _text(header, "kid", _THUMBPRINT)
    if header.get("x5t#S256") != kid:
        raise SealError("The protected header's kid and x5t#S256 differ.")
    return kid


def _text(header: Mapping[str, object], name: str, pattern: re.Pattern[str]) -> str:
    value = header.get(name)
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise SealError(f"The protected header's {name} is missing or not what it must be.")
    return value


def _issued_at(header: Mapping[str, object]) -> datetime:
    value = header.get("iat")
    if type(value) is not int or not 0 <= value <= _LATEST:
        raise SealError("The protected header's iat is missing or not whole seconds.")
    return datetime.fromtimestamp(value, UTC)
