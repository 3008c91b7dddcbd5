"""Asks the host for its Health, as the operator does."""

from __future__ import annotations

from messaging.simulator.config import Tenant
from messaging.simulator.live import LiveConfig
from messaging.simulator.payloads import make_payload
from messaging.simulator.posting import HostClient, Letter
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
        url = f"{self._live.current.host_wa_url}/{HEALTH}"
        message_id = str(payload["messageId"])
        letter = Letter(tenant, HEALTH, url, write(payload), message_id, "health", persist=0)
        outcome = await self._client.post(letter)
        return {"messageId": message_id, "answer": outcome.show()}
