"""The control port: plain JSON on loopback for whoever rehearses, to dispatch, to set faults and to
see what was said."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable

from aiohttp import web

from messaging.simulator.asking import read_object, read_seconds
from messaging.simulator.catalogue import CATALOGUE, FaultUnknown
from messaging.simulator.dispatch import Dispatch, Flight, NobodyThere
from messaging.simulator.faults import FaultBoard
from messaging.simulator.http import Problem
from messaging.simulator.ledger import Ledger
from messaging.simulator.live import LiveConfig
from messaging.simulator.outage import Outage
from messaging.simulator.posting import FRESH_SECONDS
from messaging.simulator.probe import Probe

_LONGEST_WAIT = 180.0
_DEFAULT_WAIT = 5.0


def check_loopback(host: str) -> str:
    """The control port has no password, so it listens nowhere else."""
    try:
        return host if ipaddress.ip_address(host).is_loopback else "127.0.0.1"
    except ValueError:
        return "127.0.0.1"


class Control:
    def __init__(
        self,
        live: LiveConfig,
        dispatch: Dispatch,
        faults: FaultBoard,
        ledger: Ledger,
        outage: Outage,
        probe: Probe,
    ) -> None:
        self._live = live
        self._dispatch = dispatch
        self._faults = faults
        self._ledger = ledger
        self._outage = outage
        self._probe = probe

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/dispatch", self.dispatch)
        app.router.add_get("/dispatch/{message_id}", self.look_up)
        app.router.add_post("/burst", self.burst)
        app.router.add_post("/faults", self.set_faults)
        app.router.add_get("/faults", self.show_faults)
        app.router.add_delete("/faults", self.clear_faults)
        app.router.add_post("/faults/add", self.add_faults)
        app.router.add_delete("/faults/{id}", self.remove_fault)
        app.router.add_post("/health", self.ask_host)
        app.router.add_get("/messages", self.show_messages)
        app.router.add_get("/health", self.show_health)

    async def dispatch(self, request: web.Request) -> web.Response:
        asked = await read_object(request)
        flight = self._start(asked, request)
        wait = read_seconds(request.query, "wait", _DEFAULT_WAIT, _LONGEST_WAIT)
        return web.json_response(await self._dispatch.follow(flight, wait))

    async def look_up(self, request: web.Request) -> web.Response:
        """Waits at most `wait` seconds in all, for the host's answer and the verdict."""
        flight = self._dispatch.find(request.match_info["message_id"])
        if flight is None:
            raise Problem(404, "no such instruction was dispatched")
        wait = read_seconds(request.query, "wait", 0.0, _LONGEST_WAIT)
        try:
            shown = await asyncio.wait_for(self._dispatch.follow(flight, wait), wait)
        except TimeoutError:
            shown = flight.show()
        return web.json_response(shown)

    async def burst(self, request: web.Request) -> web.Response:
        """All are made and sealed before the first leaves."""
        body = await read_object(request)
        items = body.get("instructions")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise Problem(400, "instructions is not a list of objects")
        wait = read_seconds(body, "wait", _DEFAULT_WAIT, _LONGEST_WAIT)
        flights = [self._start(item, request) for item in items]
        follow = self._dispatch.follow
        return web.json_response(
            await asyncio.gather(*(follow(flight, wait) for flight in flights))
        )

    def _start(self, asked: dict[str, object], request: web.Request) -> Flight:
        persist = read_seconds(request.query, "persist", FRESH_SECONDS, FRESH_SECONDS)
        try:
            return self._dispatch.start(asked, request.query.get("participantId"), persist)
        except NobodyThere as error:
            raise Problem(400, str(error)) from None

    async def set_faults(self, request: web.Request) -> web.Response:
        """These and no others from now on."""
        return await self._change_faults(request, self._faults.set)

    async def add_faults(self, request: web.Request) -> web.Response:
        return await self._change_faults(request, self._faults.add)

    async def _change_faults(
        self, request: web.Request, change: Callable[[list[object]], object]
    ) -> web.Response:
        items = (await read_object(request)).get("faults")
        if not isinstance(items, list):
            raise Problem(400, "faults is not a list", catalogue=_catalogue())
        try:
            change(items)
        except FaultUnknown as error:
            raise Problem(400, str(error), catalogue=_catalogue()) from None
        return await self.show_faults(request)

    async def remove_fault(self, request: web.Request) -> web.Response:
        number = request.match_info["id"]
        known = number.isascii() and number.isdecimal() and len(number) < 16
        if not known or not self._faults.remove(int(number)):
            raise Problem(404, "no fault of that id is set")
        return await self.show_faults(request)

    async def show_faults(self, request: web.Request) -> web.Response:
        return web.json_response({"faults": self._faults.show(), "catalogue": _catalogue()})

    async def clear_faults(self, request: web.Request) -> web.Response:
        self._faults.clear()
        return await self.show_faults(request)

    async def ask_host(self, request: web.Request) -> web.Response:
        """Sends Health to the host in the name of one tenant's connection."""
        whose = (await read_object(request)).get("participantId")
        tenant = self._live.refresh().tenants.get(whose) if isinstance(whose, str) else None
        if tenant is None:
            raise Problem(400, "participantId is not a configured tenant's")
        return web.json_response(await self._probe.ask(tenant))

    async def show_messages(self, request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        if not (since.isascii() and since.isdecimal()) or len(since) > 15:
            raise Problem(400, "since is not a number")
        entries = [entry.show() for entry in self._ledger.since(int(since))]
        return web.json_response({"messages": entries, "last": self._ledger.last})

    async def show_health(self, request: web.Request) -> web.Response:
        config = self._live.refresh()
        return web.json_response(
            {
                "status": "OUTAGE" if self._outage.is_on() else "OK",
                "participantId": config.participant_id,
                "tenants": sorted(config.tenants),
                "faults": len(self._faults.show()),
                "messages": self._ledger.last,
            }
        )


def _catalogue() -> dict[str, object]:
    return {name: kind.show() for name, kind in CATALOGUE.items()}
