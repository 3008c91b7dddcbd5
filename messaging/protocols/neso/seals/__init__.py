"""The seals there are, by name and by content type: one module and one line here add another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from messaging.protocols.neso.seals.base import (
    Heading,
    Opened,
    Seal,
    Sealed,
    SealError,
    SigningKey,
    Target,
    TrustedKey,
    TrustLookup,
    is_fresh,
)
from messaging.protocols.neso.seals.jws_json import JwsJsonSeal
from messaging.protocols.neso.seals.keys import ALGORITHMS, fitting_algorithms, thumbprint_of

__all__ = [
    "ALGORITHMS",
    "SEALS",
    "Heading",
    "Opened",
    "Seal",
    "SealError",
    "Sealed",
    "SigningKey",
    "Target",
    "TrustLookup",
    "TrustedKey",
    "UnknownSeal",
    "find_seal_of",
    "fitting_algorithms",
    "get_seal",
    "is_fresh",
    "thumbprint_of",
]

_ALL: Final[tuple[Seal, ...]] = (JwsJsonSeal(),)

SEALS: Final[Mapping[str, Seal]] = {seal.name: seal for seal in _ALL}
_BY_CONTENT_TYPE: Final[Mapping[str, Seal]] = {seal.content_type: seal for seal in _ALL}


class UnknownSeal(Exception):
    """No seal of that name is built in."""


def get_seal(name: str) -> Seal:
    try:
        return SEALS[name]
    except KeyError:
        raise UnknownSeal(name) from None


def find_seal_of(content_type: str) -> Seal | None:
    """The seal that a Content-Type header announces; its parameters do not matter."""
    return _BY_CONTENT_TYPE.get(content_type.partition(";")[0].strip().lower())
