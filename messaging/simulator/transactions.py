"""Transactions of the Single Markets Platform: PENDING, PROCESSING, then SUCCESS or FAILED, and the
batch return to the host."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from messaging.simulator.config import SmpTimes, Tenant
from messaging.simulator.live import LiveConfig
from messaging.simulator.payloads import make_payload
from messaging.simulator.posting import HostClient, Letter
from messaging.simulator.services import RESULT
from messaging.simulator.stamps import Clock
from messaging.simulator.strict_json import write

_MOST = 10_000
_PERSIST_SECONDS = 600


class Status(StrEnum):
    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Transaction:
    transaction_id: str
    participant_id: str
    began: float
    times: SmpTimes
    errors: tuple[dict[str, object], ...]

    def status(self) -> Status:
        age = time.monotonic() - self.began
        if age < self.times.pending:
            return Status.PENDING
        if age < self.times.pending + self.times.processing:
            return Status.PROCESSING
        return Status.FAILED if self.errors else Status.SUCCESS

    def show(self) -> dict[str, object]:
        """Errors are told with the final status only."""
        status = self.status()
        errors = list(self.errors) if status is Status.FAILED else []
        return {"transactionId": self.transaction_id, "status": status, "errors": errors}


class Transactions:
    def __init__(self, live: LiveConfig, client: HostClient, clock: Clock) -> None:
        self._live = live
        self._clock = clock
        self._client = client
        self._known: OrderedDict[str, Transaction] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(
        self, tenant: Tenant, errors: Iterable[dict[str, object]], copies: int
    ) -> Transaction:
        """`copies` is how often the batch return is sent."""
        times = self._live.current.smp_times
        transaction = Transaction(
            str(uuid.uuid4()), tenant.participant_id, time.monotonic(), times, tuple(errors)
        )
        self._known[transaction.transaction_id] = transaction
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        task = asyncio.create_task(self._return(tenant, transaction, copies))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return transaction

    def find(self, tenant: Tenant, transaction_id: str) -> Transaction | None:
        """Another tenant's transaction is answered as an unknown one."""
        found = self._known.get(transaction_id)
        if found is None or found.participant_id != tenant.participant_id:
            return None
        return found

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _return(self, tenant: Tenant, transaction: Transaction, copies: int) -> None:
        await asyncio.sleep(transaction.times.pending + transaction.times.processing)
        url = f"{self._live.current.host_smp_url}/{RESULT}"
        payload = make_payload(None, None, transaction.show(), self._clock.now())
        message_id = str(payload["messageId"])
        letter = Letter(
            tenant,
            RESULT,
            url,
            write(payload),
            message_id,
            again_on=(404, 503),
            persist=_PERSIST_SECONDS,
        )
        for _ in range(copies):
            await self._client.post(letter)
