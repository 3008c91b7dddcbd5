"""How many connections a gateway bears that have not said a HELLO that was taken: in all, of each
caller, and of strangers. For the event loop's thread alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from messaging.gateway.identity import Caller

UNKNOWN_LIMIT = 2_000
"""Connections that have not yet said a HELLO that was taken; more are closed as they come."""

UNKNOWN_LIMIT_EACH = 20
"""The same, of one certificate: nobody's connections may keep others from theirs."""

PLAIN_LIMIT_EACH = 200
"""The same, of one address without TLS: a tunnel's end may stand for many control points."""

STRANGERS_LIMIT = 200
"""The same, of certificates that are nobody's, revoked or out of their time, and of addresses from
which nobody may connect: strangers keep each other out, and no control point.
"""


class Room:
    def __init__(self) -> None:
        self._greeting: Counter[bytes] = Counter()
        self._strangers = 0

    def refusal_of(self, caller: Caller) -> str | None:
        """Why there is no room. Told before anything is looked up, so that a flood costs the
        database nothing.
        """
        if self._greeting.total() >= UNKNOWN_LIMIT:
            return "too many connections without HELLO"
        if caller.is_plain and self._greeting[caller.key] >= PLAIN_LIMIT_EACH:
            return "too many connections without HELLO from one address"
        if not caller.is_plain and self._greeting[caller.key] >= UNKNOWN_LIMIT_EACH:
            return "too many connections without HELLO under one certificate"
        return None

    def enter(self, caller: Caller) -> None:
        """`leave` must follow, once."""
        self._greeting[caller.key] += 1

    def leave(self, caller: Caller) -> None:
        """It has got ready, or has gone."""
        self._greeting[caller.key] -= 1
        if not self._greeting[caller.key]:
            del self._greeting[caller.key]

    @property
    def bears_strangers(self) -> bool:
        return self._strangers < STRANGERS_LIMIT

    @contextmanager
    def stranger(self, is_one: bool) -> Iterator[None]:
        """Counts one of them for as long as the block lasts."""
        self._strangers += is_one
        try:
            yield
        finally:
            self._strangers -= is_one
