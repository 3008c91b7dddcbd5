"""Authenticated encryption as the vault and the key providers use it: AES-256-GCM under a random
nonce.

A sealed value is one version byte, a 12-byte nonce, and the ciphertext with its tag.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"
NONCE_BYTES = 12
KEY_BYTES = 32


class VaultError(Exception):
    """A sealed value does not open: another key, another row, or changed bytes. Says nothing of the
    value.
    """


def new_key() -> bytes:
    return AESGCM.generate_key(KEY_BYTES * 8)


def encrypt(key: bytes, clear: bytes, bound: bytes) -> bytes:
    """`bound` is needed again to open it, and is not stored with it."""
    nonce = os.urandom(NONCE_BYTES)
    return VERSION + nonce + AESGCM(key).encrypt(nonce, clear, bound)


def decrypt(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    """Raises VaultError."""
    if sealed[:1] != VERSION:
        raise VaultError("unknown version of a sealed value")
    nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, bound)
    except (InvalidTag, ValueError):
        raise VaultError("a sealed value does not open") from None
