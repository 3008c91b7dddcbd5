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

from messaging.protocols.neso.seals.base import Heading, SealError
from messaging.protocols.neso.seals.jose import MOST_HEADER
from messaging.protocols.neso.strict_json import NotStrictJson, parse_object

TYPE: Final = "wa+json"

_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")
_LATEST: Final = 253402300799
"""The last second of the year 9999."""


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


def read_header(segment: str) -> Heading:
    """SealError for a header that is not whole, says a thing twice, or wants something that is not
    understood.

    Members that are not understood and not critical are ignored, as RFC 7515, 4 asks.
    """
    if len(segment) > MOST_HEADER:
        raise SealError("The protected header is too long.")
    try:
        header = parse_object(decode_base64url(segment, "protected header"))
    except NotStrictJson as error:
        raise SealError(f"The protected header does not hold: {error}.") from None
    if "crit" in header:
        raise SealError("The protected header's crit names an extension that is not understood.")
    if header.get("b64", True) is not True:
        raise SealError("The protected header's b64 does not belong to this seal.")
    if header.get("typ") != TYPE:
        raise SealError(f"The protected header's typ is not {TYPE}.")
    return Heading(
        algorithm=_text(header, "alg", _NAME),
        kid=_kid(header),
        typ=TYPE,
        issued_at=_issued_at(header),
        jti=_text(header, "jti", _NAME),
        issuer=_text(header, "iss", _NAME),
        audience=_text(header, "aud", _NAME),
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
