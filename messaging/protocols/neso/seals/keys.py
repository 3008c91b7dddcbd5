"""Which algorithms fit a key, and keys as the JOSE library takes them, each made once; nothing here
signs.
"""

from __future__ import annotations

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final, Generic, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc.jwk import ECKey, OKPKey, RSAKey

from messaging.protocols.neso.seals.base import KeyDoesNotFit, SigningKey, TrustedKey

JoseKey = ECKey | OKPKey | RSAKey

ALGORITHMS: Final = frozenset({"RS256", "PS256", "ES256", "EdDSA", "Ed25519"})
"""All that any endpoint may allow. `none` and the HMAC family are not among them, and never will
be.
"""

_SAME: Final = frozenset({"EdDSA", "Ed25519"})
"""Two names of one algorithm: RFC 8037 and RFC 9864."""

_LEAST_RSA_BITS: Final = 2048
_MOST_KEYS: Final = 4096

Held = TypeVar("Held")


class UnfitKey(ValueError):
    """A key that no allowed algorithm takes, or that does not belong to its thumbprint."""


class _Kept(Generic[Held]):
    """The values last used, by thumbprint; safe between threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[str, Held] = OrderedDict()
        self._lock = Lock()

    def get(self, thumbprint: str, make: Callable[[], Held]) -> Held:
        with self._lock:
            if thumbprint in self._values:
                self._values.move_to_end(thumbprint)
                return self._values[thumbprint]
        made = make()
        self.put(thumbprint, made)
        return made

    def put(self, thumbprint: str, value: Held) -> None:
        with self._lock:
            self._values[thumbprint] = value
            self._values.move_to_end(thumbprint)
            while len(self._values) > self._most:
                self._values.popitem(last=False)


_public_keys: _Kept[JoseKey] = _Kept(_MOST_KEYS)
_private_keys: _Kept[JoseKey] = _Kept(_MOST_KEYS)


def thumbprint_of(certificate: x509.Certificate) -> str:
    """The base64url SHA-256 of a certificate's DER."""
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def fitting_algorithms(key: object) -> tuple[str, ...]:
    """The algorithms that a public or private key can be used with, its default first; none for an
    unfit key.
    """
    match key:
        case EllipticCurvePublicKey() | EllipticCurvePrivateKey():
            return ("ES256",) if isinstance(key.curve, SECP256R1) else ()
        case RSAPublicKey() | RSAPrivateKey():
            return ("RS256", "PS256") if key.key_size >= _LEAST_RSA_BITS else ()
        case Ed25519PublicKey() | Ed25519PrivateKey():
            return ("EdDSA", "Ed25519")
        case _:
            return ()


def choose_algorithm(key: SigningKey, algorithm: str | None, possible: tuple[str, ...]) -> str:
    """The algorithm asked for, else the key's default, among those that a seal can use. Raises
    KeyDoesNotFit.
    """
    fitting = [name for name in fitting_algorithms(key.key) if name in possible]
    chosen = algorithm or next(iter(fitting), "")
    if chosen not in fitting:
        raise KeyDoesNotFit(f"the signing key cannot sign with {chosen or ' or '.join(possible)}")
    return chosen


def allowed_names(allowed: frozenset[str]) -> frozenset[str]:
    """An endpoint's allow-list by every name that its algorithms have; what is none of ours drops
    out.
    """
    return (allowed | _SAME if allowed & _SAME else allowed) & ALGORITHMS


def verifying_key(trusted: TrustedKey) -> JoseKey:
    """UnfitKey where the certificate's key fits no algorithm, or the thumbprint is another
    certificate's.
    """

    def make() -> JoseKey:
        if thumbprint_of(trusted.certificate) != trusted.thumbprint:
            raise UnfitKey("the thumbprint is not the certificate's")
        try:
            return _import(trusted.certificate.public_key())
        except (UnsupportedAlgorithm, ValueError) as error:
            raise UnfitKey("the certificate's key cannot be read") from error

    return _public_keys.get(trusted.thumbprint, make)


def signing_key(own: SigningKey) -> JoseKey:
    """UnfitKey where the key fits no algorithm."""
    kept = _private_keys.get(own.thumbprint, lambda: _import(own.key))
    if kept.raw_value is own.key:
        return kept
    fresh = _import(own.key)
    _private_keys.put(own.thumbprint, fresh)
    return fresh


def _import(key: object) -> JoseKey:
    if not fitting_algorithms(key):
        raise UnfitKey("a signing key is P-256, RSA of 2048 bits or more, or Ed25519")
    match key:
        case EllipticCurvePublicKey() | EllipticCurvePrivateKey():
            return ECKey.import_key(key)
        case Ed25519PublicKey() | Ed25519PrivateKey():
            return OKPKey.import_key(key)
        case RSAPublicKey() | RSAPrivateKey():
            return RSAKey.import_key(key)
        case _:
            raise UnfitKey(f"not a key: {type(key).__name__}")
