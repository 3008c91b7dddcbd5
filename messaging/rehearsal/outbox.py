"""What a control point has yet to send or to hear an answer to, in order, over one link after
another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from messaging.domain.redeclarations import LevelRedeclaration
from messaging.domain.units import RefusalCode
from messaging.protocols.base import Parcel
from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edl.events import Refused
from messaging.protocols.edl.head import restamp
from messaging.protocols.edl.numbers import Waiting, plan_start
from messaging.protocols.edl.profile import Role
from messaging.protocols.edl.session import Session
from messaging.rehearsal.logbook import Logbook


@dataclass(frozen=True, slots=True)
class Answer:
    """What the host said to a message of ours: `code` is OK, or why it was refused."""

    code: str
    text: str

    @property
    def is_ack(self) -> bool:
        return self.code == RefusalCode.OK


class Lapsed(Exception):
    """A series of levels ran out before it could be sent under any number."""


@dataclass(eq=False, slots=True)
class Entry:
    """A message of ours without an answer; `number` is None until it is first sent."""

    id: int
    content: bytes
    number: int | None = None
    numbered: asyncio.Future[int] = field(default_factory=asyncio.Future)
    answered: asyncio.Future[Answer] = field(default_factory=asyncio.Future)


class Outbox:
    """Gives numbers, sends as far as the window allows, and goes back where the host asks it to.

    Between links nothing is sent; each link begins with `start`.
    """

    def __init__(self, codec: EdlCodec, logbook: Logbook, clock: Callable[[], datetime]) -> None:
        self._codec = codec
        self._logbook = logbook
        self._clock = clock
        self._open = {
            sent.id: Entry(sent.id, sent.content, sent.number) for sent in logbook.open_messages()
        }
        self._by_number = {e.number: e for e in self._open.values() if e.number is not None}
        self._queue: deque[tuple[Entry, bool]] = deque()
        self._next = 1
        self._moved: dict[int, int] = {}
        self._gone_back: list[Entry] = []
        self._back_to: int | None = None

    def add(self, id: int, content: bytes) -> Entry:
        """A message that the logbook keeps under `id`; it goes out in its turn."""
        entry = self._open[id] = Entry(id, content)
        self._queue.append((entry, False))
        return entry

    def close(self) -> None:
        """Nobody will hear of what is still open."""
        for entry in self._open.values():
            entry.numbered.cancel()
            entry.answered.cancel()

    def find(self, number: int) -> Entry | None:
        """The message last sent under a number, while it has no answer."""
        return self._by_number.get(number)

    def current(self, number: int) -> int:
        """The number that a message, once sent under `number`, was last sent under."""
        while number in self._moved:
            number = self._moved[number]
        return number

    def start(self, their_last_taken: int, session: Session) -> None:
        """Lines up what this link must carry, by the last number the host took."""
        now = self._clock()
        sent = [e for e in self._open.values() if e.number is not None]
        waiting = {Waiting(e.number or 0, e.content, self._is_expired(e, now)): e for e in sent}
        modulus = session.profile.limits.number_modulus
        plan = plan_start(Role.CONTROL_POINT, waiting, their_last_taken, 0, modulus)
        unsent = [e for e in self._open.values() if e.number is None]
        lapsed = [waiting[one] for one in plan.dropped]
        lapsed += [entry for entry in unsent if self._is_expired(entry, now)]
        for entry in lapsed:
            text = session.profile.refusals[RefusalCode.EXPIRED].text
            self._settle(entry, Answer(RefusalCode.EXPIRED, text))
        self._queue = deque((waiting[one], True) for one in plan.repeat)
        self._queue += ((waiting[one], False) for _, one in plan.renumber)
        self._queue += ((entry, False) for entry in unsent if entry.id in self._open)
        self._next = plan.renumber[0][0] if plan.renumber else plan.next_number
        self._gone_back, self._back_to = [], None

    def send(self, session: Session) -> Iterator[bytes]:
        """What may leave now; each is in the logbook under its number before it is given out."""
        if self._back_to is not None:
            if session.awaiting:
                return
            self._go_back(self._back_to)
        while self._queue and session.window_left:
            entry, as_it_was = self._queue.popleft()
            if not as_it_was:
                self._give_number(entry, session)
            if entry.number is not None:
                yield session.transmit(entry.number, entry.content, self._clock())

    def acknowledged(self, number: int) -> None:
        self._answer(number, Answer(RefusalCode.OK, ""))

    def refused(self, refusal: Refused) -> bool:
        """False where the host asks for a number that it was just sent: the two cannot agree."""
        if refusal.expected is None:
            self._answer(refusal.number, Answer(refusal.code, refusal.text))
            return True
        entry = self._by_number.get(refusal.number)
        if entry is not None:
            self._gone_back.append(entry)
        self._back_to = refusal.expected
        return refusal.number != refusal.expected

    def _go_back(self, number: int) -> None:
        """Once every answer is in, the refused go out again from the number the host expects."""
        self._queue.extendleft((entry, False) for entry in reversed(self._gone_back))
        self._next = number
        self._gone_back, self._back_to = [], None

    def _give_number(self, entry: Entry, session: Session) -> None:
        number = self._next
        self._next = session.next_number(number)
        entry.content = restamp(session.profile, entry.content, number, self._clock())
        self._logbook.give_number(entry.id, number, entry.content)
        self._moved.pop(number, None)
        if entry.number not in (None, number):
            self._moved[entry.number] = number
        entry.number = number
        self._by_number[number] = entry
        if not entry.numbered.done():
            entry.numbered.set_result(number)

    def _answer(self, number: int, answer: Answer) -> None:
        entry = self._by_number.get(number)
        if entry is not None:
            self._settle(entry, answer)

    def _settle(self, entry: Entry, answer: Answer) -> None:
        self._logbook.settle(entry.id, answer.code, answer.text)
        self._open.pop(entry.id, None)
        if entry.number is not None and self._by_number.get(entry.number) is entry:
            del self._by_number[entry.number]
        if entry.number is None:
            entry.numbered.set_exception(Lapsed())
            entry.numbered.exception()  # nobody may be waiting for it
        if not entry.answered.done():
            entry.answered.set_result(answer)

    def _is_expired(self, entry: Entry, now: datetime) -> bool:
        """A series that has run out is of no use; everything else is declared for good."""
        return all(
            isinstance(message, LevelRedeclaration) and message.levels[-1].time_to <= now
            for message in self._codec.decode(Parcel(entry.content)).messages
        )
