"""What the control point says with a number: each is taken in its turn, and answered after its
commit. What becomes of it is the relay's.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from messaging.domain.units import RefusalCode
from messaging.gateway.threads import Threads
from messaging.gateway.wire import Wire
from messaging.measures import ACKNOWLEDGEMENTS
from messaging.protocols.edl import events as ev
from messaging.protocols.edl.profile import Form
from messaging.protocols.edl.session import Session
from messaging.relay import backlog, from_control_point
from messaging.relay.crash_points import Step
from messaging.relay.from_control_point import Arrival
from messaging.relay.hold import Hold
from tenants.clock import now

HELD_BACK = 0.25
"""Seconds for each message while too much waits: a hundred of them may wait for an answer that must
come within thirty.
"""


class Taking:
    """One link's; `last_taken` is the number that was last taken on it, set when it opens.

    All of it raises LinkReplaced and DatabaseError: then nothing was answered.
    """

    def __init__(self, session: Session, wire: Wire, threads: Threads) -> None:
        self._session = session
        self._wire = wire
        self._threads = threads
        self.last_taken = 0

    async def take(self, hold: Hold, event: ev.Received | ev.Repeated) -> None:
        if isinstance(event, ev.Received) and not self._answers(event):
            await self._hold_back(hold.tenant_id)
        arrival = self._arrival(event.number, event.type, event.in_reply_to, event.content)
        if isinstance(event, ev.Received):
            answer = await self._threads.run(
                from_control_point.take, hold, arrival, self.last_taken
            )
            self.last_taken = event.number
        else:
            answer = await self._threads.run(from_control_point.take_again, hold, arrival)
        if answer.code is RefusalCode.OK:
            said = self._session.ack(event.number, now())
        else:
            said = self._session.nack(event.number, answer.code, answer.text, now())
        self._wire.write(said, Step.LINK_ANSWER)
        self._measure(arrival, answer.code)
        self._threads.wake_others(answer.deliveries)

    def _answers(self, event: ev.Received) -> bool:
        found = self._session.profile.messages.get(event.type)
        return found is not None and found.form is Form.ANSWER

    async def _hold_back(self, tenant_id: UUID) -> None:
        """While too much waits, a message is taken so much later, and nothing is read meanwhile:
        TCP slows the control point down. A window of messages is still answered in time.
        """
        if backlog.seemed_full(tenant_id):
            await asyncio.sleep(HELD_BACK)

    def _measure(self, arrival: Arrival, code: RefusalCode) -> None:
        took = (now() - arrival.at).total_seconds()
        ACKNOWLEDGEMENTS.labels("ACK" if code is RefusalCode.OK else "NACK").observe(took)

    async def refuse_gap(self, hold: Hold, event: ev.Gap) -> None:
        code = RefusalCode.NUMBER_GAP
        await self.store_refused(hold, event.number, event.content, code, event.text)
        self._wire.write(
            self._session.nack(event.number, code, event.text, now()), Step.LINK_ANSWER
        )

    async def store_refused(
        self, hold: Hold, number: int, content: bytes, code: RefusalCode, text: str
    ) -> None:
        """Keeps what uses no number, or is no message; its answer is the caller's."""
        arrival = self._arrival(number, "", 0, content)
        await self._threads.run(from_control_point.refuse_unnumbered, hold, arrival, code, text)

    def _arrival(self, number: int, type_: str, in_reply_to: int, content: bytes) -> Arrival:
        text = self._session.profile.number_text
        return Arrival(
            number, text(number), type_, text(in_reply_to) if in_reply_to else "", content, now()
        )
