"""All the simulator sent and got, with times, newest kept, bounded in memory; nothing decides by
it."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from messaging.simulator.stamps import micros, now, write_stamp
from messaging.simulator.strict_json import show

_MOST_ENTRIES = 20_000
_MOST_BYTES = 64 * 1024 * 1024
_LARGEST_BODY = 1024 * 1024


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


class Role(StrEnum):
    REQUEST = "request"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Entry:
    """One message. Request and answer share `exchange`. `verified` is None for what we sealed
    ourselves."""

    number: int
    exchange: str
    at: datetime
    direction: Direction
    role: Role
    service: str
    participant_id: str | None
    payload: bytes
    size: int
    digest: str
    status: int | None
    verified: bool | None
    fault: str | None
    detail: str | None

    def show(self) -> dict[str, object]:
        return {
            "number": self.number,
            "exchange": self.exchange,
            "at": write_stamp(self.at),
            "atMicros": micros(self.at),
            "direction": self.direction,
            "role": self.role,
            "service": self.service,
            "participantId": self.participant_id,
            "payload": show(self.payload) if self.payload else None,
            "payloadBytes": self.size,
            "payloadSha256": self.digest,
            "status": self.status,
            "verified": self.verified,
            "fault": self.fault,
            "detail": self.detail,
        }


def open_exchange() -> str:
    return uuid.uuid4().hex


class Ledger:
    def __init__(self, most_entries: int = _MOST_ENTRIES, most_bytes: int = _MOST_BYTES) -> None:
        self._entries: deque[Entry] = deque()
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._bytes = 0
        self._counts: Counter[tuple[str, str, str, str]] = Counter()
        self.last = 0

    def record(
        self,
        exchange: str,
        direction: Direction,
        role: Role,
        service: str,
        *,
        participant_id: str | None,
        payload: bytes = b"",
        status: int | None = None,
        verified: bool | None = None,
        fault: Iterable[str] = (),
        detail: str | None = None,
        at: datetime | None = None,
    ) -> Entry:
        """A body over 1 MiB is kept as its size and digest only."""
        self.last += 1
        entry = Entry(
            number=self.last,
            exchange=exchange,
            at=at or now(),
            direction=direction,
            role=role,
            service=service,
            participant_id=participant_id,
            payload=payload if len(payload) <= _LARGEST_BODY else b"",
            size=len(payload),
            digest=hashlib.sha256(payload).hexdigest(),
            status=status,
            verified=verified,
            fault="+".join(fault) or None,
            detail=detail,
        )
        self._entries.append(entry)
        self._count(entry)
        self._bytes += len(entry.payload)
        self._trim()
        return entry

    def since(self, number: int) -> list[Entry]:
        """Entries after the given number, oldest first."""
        return [entry for entry in self._entries if entry.number > number]

    def counts(self) -> list[dict[str, object]]:
        """How many of each since the start, those included that are no longer kept."""
        names = ("service", "direction", "role", "result")
        return [
            {**dict(zip(names, key, strict=True)), "count": count}
            for key, count in sorted(self._counts.items())
        ]

    def _count(self, entry: Entry) -> None:
        """The result is an answer's status, or a request's seal."""
        if entry.role is Role.ANSWER:
            result = "none" if entry.status is None else str(entry.status)
        else:
            result = "unverified" if entry.verified is False else "request"
        self._counts[entry.service, entry.direction, entry.role, result] += 1

    def _trim(self) -> None:
        while len(self._entries) > self._most_entries or self._bytes > self._most_bytes:
            self._bytes -= len(self._entries.popleft().payload)
