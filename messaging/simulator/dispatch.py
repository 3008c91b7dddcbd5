"""Sends instructions to the host and waits for its answer and the tenant's verdict."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from messaging.simulator.book import Book, Dispatched
from messaging.simulator.config import Config, Tenant
from messaging.simulator.faults import Fault, FaultBoard
from messaging.simulator.instructions import fill_instruction
from messaging.simulator.live import LiveConfig
from messaging.simulator.posting import FRESH_SECONDS, HostClient, Letter, Outcome, address
from messaging.simulator.sealing import Sealed
from messaging.simulator.services import INSTRUCTION
from messaging.simulator.stamps import Clock, write_stamp
from messaging.simulator.strict_json import write

_REFUSED = frozenset({401, 409, 413, 415, 422})


class NobodyThere(ValueError):
    """The instruction names no tenant's control point."""


@dataclass(slots=True)
class Flight:
    """One instruction on its way: made and sealed, later answered."""

    sent: Dispatched
    letter: Letter
    sealed: Sealed
    landed: asyncio.Event = field(default_factory=asyncio.Event)
    outcome: Outcome | None = None

    def show(self) -> dict[str, object]:
        sent, outcome = self.sent, self.outcome
        payload, verdict = sent.payload, sent.verdict
        answered_at = None if outcome is None else outcome.answered_at
        return {
            "messageId": sent.message_id,
            "acceptanceNumber": payload.get("acceptanceNumber"),
            "instructionNumber": payload.get("instructionNumber"),
            "answer": None if outcome is None else outcome.show(),
            "response": verdict.payload,
            "sentAt": write_stamp(sent.sent_at if outcome is None else outcome.sent_at),
            "answeredAt": None if answered_at is None else write_stamp(answered_at),
            "respondedAt": None if verdict.at is None else write_stamp(verdict.at),
        }


class Dispatch:
    def __init__(
        self, live: LiveConfig, book: Book, faults: FaultBoard, client: HostClient, clock: Clock
    ) -> None:
        self._live = live
        self._book = book
        self._faults = faults
        self._client = client
        self._clock = clock
        self._flights: dict[str, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[Flight] = []
        self._holding: Fault | None = None

    def start(
        self,
        asked: Mapping[str, object],
        participant_id: str | None = None,
        persist: float = FRESH_SECONDS,
    ) -> Flight:
        """Made and sealed at once, under way as soon as the loop turns. Raises NobodyThere."""
        config = self._live.refresh()
        tenant = _find_tenant(config, asked, participant_id)
        payload = fill_instruction(asked, tenant.participant_id, self._book, self._clock.now())
        flight = self._make(config, tenant, payload, persist)
        self._launch(flight)
        for copy in self._copy(config, flight, persist):
            self._run(self._fly(copy))
        return flight

    def find(self, message_id: str) -> Flight | None:
        return self._flights.get(message_id)

    async def follow(self, flight: Flight, wait: float) -> dict[str, object]:
        """Returns once the host has answered and the verdict has come, or `wait` seconds after the
        answer."""
        await flight.landed.wait()
        outcome = flight.outcome
        if outcome is not None and outcome.answer.status == 200 and wait > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(flight.sent.verdict.come.wait(), wait)
        return flight.show()

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _make(
        self, config: Config, tenant: Tenant, payload: dict[str, object], persist: float
    ) -> Flight:
        message_id = str(payload["messageId"])
        url, dialect, method = address(config, tenant, INSTRUCTION, message_id)
        content = write(payload)
        letter = Letter(
            *(tenant, INSTRUCTION, url, content, message_id, "receipt", dialect, method),
            persist=persist,
        )
        sent = self._book.add(tenant.participant_id, message_id, payload, self._clock.now())
        flight = Flight(sent, letter, self._client.seal(letter))
        self._flights[message_id] = flight
        while len(self._flights) > 20_000:
            del self._flights[next(iter(self._flights))]
        return flight

    def _launch(self, flight: Flight) -> None:
        whose = flight.letter.tenant.participant_id
        if self._holding is None:
            self._holding = self._faults.take("reordered", INSTRUCTION, whose)
            if self._holding is not None:
                self._run(self._release_late(self._holding))
        if self._holding is None:
            self._run(self._fly(flight))
            return
        self._held.append(flight)
        if len(self._held) >= self._holding.whole("count"):
            self._release()

    async def _release_late(self, fault: Fault) -> None:
        await asyncio.sleep(fault.seconds())
        if self._holding is fault:
            self._release()

    def _release(self) -> None:
        held, self._held, self._holding = self._held, [], None
        self._run(self._fly_in_turn(held[::-1]))

    async def _fly_in_turn(self, flights: list[Flight]) -> None:
        for flight in flights:
            await self._fly(flight)

    async def _fly(self, flight: Flight) -> None:
        try:
            flight.outcome = await self._client.post(flight.letter, flight.sealed)
            answered_at = flight.outcome.answered_at
            flight.sent.answered_at = answered_at and self._clock.told(answered_at)
            flight.sent.refused = flight.outcome.answer.status in _REFUSED
        finally:
            flight.landed.set()

    def _copy(self, config: Config, flight: Flight, persist: float) -> list[Flight]:
        """The repeats a fault asks for: byte for byte, or the same content with new ids."""
        tenant = flight.letter.tenant
        fault = self._faults.take("duplicated_instruction", INSTRUCTION, tenant.participant_id)
        if fault is None:
            return []
        copies = fault.whole("copies") - 1
        if not fault.settings["newIds"]:
            return [Flight(flight.sent, flight.letter, flight.sealed) for _ in range(copies)]
        fresh = (
            {"messageId": str(uuid.uuid4()), "sentAt": write_stamp(self._clock.now())}
            for _ in range(copies)
        )
        return [
            self._make(config, tenant, {**flight.sent.payload, **ids}, persist) for ids in fresh
        ]

    def _run(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _find_tenant(config: Config, asked: Mapping[str, object], participant_id: str | None) -> Tenant:
    point = asked.get("controlPoint")
    if participant_id is not None:
        tenant = config.tenants.get(participant_id)
    else:
        tenant = config.find_by_control_point(point) if isinstance(point, str) else None
    if tenant is None:
        raise NobodyThere("controlPoint or participantId is not a configured tenant's")
    return tenant
