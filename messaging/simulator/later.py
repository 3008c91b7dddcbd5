"""Receipts that come after RECEIVED: the final one, late, several times or never, POSTed to the
host's inbound path."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from messaging.simulator.checks.findings import Violation
from messaging.simulator.faults import Fault
from messaging.simulator.live import LiveConfig
from messaging.simulator.payloads import make_receipt
from messaging.simulator.posting import HostClient, Letter
from messaging.simulator.routes import Received
from messaging.simulator.stamps import Clock, write_stamp
from messaging.simulator.strict_json import write

PERSIST_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Promise:
    """What becomes of a message that was answered RECEIVED. `rejected` is called when the final
    word is no."""

    received: Received
    fault: Fault
    rejected: Callable[[Received], None]


class LaterReceipts:
    def __init__(self, live: LiveConfig, client: HostClient, clock: Clock) -> None:
        self._live = live
        self._clock = clock
        self._client = client
        self._tasks: set[asyncio.Task[None]] = set()

    def promise(self, promise: Promise) -> None:
        task = asyncio.create_task(self._keep(promise))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _keep(self, promise: Promise) -> None:
        fault = promise.fault
        await asyncio.sleep(fault.seconds())
        receipt = self._make(promise)
        if receipt["status"] == "REJECTED":
            promise.rejected(promise.received)
        for payload in self._copies(receipt, fault):
            await self._client.post(self._address(promise.received, payload))

    def _make(self, promise: Promise) -> dict[str, object]:
        fault, status = promise.fault, promise.fault.text("status")
        violations = []
        if status == "REJECTED":
            path, code, text = (fault.text(name) for name in ("errorPath", "code", "text"))
            violations.append(Violation(path, code, text))
        return make_receipt(promise.received.message_id, status, self._clock.now(), violations)

    def _address(self, received: Received, payload: dict[str, object]) -> Letter:
        url = f"{self._live.current.host_wa_url}/{received.service}"
        return Letter(
            received.tenant,
            received.service,
            url,
            write(payload),
            str(payload["messageId"]),
            again_on=(503,),
            persist=PERSIST_SECONDS,
        )

    def _copies(self, receipt: dict[str, object], fault: Fault) -> list[dict[str, object]]:
        """The first, and where a fault asks for it the same again: the same payload, or one with
        ids of its own."""
        if "copies" not in fault.settings:
            return [receipt]
        copies = [receipt]
        for _ in range(fault.whole("copies") - 1):
            fresh = {"messageId": str(uuid.uuid4()), "sentAt": write_stamp(self._clock.now())}
            copies.append({**receipt, **fresh} if fault.settings["newIds"] else receipt)
        return copies
