"""The seals there are, by name and by what announces them: one module and one line add another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from messaging.protocols.neso.seals.base import (
    Heading,
    KeyDoesNotFit,
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
from messaging.protocols.neso.seals.content_hash import ContentHashSeal
from messaging.protocols.neso.seals.jws_compact import JwsCompactSeal
from messaging.protocols.neso.seals.jws_detached import JwsDetachedSeal
from messaging.protocols.neso.seals.jws_json import JwsJsonSeal
from messaging.protocols.neso.seals.keys import ALGORITHMS, fitting_algorithms, thumbprint_of

__all__ = [
    "ALGORITHMS",
    "SEALS",
    "Heading",
    "KeyDoesNotFit",
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

_ALL: Final[tuple[Seal, ...]] = (
    JwsJsonSeal(),
    JwsCompactSeal(),
    JwsDetachedSeal(),
    ContentHashSeal(),
)

SEALS: Final[Mapping[str, Seal]] = {seal.name: seal for seal in _ALL}


class UnknownSeal(Exception):
    """No seal of that name is built in."""


def get_seal(name: str) -> Seal:
    try:
        return SEALS[name]
    except KeyError:
        raise UnknownSeal(name) from None


def find_seal_of(content_type: str, headers: Mapping[str, str]) -> Seal | None:
    """The one seal that a Content-Type, whatever its parameters, and the headers announce; None
    where they announce none, or more than one.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    names = {name.lower() for name in headers}
    found = [
        seal
        for seal in _ALL
        if seal.content_type == media_type and (not seal.headers or seal.headers & names)
    ]
    return found[0] if len(found) == 1 else None
