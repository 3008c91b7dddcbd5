"""The control port of the simulated system operator, as whoever rehearses uses it: plain JSON on
loopback.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp

_SECONDS = 200.0
"""Longer than the port lets anyone wait for a verdict."""


class DeskRefused(Exception):
    """The control port said no, or nothing; the text says what."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What the operator had noted after some entry: its entries, and the number of the last one."""

    entries: tuple[dict[str, Any], ...]
    last: int


class OperatorDesk:
    """An asynchronous context manager; each call raises DeskRefused where it is not answered with
    200.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def dispatch(self, instruction: dict[str, Any], *, wait: float = 0.0) -> dict[str, Any]:
        """Sends one; returns once the host has answered and, within `wait` seconds of that, the
        verdict came.
        """
        answer: dict[str, Any] = await self._ask("POST", f"/dispatch?wait={wait}", instruction)
        return answer

    async def burst(
        self, instructions: Sequence[dict[str, Any]], *, wait: float
    ) -> list[dict[str, Any]]:
        """Sends all at once, made and sealed before the first leaves."""
        body = {"instructions": list(instructions), "wait": wait}
        answer: list[dict[str, Any]] = await self._ask("POST", "/burst", body)
        return answer

    async def set_faults(self, *faults: dict[str, Any]) -> None:
        """These and no others from now on."""
        await self._ask("POST", "/faults", {"faults": list(faults)})

    async def add_fault(self, fault: Mapping[str, Any]) -> int:
        """Beside those that are set; gives back its id."""
        answer = await self._ask("POST", "/faults/add", {"faults": [dict(fault)]})
        return max(int(one["id"]) for one in answer["faults"])

    async def remove_fault(self, number: int) -> None:
        """Of one that is used up nothing is left to remove: DeskRefused too."""
        await self._ask("DELETE", f"/faults/{number}")

    async def faults(self) -> dict[int, dict[str, Any]]:
        """Those that are still set, by id."""
        return {int(one["id"]): one for one in (await self._ask("GET", "/faults"))["faults"]}

    async def set_clock(self, seconds: float) -> None:
        """How far its clock is ahead."""
        await self._ask("POST", "/clock", {"seconds": seconds})

    async def switch_outage(self, on: bool) -> None:
        await self._ask("POST", "/outage", {"on": on})

    async def noted(self, since: int) -> Noted:
        """All it sent and got after entry number `since`, as far as it still remembers."""
        answer = await self._ask("GET", f"/messages?since={since}")
        return Noted(tuple(answer["messages"]), int(answer["last"]))

    async def last_noted(self) -> int:
        return int((await self._ask("GET", "/health"))["messages"])

    async def tenants(self) -> frozenset[str]:
        """The participants it knows."""
        return frozenset((await self._ask("GET", "/health"))["tenants"])

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        if self._session is None:
            raise RuntimeError("the desk is used as a context manager")
        try:
            async with self._session.request(method, self._url + path, json=body) as response:
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise DeskRefused(f"{path}: {type(error).__name__} {error}") from None
        if response.status != 200:
            raise DeskRefused(f"{path}: {response.status} {answer.get('detail', '')}")
        return answer
