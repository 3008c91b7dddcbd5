"""What processes tell a gateway over Redis of a control point's link: that something waits, that
another link holds it now, or the very bytes of a message that is numbered and committed.

Redis is a messenger and is not trusted: a word with bytes carries a code that only the host's own
processes can make, and counts for one control point, epoch, number and deadline.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID

from django.conf import settings

from messaging.relay.rows import Numbered

CHANNEL = "hostsvc:link:"
"""Followed by the control point's endpoint id."""

_CODE_BYTES = 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class SomethingWaits:
    """For the link, in the database."""


@dataclass(frozen=True, slots=True)
class HeldAt:
    """A link got ready in this epoch."""

    epoch: int


Word = SomethingWaits | HeldAt | Numbered


def channel_of(endpoint_id: UUID) -> str:
    return f"{CHANNEL}{endpoint_id}"


def find_endpoint(channel: bytes) -> UUID | None:
    """The endpoint that a channel is of."""
    try:
        return UUID(channel.decode().removeprefix(CHANNEL))
    except ValueError:
        return None


def write(endpoint_id: UUID, word: Word) -> bytes:
    match word:
        case SomethingWaits():
            return b"due"
        case HeldAt():
            return b"held %d" % word.epoch
        case Numbered():
            told = _told(word)
            return b"give " + _code(endpoint_id, told) + told


def read(endpoint_id: UUID, content: bytes) -> Word | None:
    """None for what no process of the host's can have said."""
    kind, _, rest = content.partition(b" ")
    match kind:
        case b"due":
            return SomethingWaits()
        case b"held" if rest.isdigit():
            return HeldAt(int(rest))
        case b"give":
            return _read_numbered(endpoint_id, rest)
        case _:
            return None


def _read_numbered(endpoint_id: UUID, rest: bytes) -> Numbered | None:
    code, told = rest[:_CODE_BYTES], rest[_CODE_BYTES:]
    epoch, _, after = told.partition(b" ")
    number, _, after = after.partition(b" ")
    deadline, _, content = after.partition(b" ")
    # A process of another release may leave one out.
    if not (epoch.isdigit() and number.isdigit() and deadline.isdigit()):
        return None
    if not hmac.compare_digest(code, _code(endpoint_id, told)):
        return None
    at = _EPOCH + int(deadline) * _MICROSECOND
    return Numbered(int(epoch), int(number), content, at)


def _told(word: Numbered) -> bytes:
    at = (word.deadline - _EPOCH) // _MICROSECOND
    return b"%d %d %d %b" % (word.epoch, word.number, at, word.content)


def _code(endpoint_id: UUID, told: bytes) -> bytes:
    return hmac.digest(_key(settings.SECRET_KEY), endpoint_id.bytes + told, "sha256")


@lru_cache(maxsize=2)
def _key(secret: str) -> bytes:
    return hashlib.sha256(b"hostsvc words" + secret.encode()).digest()
