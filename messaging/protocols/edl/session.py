"""One link's protocol state, for either end of it: bytes in, events and bytes out.

No socket, no clock, no store: every call takes the time it happens at. Which control point may
speak, whether a tenant is suspended and what the data say are for the caller, who answers each
Received, Repeated and Gap with `ack` or `nack`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from messaging.domain.units import CONTROL_POINT_NAME, RefusalCode
from messaging.protocols.base import LocalProtocolError, RemoteProtocolError
from messaging.protocols.edl import events as ev
from messaging.protocols.edl import small_talk
from messaging.protocols.edl.framing import Splitter, TooLong
from messaging.protocols.edl.head import Head, read_head
from messaging.protocols.edl.numbers import Intake, Standing, next_number, steps_back
from messaging.protocols.edl.profile import EdlProfile, Role
from messaging.protocols.edl.states import RECEIVING, SENDING, Speech, State
from messaging.protocols.layouts import Values


class Session:
    """One end of one link.

    The caller writes what a call returns, in the order of the calls, and draws `events()` after
    each `receive_data`, `ready` and `tick`. Once `state` is CLOSED, it closes the link.
    """

    __slots__ = (
        "_awaiting",
        "_found",
        "_heard_at",
        "_intake",
        "_now",
        "_said_at",
        "_splitter",
        "control_point",
        "profile",
        "role",
        "state",
    )

    def __init__(
        self, role: Role, profile: EdlProfile, now: datetime, control_point: str = ""
    ) -> None:
        """A control point's end is given its name; a host's learns it from HELLO."""
        if role is Role.CONTROL_POINT and not CONTROL_POINT_NAME.fullmatch(control_point):
            raise LocalProtocolError("a control point's session needs its name")
        self.role = role
        self.profile = profile
        self.state = State.CONNECTED
        self.control_point = control_point
        self._splitter = Splitter(profile.framing)
        self._found: deque[ev.Event] = deque()
        self._awaiting: dict[int, tuple[bytes, datetime]] = {}
        self._intake = Intake(profile.limits.number_modulus, profile.limits.repeat_memory)
        self._now = self._heard_at = self._said_at = now

    @property
    def awaiting(self) -> Mapping[int, bytes]:
        """What we sent and has no answer, by number, in the order it was sent."""
        return {number: content for number, (content, _) in self._awaiting.items()}

    @property
    def window_left(self) -> int:
        """How many more messages `transmit` takes now."""
        return self.profile.limits.window - len(self._awaiting)

    @property
    def expected(self) -> int | None:
        """The number the peer's next message must have; None while any is taken."""
        return self._intake.expected

    def next_number(self, number: int) -> int:
        """The log number after `number`, which may be 0."""
        return next_number(number, self.profile.limits.number_modulus)

    # What comes in.

    def receive_data(self, data: bytes, now: datetime) -> None:
        """Takes bytes as they come, in any pieces; draw `events()` next."""
        self._now = now
        if data and self.state is not State.CLOSED:
            self._heard_at = now
            self._splitter.feed(data)

    def events(self) -> Iterator[ev.Event]:
        """What has happened since they were last drawn.

        Stops after Hello until `ready` is called; then draw again.
        """
        while True:
            while self._found:
                yield self._found.popleft()
            if not self._read_one():
                return

    def _read_one(self) -> bool:
        """Reads one message of what has come; False where there is none to read."""
        if self.state is State.CLOSED:
            return False
        if self.role is Role.HOST and self.state is State.GREETED:
            return self._hold_back()
        try:
            content = self._splitter.next_message()
        except TooLong as long:
            self._break("message too long", long.content)
            return True
        if content is not None:
            self._read(content)
        return content is not None

    def _hold_back(self) -> bool:
        """A greeted host reads nothing until its caller is ready, and keeps one message at most."""
        if len(self._splitter) <= self.profile.framing.max_bytes:
            return False
        self._break("too much before READY", self._splitter.clear())
        return True

    def _read(self, content: bytes) -> None:
        try:
            head, data = read_head(self.profile, content)
        except RemoteProtocolError as error:
            self._break(error.text, content)
            return
        speech = small_talk.speech_of(self.profile, head.type)
        try:
            self._check(speech, head)
            if speech is Speech.NUMBERED:
                self._classify(head, content)
            else:
                values = small_talk.read_speech(self.profile, head, data)
                self._listen(speech, head, values)
        except RemoteProtocolError as error:
            self._break(error.text, content, head, error.code)

    def _check(self, speech: Speech, head: Head) -> None:
        """What may be wrong with a message whatever its data."""
        if self.control_point and head.control_point != self.control_point:
            raise RemoteProtocolError("prefix names another control point")
        if speech not in RECEIVING[self.role][self.state]:
            text = f"{speech.value} is not said in a link that is {self.state.value}"
            raise RemoteProtocolError(text)
        if speech is not Speech.NUMBERED and head.number:
            raise RemoteProtocolError(f"{head.type} takes no log number")
        if speech is Speech.NUMBERED and not head.number and self.expected is None:
            raise RemoteProtocolError("a log number is missing")

    def _classify(self, head: Head, content: bytes) -> None:
        """New, repeated or out of order: by the number alone, before type and data are read."""
        expected = self.expected
        standing = self._intake.take(head.number)
        if standing is Standing.OUT_OF_ORDER and expected is not None:
            text = small_talk.gap_text(self.profile, expected)
            self._found.append(ev.Gap(head.number, expected, text, content))
            return
        event = ev.Received if standing is Standing.NEW else ev.Repeated
        self._found.append(event(head.number, head.type, head.sent_at, head.in_reply_to, content))

    def _listen(self, speech: Speech, head: Head, values: Values) -> None:
        moved = RECEIVING[self.role][self.state][speech]
        match speech:
            case Speech.HELLO:
                self._hear_hello(head, values)
            case Speech.READY:
                self._check_profile(values)
                self._found.append(ev.Ready(values["profile"], values["last_taken"]))
            case Speech.HEARTBEAT:
                self._found.append(ev.Heard())
            case _:
                self._hear_answer(speech, head.in_reply_to, values)
        if self.state is not State.CLOSED:
            self.state = moved

    def _hear_hello(self, head: Head, values: Values) -> None:
        if not CONTROL_POINT_NAME.fullmatch(head.control_point):
            raise RemoteProtocolError("not the name of a control point")
        self.control_point = head.control_point
        self._check_profile(values)
        self._found.append(ev.Hello(head.control_point, values["profile"], values["last_taken"]))

    def _check_profile(self, values: Values) -> None:
        if values["profile"] != self.profile.name:
            text = self.profile.refusals[RefusalCode.UNKNOWN_PROFILE].text
            raise RemoteProtocolError(text, code=RefusalCode.UNKNOWN_PROFILE)

    def _hear_answer(self, speech: Speech, number: int, values: Values) -> None:
        """A NACK to nothing, or to our HELLO, ends the link."""
        code, text = values["code"], values.get("text", "")
        if (code == RefusalCode.OK) is not (speech is Speech.ACK):
            raise RemoteProtocolError(f"{code} is not the code of such an answer", field="code")
        ends_link = speech is Speech.NACK and (not number or self.state is State.GREETED)
        awaited = self._awaiting.pop(number, None) is not None
        if not awaited and not ends_link:
            self._found.append(ev.Stray(number, code, text))
        elif speech is Speech.ACK:
            self._found.append(ev.Acknowledged(number))
        else:
            expected = small_talk.expected_by_peer(self.profile, code, text)
            self._found.append(ev.Refused(number, code, text, expected))
        if ends_link:
            self._close()

    def _break(
        self,
        text: str,
        content: bytes,
        head: Head | None = None,
        code: RefusalCode = RefusalCode.MALFORMED,
    ) -> None:
        name = self.control_point or (head.control_point if head else "")
        reference = head.number if head else 0
        answer = small_talk.write_nack(self.profile, name, self._now, reference, code, text)
        self._end(ev.Broken(code, text, content, reference, answer))

    def _end(self, event: ev.Event) -> None:
        self._found.append(event)
        self._close()

    def _close(self) -> None:
        self.state = State.CLOSED
        self._splitter.clear()

    # What goes out.

    def hello(
        self, profile: str, last_taken: int, now: datetime, remembered: int | None = None
    ) -> bytes:
        """A control point's first words; `last_taken` is the last number it took from the host.

        0: none is known, and the host's first number is taken as it comes. `remembered`: see
        `ready`.
        """
        content = self._say(Speech.HELLO, now, {"profile": profile, "last_taken": last_taken})
        if last_taken:
            self._intake.go_on_after(last_taken, remembered)
        return content

    def ready(self, last_taken: int, now: datetime, remembered: int | None = None) -> bytes:
        """The host's answer to HELLO; `last_taken` is the last number taken from the control point.

        0: none is known, and 1 is expected. `remembered`: how many numbers up to it are on record,
        where that is fewer than the profile's memory; what lies before them is a gap.
        """
        values = {"profile": self.profile.name, "last_taken": last_taken}
        content = self._say(Speech.READY, now, values)
        self._intake.go_on_after(last_taken, remembered)
        return content

    def refuse_hello(self, code: RefusalCode, text: str, now: datetime) -> bytes:
        """The host's NACK to a HELLO; write it and close, as the session is."""
        if self.role is not Role.HOST or self.state is not State.GREETED:
            raise LocalProtocolError("only a host that was greeted can refuse a HELLO")
        answer = self.nack(0, code, text, now)
        self._close()
        return answer

    def ack(self, number: int, now: datetime) -> bytes:
        """Takes the peer's message `number` for good: call it after the commit."""
        return self._say(Speech.ACK, now, {"code": str(RefusalCode.OK)}, number)

    def nack(self, number: int, code: RefusalCode, text: str, now: datetime) -> bytes:
        """Refuses the peer's message `number`; without a text, in the profile's own words.

        A NACK holds as much of the text as its field; `EdlCodec.divide_refusal` gives the rest as
        messages to transmit. For NUMBER_GAP, `Gap.text` is the text.
        """
        self._may_say(Speech.NACK)
        if code is RefusalCode.NUMBER_GAP and not text and self.expected is not None:
            text = small_talk.gap_text(self.profile, self.expected)
        self._said_at = now
        return small_talk.write_nack(self.profile, self.control_point, now, number, code, text)

    def transmit(self, number: int, content: bytes, now: datetime) -> bytes:
        """A numbered message of ours, whole as the codec wrote it, that now awaits its answer."""
        self._may_say(Speech.NUMBERED)
        if not number:
            raise LocalProtocolError("a message needs its log number before it is sent")
        if not self.window_left:
            raise LocalProtocolError(f"{len(self._awaiting)} messages wait for answers already")
        if number in self._awaiting:
            raise LocalProtocolError(f"{number} waits for its answer already")
        self._check_own(number, content)
        self._awaiting[number] = (content, now)
        self._said_at = now
        return content

    def withdraw(self, expected: int, refused: int) -> None:
        """The peer refused `refused` for a gap: from `expected` up to it nothing was taken, and
        nothing of that will be answered, for the peer had read it before. What was sent after it
        will be.
        """
        modulus = self.profile.limits.number_modulus
        reach = steps_back(refused, expected, modulus)
        for number in [n for n in self._awaiting if steps_back(refused, n, modulus) <= reach]:
            del self._awaiting[number]

    def tick(self, now: datetime) -> bytes:
        """What is due by now: a heartbeat to write, or the link's end. Draw `events()` next."""
        self._now = now
        limits = self.profile.limits
        waiting = self._waiting_longest()
        if self.state is State.CLOSED:
            return b""
        if now - self._heard_at >= limits.silence:
            self._end(ev.Silent())
        elif waiting and now - waiting[1] >= limits.answer:
            self._end(ev.Unanswered(waiting[0]))
        elif self.state is State.READY and now - self._said_at >= limits.heartbeat:
            return self._say(Speech.HEARTBEAT, now, {})
        return b""

    def next_tick(self, now: datetime) -> float:
        """Seconds until `tick` has something to do if nothing happens; infinite once closed."""
        if self.state is State.CLOSED:
            return math.inf
        limits = self.profile.limits
        due = [self._heard_at + limits.silence]
        waiting = self._waiting_longest()
        if waiting:
            due.append(waiting[1] + limits.answer)
        if self.state is State.READY:
            due.append(self._said_at + limits.heartbeat)
        return max(0.0, (min(due) - now) / timedelta(seconds=1))

    def _waiting_longest(self) -> tuple[int, datetime] | None:
        """The number that has waited longest for its answer, and since when; 0 is our HELLO."""
        if self.role is Role.CONTROL_POINT and self.state is State.GREETED:
            return 0, self._said_at
        return next(((number, at) for number, (_, at) in self._awaiting.items()), None)

    def _may_say(self, speech: Speech) -> None:
        if speech not in SENDING[self.role][self.state]:
            raise LocalProtocolError(
                f"a {self.role} does not say {speech.value} in a link that is {self.state.value}"
            )

    def _say(self, speech: Speech, now: datetime, values: Values, in_reply_to: int = 0) -> bytes:
        self._may_say(speech)
        name = self.control_point
        content = small_talk.write_speech(self.profile, name, speech, now, values, in_reply_to)
        self.state = SENDING[self.role][self.state][speech]
        self._said_at = now
        return content

    def _check_own(self, number: int, content: bytes) -> None:
        try:
            head, data = read_head(self.profile, content)
        except RemoteProtocolError as error:
            raise LocalProtocolError(f"not a message: {error.text}") from error
        if data is None or (head.control_point, head.number) != (self.control_point, number):
            raise LocalProtocolError(f"not message {number} of {self.control_point}")
        if small_talk.speech_of(self.profile, head.type) is not Speech.NUMBERED:
            raise LocalProtocolError(f"{head.type} takes no log number")
