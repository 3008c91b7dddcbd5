"""What every seal asks of a heading besides its signature: whose certificate, for whom, when, and
of which payload.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from messaging.protocols.neso.seals.base import (
    CLOCK_TOLERANCE,
    Heading,
    SealError,
    Trusted,
    TrustedKey,
)
from messaging.protocols.neso.seals.jws_header import NAME
from messaging.protocols.neso.seals.keys import (
    JoseKey,
    UnfitKey,
    allowed_names,
    fitting_algorithms,
    verifying_key,
)
from messaging.protocols.neso.strict_json import NotStrictJson, parse_object

_UNTRUSTED = "The signing certificate is not a trusted certificate of the issuer."


def check_heading(
    heading: Heading,
    *,
    audience: str,
    issuer: str | None,
    algorithms: frozenset[str],
    now: datetime,
) -> None:
    """What can be judged before the signer is known."""
    if heading.algorithm not in allowed_names(algorithms):
        raise SealError("The signature algorithm is not allowed.")
    if heading.audience != audience:
        raise SealError("The audience is not this receiver.")
    if issuer is not None and heading.issuer != issuer:
        raise SealError(_UNTRUSTED)
    if abs(now - heading.issued_at) > CLOCK_TOLERANCE:
        seconds = int(CLOCK_TOLERANCE.total_seconds())
        raise SealError(f"The time of signing is more than {seconds} seconds from now.")


def find_signer(heading: Heading, trusted: Trusted, now: datetime) -> tuple[TrustedKey, JoseKey]:
    """The trusted key that the heading names, if it is the issuer's, in force, and of a kind that
    fits the algorithm.

    An unknown certificate and one of somebody else are refused in the same words.
    """
    signer = _look_up(heading.kid, trusted)
    if (
        signer is None
        or signer.thumbprint != heading.kid
        or signer.participant_id != heading.issuer
    ):
        raise SealError(_UNTRUSTED)
    certificate = signer.certificate
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise SealError("The signing certificate is expired or not yet valid.")
    try:
        key = verifying_key(signer)
    except UnfitKey:
        raise SealError("The signing certificate's key is of no kind that may sign here.") from None
    if heading.algorithm not in fitting_algorithms(key.raw_value):
        raise SealError("The signature algorithm does not fit the signing certificate's key.")
    return signer, key


def check_reference(heading: Heading, payload: bytes, id_at: tuple[str, ...]) -> None:
    """A payload that is not strict JSON, or names no messageId, is the codec's to refuse."""
    message_id = _message_id(payload, id_at)
    if isinstance(message_id, str) and message_id != heading.jti:
        raise SealError("The jti is not the payload's messageId.")


def message_id_of(payload: bytes, id_at: tuple[str, ...]) -> str:
    """The messageId that a payload names, as a jti could carry it; empty where there is none."""
    message_id = _message_id(payload, id_at)
    return message_id if isinstance(message_id, str) and NAME.fullmatch(message_id) else ""


def _message_id(payload: bytes, id_at: tuple[str, ...]) -> object:
    try:
        found: object = parse_object(payload)
    except NotStrictJson:
        return None
    for name in id_at:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _look_up(thumbprint: str, trusted: Trusted) -> TrustedKey | None:
    if isinstance(trusted, Iterable):
        return next((one for one in trusted if one.thumbprint == thumbprint), None)
    return trusted(thumbprint)
