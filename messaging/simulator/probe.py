"""Asks the host for its Health, as the operator does."""

from __future__ import annotations

from messaging.simulator.config import Tenant
from messaging.simulator.live import LiveConfig
from messaging.simulator.payloads import make_payload
from messaging.simulator.posting import HostClient, Letter, address
from messaging.simulator.services import HEALTH
from messaging.simulator.stamps import Clock
from messaging.simulator.strict_json import write


class Probe:
    def __init__(self, live: LiveConfig, client: HostClient, clock: Clock) -> None:
        self._live = live
        self._clock = clock
        self._client = client

    async def ask(self, tenant: Tenant) -> dict[str, object]:
        """One attempt; what came of it."""
        payload = make_payload("health", None, {}, self._clock.now())
        message_id = str(payload["messageId"])
        url, dialect, method = address(self._live.current, tenant, HEALTH, message_id)
        content = write(payload)
        letter = Letter(
            *(tenant, HEALTH, url, content, message_id, "health", dialect, method), persist=0
        )
        outcome = await self._client.post(letter)
        return {"messageId": message_id, "answer": outcome.show()}
