"""Both ends of a link over many connections, in memory: each remembers what a host or a control
point keeps, and forgets what a broken connection takes with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from messaging.domain.acknowledgements import FreeText
from messaging.protocols.base import Envelope, Parcel, Stamp
from messaging.protocols.edl import events as ev
from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edl.head import restamp
from messaging.protocols.edl.numbers import Waiting, next_number, plan_start
from messaging.protocols.edl.profile import EdlProfile, Role
from messaging.protocols.edl.session import Session
from messaging.protocols.edl.states import State

CONTROL_POINT = "CPALFA"


@dataclass
class End:
    """`taken`, the numbers, `waiting` (what was sent and has no answer) and `backlog` (what has no
    number yet) are kept; `session` and `out`, the bytes under way, are a connection's.
    """

    role: Role
    profile: EdlProfile
    last_taken: int = 0
    last_given: int = 0
    taken: dict[int, bytes] = field(default_factory=dict)
    words_taken: list[str] = field(default_factory=list)
    waiting: dict[int, bytes] = field(default_factory=dict)
    backlog: list[str] = field(default_factory=list)
    session: Session | None = None
    out: bytearray = field(default_factory=bytearray)
    trouble: list[ev.Event] = field(default_factory=list)

    @property
    def modulus(self) -> int:
        return self.profile.limits.number_modulus

    @property
    def is_ready(self) -> bool:
        return self.session is not None and self.session.state is State.READY

    def open(self, now: datetime) -> None:
        self.out.clear()
        name = CONTROL_POINT if self.role is Role.CONTROL_POINT else ""
        self.session = Session(self.role, self.profile, now, name)
        if self.role is Role.CONTROL_POINT:
            known = len(self.taken)
            self.out += self.session.hello(self.profile.name, self.last_taken, now, known)

    def close(self) -> None:
        self.session = None
        self.out.clear()

    def say(self, words: str, now: datetime) -> None:
        self.backlog.append(words)
        self.write(now)

    def write(self, now: datetime) -> None:
        """Gives numbers to what has none, in order, as far as the window goes."""
        session = self.session
        while self.is_ready and session is not None and self.backlog and session.window_left:
            number = next_number(self.last_given, self.modulus)
            content = self._written(number, self.backlog.pop(0), now)
            self.last_given = number
            self.waiting[number] = content
            self.out += session.transmit(number, content, now)

    def hear(self, data: bytes, now: datetime) -> None:
        assert self.session is not None
        self.session.receive_data(data, now)
        self._react(now)

    def tick(self, now: datetime) -> None:
        if self.session is not None:
            self.out += self.session.tick(now)
            self._react(now)

    def _react(self, now: datetime) -> None:
        assert self.session is not None
        while events := list(self.session.events()):
            for event in events:
                self._on(event, self.session, now)
        self.write(now)

    def _on(self, event: ev.Event, session: Session, now: datetime) -> None:
        match event:
            case ev.Hello():
                self.out += session.ready(self.last_taken, now, len(self.taken))
                self.start(event.last_taken, session, now)
            case ev.Ready():
                self.start(event.last_taken, session, now)
            case ev.Received():
                self.taken[event.number] = event.content
                self.last_taken = event.number
                self.words_taken.append(self._words(event.content))
                self.out += session.ack(event.number, now)
            case ev.Repeated() if self.taken.get(event.number) == event.content:
                self.out += session.ack(event.number, now)
            case ev.Acknowledged():
                del self.waiting[event.number]
            case ev.Silent() | ev.Unanswered() | ev.Heard():
                pass
            case _:
                self.trouble.append(event)

    def start(self, their_last_taken: int, session: Session, now: datetime) -> None:
        """Repeats byte for byte what the other side has taken, and says the rest again under the
        numbers that follow (host-1 EDL profile, section Start).
        """
        waiting = [Waiting(number, content) for number, content in self.waiting.items()]
        plan = plan_start(self.role, waiting, their_last_taken, self.last_given, self.modulus)
        self.waiting = {one.number: one.content for one in plan.repeat}
        for number, one in plan.renumber:
            self.waiting[number] = restamp(self.profile, one.content, number, now)
        before = plan.next_number - 1
        # 0: none is given yet; else the number before 1 is the highest.
        self.last_given = before or (self.modulus if self.last_given else 0)
        for number, content in self.waiting.items():
            self.out += session.transmit(number, content, now)

    def _written(self, number: int, words: str, now: datetime) -> bytes:
        stamp = Stamp(self.profile.number_text(number), now)
        message = FreeText(CONTROL_POINT, words)
        return EdlCodec(self.profile).encode(Envelope(stamp, (message,))).content

    def _words(self, content: bytes) -> str:
        (message,) = EdlCodec(self.profile).decode(Parcel(content)).messages
        assert isinstance(message, FreeText)
        return message.text


MakeEnd = Callable[[Role, EdlProfile, int, int], End]
