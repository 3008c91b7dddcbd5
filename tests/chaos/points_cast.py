"""What the errands of the crash points are done with: who does them, and how each waits and asks
again.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any, TypeVar

from messaging.rehearsal.cast import UNITS_DRIVEN
from messaging.rehearsal.operator_desk import DeskRefused, OperatorDesk
from messaging.rehearsal.players import Player
from tests.e2e.rig import Rig

T = TypeVar("T")
PATIENCE = 400.0
"""Seconds for one errand, a death and a new start on a busy machine included."""

OPERATOR = "the operator"
"""The lock of whoever has it out, or failing."""

AWAY = (OSError, HTTPException, TimeoutError)
_AGAIN = (409, 429, 502, 503)
_VALUES = 900


class NotDone(Exception):
    """An errand did not come to its end; the text says what is missing."""


@dataclass
class Cast:
    """Who does the errands, over one running stack; `chance` is the seed's."""

    rig: Rig
    players: tuple[Player, ...]
    desk: OperatorDesk
    chance: random.Random
    turn: int = 0
    places: Counter[str] = field(default_factory=Counter)
    locks: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    def lock(self, name: str) -> asyncio.Lock:
        """Of what one errand at a time may use: a link, or the operator's trouble."""
        return self.locks[name]

    def next_turn(self) -> int:
        self.turn += 1
        return self.turn

    def next_value(self) -> int:
        """One that every scalar may have."""
        return self.next_turn() % _VALUES

    def next_units(self, player: Player) -> tuple[int, int]:
        """Two BM units of a driven control point, by their places: those that were longest left
        alone. What is kept back of one is not superseded by another errand's so.
        """
        self.places[player.name] += 2
        first = self.places[player.name] % UNITS_DRIVEN
        return first, (first + 1) % UNITS_DRIVEN

    @asynccontextmanager
    async def failing(self, fault: str, path: str, **more: object) -> AsyncIterator[None]:
        """The simulated operator has this fault beside those that others gave it."""
        number = await self.desk.add_fault({"fault": fault, "path": path, **more})
        try:
            yield
        finally:
            with suppress(DeskRefused):
                await self.desk.remove_fault(number)

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self.rig.query(statement, *values)


Errand = Callable[[Cast], Awaitable[None]]


async def until(holds: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """Asks on a thread until it is so."""

    def found() -> T | None:
        with suppress(*AWAY):
            return holds()
        return None

    ends = time.monotonic() + seconds
    while not (so := await asyncio.to_thread(found)):
        if time.monotonic() > ends:
            raise NotDone(what)
        await asyncio.sleep(0.2)
    return so


def ask(
    rig: Rig,
    tenant: str,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    key: str = "",
    media: str = "application/json",
) -> Any:
    """By the tenant's API, again under the same idempotency key until there is an answer."""
    headers = {"Authorization": f"Bearer {rig.tenant(tenant)['apiKey']}", "Content-Type": media}
    if key:
        headers["Idempotency-Key"] = key
    url = f"{rig.service['api']['url']}/{path}"
    ends = time.monotonic() + PATIENCE
    while True:
        request = urllib.request.Request(url, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            told = error.read().decode()
            if error.code not in _AGAIN or time.monotonic() > ends:
                raise NotDone(f"{path}: {error.code} {told}") from None
        except AWAY as error:
            if time.monotonic() > ends:
                raise NotDone(f"{path}: {error}") from None
        time.sleep(0.2)


def last_noted(rig: Rig) -> int:
    """The number of the simulator's last note."""
    return int(rig.control("GET", "/health")["messages"])


def payloads(rig: Rig, since: int, **wanted: Any) -> list[dict[str, Any]]:
    """What the simulator got after a note and answered with 200, with these members; once for each
    messageId.
    """
    rows = rig.control("GET", f"/messages?since={since}")["messages"]
    good = {row["exchange"] for row in rows if row["role"] == "answer" and row["status"] == 200}
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        payload = row.get("payload")
        if row["role"] != "request" or row["exchange"] not in good or not isinstance(payload, dict):
            continue
        if all(payload.get(name) == value for name, value in wanted.items()):
            found.setdefault(payload["messageId"], payload)
    return list(found.values())
