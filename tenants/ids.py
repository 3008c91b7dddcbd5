"""Time-ordered identifiers, so that indexes grow at one end and ids sort as things happened."""

from __future__ import annotations

import hashlib
from uuid import UUID

from uuid_utils.compat import uuid7

HOUSE = UUID(int=0)
"""Stands where a tenant stands for what can't be attributed to one: it has a chain, and no row of
its own.
"""


def new_id() -> UUID:
    """A UUID of version 7."""
    return uuid7()


def digest_of(content: bytes) -> bytes:
    """SHA-256: what entries and messages name bytes by."""
    return hashlib.sha256(content).digest()
