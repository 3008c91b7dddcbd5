"""What any transport reports: an answer, or one of three ways there was none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


class TransportError(Exception):
    """The bytes did not get through, or nobody knows."""


class Unreachable(TransportError):
    """No byte of the message left: trying again can't be a repeat."""


class Refused(TransportError):
    """The peer refused the connection itself (its certificate, or ours)."""


class Unanswered(TransportError):
    """Bytes left and no whole answer came: the peer may or may not have taken them."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer. `at` is when its last byte was read; `retry_after` is in seconds, where it
    was said.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    at: datetime
    retry_after: float | None

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").split(";")[0].strip().lower()
