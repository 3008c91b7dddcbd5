"""Remembers what each message was answered, so that a repeat gets the same answer payload; bounded,
oldest forgotten first."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

_MOST_ENTRIES = 50_000
_MOST_BYTES = 256 * 1024 * 1024


class Conflict(Exception):
    """The messageId was seen with other payload bytes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer before it is sealed. `remembered` is False for one that a repeat must not get."""

    status: int
    payload: bytes
    message_id: str
    retry_after: int | None = None
    remembered: bool = True


@dataclass(slots=True)
class Slot:
    key: tuple[str, str]
    digest: bytes
    done: asyncio.Event = field(default_factory=asyncio.Event)
    answer: Answer | None = None


class ReplayMemory:
    """A repeat that comes while the first is still being answered waits for that answer."""

    def __init__(self, most_entries: int = _MOST_ENTRIES, most_bytes: int = _MOST_BYTES) -> None:
        self._slots: OrderedDict[tuple[str, str], Slot] = OrderedDict()
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._bytes = 0

    async def claim(
        self, participant_id: str, message_id: str, payload: bytes
    ) -> tuple[Slot, Answer | None]:
        """A new slot to settle or drop, or the answer there is. Raises Conflict."""
        key, digest = (participant_id, message_id), hashlib.sha256(payload).digest()
        while (slot := self._slots.get(key)) is not None:
            if slot.digest != digest:
                raise Conflict
            await slot.done.wait()
            if slot.answer is not None:
                return slot, slot.answer
        slot = self._slots[key] = Slot(key, digest)
        return slot, None

    def settle(self, slot: Slot, answer: Answer) -> None:
        if not answer.remembered:
            self.drop(slot)
            return
        slot.answer = answer
        slot.done.set()
        self._bytes += len(answer.payload)
        self._trim()

    def drop(self, slot: Slot) -> None:
        """Forgets an unsettled slot, so that the same payload later is new."""
        if slot.answer is None:
            if self._slots.get(slot.key) is slot:
                del self._slots[slot.key]
            slot.done.set()

    def _trim(self) -> None:
        while len(self._slots) > self._most_entries or self._bytes > self._most_bytes:
            key, slot = next(iter(self._slots.items()))
            if slot.answer is None:
                return
            self._bytes -= len(slot.answer.payload)
            del self._slots[key]
