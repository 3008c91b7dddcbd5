"""A control point that speaks EDL to a host: what a tenant's kit would do, for rehearsals and
tests.

It keeps its link up, answers instructions, repeats what got no answer and goes back where the host
asks it to. What it must not forget is in its logbook; which bytes mean what is the protocol's.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import ssl
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from messaging.domain.acknowledgements import FreeText, Result, ResultVerdict
from messaging.domain.instructions import Instruction, InstructionAnswer, Verdict
from messaging.domain.messages import BmMessage
from messaging.domain.redeclarations import Redeclaration
from messaging.domain.units import RefusalCode
from messaging.protocols.base import Envelope, Parcel, RemoteProtocolError, Stamp
from messaging.protocols.edl import events as ev
from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edl.loading import load_profile
from messaging.protocols.edl.profile import Role
from messaging.protocols.edl.session import Session
from messaging.protocols.edl.states import State
from messaging.rehearsal.link import Link
from messaging.rehearsal.logbook import Logbook, Taken
from messaging.rehearsal.outbox import Answer, Outbox

Answering = Callable[[Instruction], InstructionAnswer | None]
"""What to say to an instruction; None leaves it without an answer."""

_RECORDED: Final = 100_000


def accept(instruction: Instruction) -> InstructionAnswer:
    """Says yes to everything."""
    name, unit = instruction.control_point, instruction.bm_unit
    return InstructionAnswer(name, unit, instruction.number, Verdict.ACCEPTED)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A numbered message as it came off the link.

    `at` is UTC, `moment` the same on time.perf_counter's clock; both were read before anything was
    done about it. `message` is None where it could not be read.
    """

    at: datetime
    moment: float
    type: str
    number: int
    in_reply_to: int
    content: bytes
    message: BmMessage | None
    repeated: bool = False


class ControlPoint:
    """Use it as an asynchronous context manager, or `start` and `stop` it.

    With `state` a file, another ControlPoint over the same file goes on where this one was killed.
    `profiles` is a folder of further profiles; `server_name` what the host's certificate must say
    where that is not `host`; `back_off` the least and the most seconds between two attempts. Where
    an attempt or a link has ended, the next one goes to the next of `further` addresses.
    """

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None = None,
        state: Path | None = None,
        answer: Answering = accept,
        profile: str = "host-1",
        *,
        profiles: Path | None = None,
        server_name: str | None = None,
        back_off: tuple[float, float] = (0.2, 10.0),
        further: Sequence[tuple[str, int]] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = name
        self.received: deque[Arrival] = deque(maxlen=_RECORDED)
        self.refusals: deque[ev.Refused | ev.Broken] = deque(maxlen=_RECORDED)
        self.links = 0
        self._addresses = itertools.cycle([(host, port), *further])
        self._tls = ssl_context
        self._server_name = server_name or (host if ssl_context else None)
        self._answering = answer
        self._profile = load_profile(profile, profiles)
        self._codec = EdlCodec(self._profile)
        self._from_host = EdlCodec(self._profile, sender=Role.HOST)
        self._back_off = back_off
        self._clock = clock
        self._logbook = Logbook(state, self._profile.limits.repeat_memory)
        self._results = self._remembered_results()
        self._link: Link | None = None
        self._running: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._wanted: list[tuple[Callable[[Arrival], bool], asyncio.Future[Arrival]]] = []
        self._away = 0.0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Begins to connect; `wait_ready` says when the link is up."""
        self._outbox = Outbox(self._codec, self._logbook, self._clock)
        self._running = asyncio.create_task(self._keep_linked())

    async def stop(self) -> None:
        """Closes the link and the logbook; whoever still waits for an answer is cancelled."""
        if self._link:
            await self._link.close()
        if self._running:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
            self._outbox.close()
        self._logbook.close()

    async def wait_ready(self) -> None:
        await self._ready.wait()

    @property
    def is_ready(self) -> bool:
        return self._ready.is_set()

    # What it says.

    async def redeclare(self, *messages: Redeclaration) -> int:
        """Keeps a redeclaration, sends it when the link is up, and gives back its log number.

        Several travel in one message, where the profile has messages of several BM units. Lapsed
        where it is a series that ran out meanwhile. Where the host has it sent again under another
        number, the first one still finds its answer and its results.
        """
        envelope = Envelope(Stamp("", self._clock()), messages)
        return await self._send((self._codec.encode(envelope).content,))

    async def tell(self, text: str) -> int:
        """Sends free text; gives back the log number of the first message of it."""
        return await self._send(self._encoded(FreeText(self.name, text), 0))

    async def respond(self, instruction_number: int, answer: InstructionAnswer) -> int:
        """Answers, late or again, the instruction that came under a log number (0: lost)."""
        return await self._send(self._encoded(answer, instruction_number))

    async def answered(self, number: int) -> Answer:
        """The host's ACK or NACK to our message; LookupError where nothing has that number."""
        entry = self._outbox.find(number)
        if entry is not None:
            return await asyncio.shield(entry.answered)
        sent = self._logbook.find_sent(number)
        if sent is None or sent.code is None:
            raise LookupError(f"nothing was sent under {number}")
        return Answer(sent.code, sent.text or "")

    async def result(self, number: int, *, final: bool = False) -> Result:
        """The next RESULT for our message, each given out once; `final` passes over HELD."""
        results = self._results[self._outbox.current(number)]
        result = await results.get()
        while final and result.verdict is ResultVerdict.HELD:
            result = await results.get()
        return result

    # What it hears.

    async def wait_for(self, wanted: Callable[[Arrival], bool]) -> Arrival:
        """The first message, come or still to come, that is wanted."""
        for arrival in self.received:
            if wanted(arrival):
                return arrival
        found: asyncio.Future[Arrival] = asyncio.get_running_loop().create_future()
        self._wanted.append((wanted, found))
        return await found

    # How it misbehaves.

    def go_silent(self) -> None:
        """Neither reads nor says anything from now on, but leaves the link open."""
        if self._link:
            self._link.go_silent()

    def speak_again(self) -> None:
        """Goes on where `go_silent` left off."""
        if self._link:
            self._link.speak_again()
            self._pump()

    def drop(self, stay_away: float = 0.0) -> None:
        """Breaks the link off; connects again after `stay_away` seconds and the usual back-off."""
        self._away = stay_away
        if self._link:
            self._link.abort()

    def say_raw(self, content: bytes) -> None:
        """Writes bytes as they are, however wrong."""
        if self._link:
            self._link.write(content)

    # How it works.

    async def _keep_linked(self) -> None:
        shortest, longest = self._back_off
        wait = shortest
        while True:
            links = self.links
            with suppress(OSError):  # refused, unreachable, no TLS: it is tried again
                await self._one_link()
            wait = shortest if self.links > links else min(wait * 2, longest)
            away, self._away = self._away, 0.0
            await asyncio.sleep(away + wait * random.uniform(0.5, 1.0))  # noqa: S311 - no secret

    async def _one_link(self) -> None:
        """From the attempt to connect to the end of the connection."""
        session = Session(Role.CONTROL_POINT, self._profile, self._clock(), self.name)
        link = self._link = Link(session, self._clock, self._greet, self._hear)
        host, port = next(self._addresses)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: link, host, port, ssl=self._tls, server_hostname=self._server_name
            )
            await link.lost
        finally:
            self._ready.clear()
            self._link = None
            link.abort()

    def _greet(self) -> bytes:
        taken, known = self._logbook.last_taken(), self._logbook.taken_count()
        return self._on_link().session.hello(self._profile.name, taken, self._clock(), known)

    def _on_link(self) -> Link:
        if self._link is None:
            raise RuntimeError("there is no link")
        return self._link

    async def _send(self, contents: tuple[bytes, ...]) -> int:
        entries = [self._outbox.add(self._logbook.keep(content), content) for content in contents]
        self._pump()
        return await asyncio.shield(entries[0].numbered)

    def _encoded(self, message: BmMessage, in_reply_to: int) -> tuple[bytes, ...]:
        """The wire messages, without a number until the outbox gives them theirs."""
        reply = self._profile.number_text(in_reply_to) if in_reply_to else ""
        stamp = Stamp("", self._clock(), reply)
        parts = self._codec.divide(message)
        return tuple(self._codec.encode(Envelope(stamp, (part,))).content for part in parts)

    def _pump(self) -> None:
        link = self._link
        if link and not link.silent and link.session.state is State.READY and self.is_ready:
            for content in self._outbox.send(link.session):
                link.write(content)

    def _hear(self, event: ev.Event, at: datetime, moment: float) -> None:
        session = self._on_link().session
        match event:
            case ev.Ready():
                self.links += 1
                self._outbox.start(event.last_taken, session)
                self._ready.set()
            case ev.Received():
                self._take(event, at, moment)
            case ev.Repeated():
                self._take_again(event, at, moment)
            case ev.Gap():
                self._refuse(event.number, RefusalCode.NUMBER_GAP, event.text)
            case ev.Acknowledged():
                self._outbox.acknowledged(event.number)
            case ev.Refused():
                self.refusals.append(event)
                if not self._outbox.refused(event):
                    self._on_link().abort()
            case ev.Broken():
                self.refusals.append(event)
        self._pump()

    def _take(self, event: ev.Received, at: datetime, moment: float) -> None:
        """Kept with our answer to it in one transaction, acknowledged after it."""
        message, code, text = self._read(event.content)
        self._record(event, at, moment, message)
        answers = self._answers_to(event.number, message)
        ids = self._logbook.take(Taken(event.number, event.content, code, text), answers)
        self._say_of(event.number, code, text)
        for id, content in zip(ids, answers, strict=True):
            self._outbox.add(id, content)
        if isinstance(message, Result):
            self._results[event.in_reply_to].put_nowait(message)

    def _take_again(self, event: ev.Repeated, at: datetime, moment: float) -> None:
        self._record(event, at, moment, self._read(event.content)[0])
        taken = self._logbook.find_taken(event.number)
        if taken is not None and taken.content == event.content:
            self._say_of(event.number, taken.code, taken.text)
        else:
            self._refuse(event.number, RefusalCode.NUMBER_REUSED, "")

    def _read(self, content: bytes) -> tuple[BmMessage | None, str, str]:
        """The message, or None, and the code and text to answer with."""
        try:
            return self._from_host.decode(Parcel(content)).messages[0], RefusalCode.OK, ""
        except RemoteProtocolError as error:
            return None, error.code, error.text

    def _answers_to(self, number: int, message: BmMessage | None) -> tuple[bytes, ...]:
        if not isinstance(message, Instruction):
            return ()
        answer = self._answering(message)
        return () if answer is None else self._encoded(answer, number)

    def _say_of(self, number: int, code: str, text: str) -> None:
        if code == RefusalCode.OK:
            link = self._on_link()
            link.write(link.session.ack(number, self._clock()))
        else:
            self._refuse(number, RefusalCode(code), text)

    def _refuse(self, number: int, code: RefusalCode, text: str) -> None:
        link = self._on_link()
        link.write(link.session.nack(number, code, text, self._clock()))

    def _record(
        self,
        event: ev.Received | ev.Repeated,
        at: datetime,
        moment: float,
        message: BmMessage | None,
    ) -> None:
        arrival = Arrival(
            at,
            moment,
            event.type,
            event.number,
            event.in_reply_to,
            event.content,
            message,
            isinstance(event, ev.Repeated),
        )
        self.received.append(arrival)
        for wanted, found in self._wanted:
            if not found.done() and wanted(arrival):
                found.set_result(arrival)
        self._wanted = [(wanted, found) for wanted, found in self._wanted if not found.done()]

    def _remembered_results(self) -> defaultdict[int, asyncio.Queue[Result]]:
        results: defaultdict[int, asyncio.Queue[Result]] = defaultdict(asyncio.Queue)
        for content in self._logbook.taken_contents():
            envelope = self._from_host.decode(Parcel(content))
            message = envelope.messages[0]
            if isinstance(message, Result):
                results[int(envelope.stamp.in_reply_to or 0)].put_nowait(message)
        return results
