"""The control port's part for rehearsals: outage and notice, clock, certificates, market day,
scenarios, and the state of all of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

from aiohttp import web

from messaging.simulator.asking import read_choice, read_object, read_seconds
from messaging.simulator.drills.actions import Scenario
from messaging.simulator.drills.bundled import bundled
from messaging.simulator.drills.credentials import Unusable
from messaging.simulator.drills.day import NoDay, Wanted, read_speed
from messaging.simulator.drills.lines import BadScenario
from messaging.simulator.drills.notice import write_notice
from messaging.simulator.drills.player import Busy, ScenarioPlayer, Stage
from messaging.simulator.drills.rotation import WHAT, NothingAnnounced
from messaging.simulator.drills.scenario_file import parse_scenario
from messaging.simulator.drills.steps import MOST_SPEED
from messaging.simulator.http import Problem
from messaging.simulator.ledger import Ledger
from messaging.simulator.stamps import write_stamp

_WEEK = 7 * 86400.0
_YEAR = 366 * 86400.0
_DAY = 86400.0


class Desk:
    def __init__(self, stage: Stage, ledger: Ledger, player: ScenarioPlayer) -> None:
        self._stage = stage
        self._ledger = ledger
        self._player = player

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/state", self.show_state)
        app.router.add_post("/outage", self.switch_outage)
        app.router.add_get("/notice", self.show_notice)
        app.router.add_post("/clock", self.set_clock)
        app.router.add_get("/certificates", self.show_certificates)
        app.router.add_post("/certificates", self.change_certificates)
        app.router.add_delete("/certificates", self.revert_certificates)
        app.router.add_get("/day", self.show_day)
        app.router.add_post("/day", self.start_day)
        app.router.add_delete("/day", self.stop_day)
        app.router.add_get("/scenarios", self.show_scenarios)
        app.router.add_post("/scenarios", self.start_scenario)
        app.router.add_post("/scenarios/check", self.check_scenario)
        app.router.add_delete("/scenarios", self.stop_scenario)

    async def show_state(self, request: web.Request) -> web.Response:
        """Everything a page shows but the messages."""
        stage, config = self._stage, self._stage.live.refresh()
        return web.json_response(
            {
                "at": write_stamp(stage.clock.now()),
                "clockSeconds": stage.clock.offset.total_seconds(),
                "participantId": config.participant_id,
                "hostUrl": config.host_wa_url,
                "outage": self._outage(),
                "faults": stage.faults.show(),
                "certificates": stage.rotation.show(),
                "day": stage.day.show(),
                "scenario": self._player.show(),
                "scenarios": _read_bundled(),
                "counts": self._ledger.counts(),
                "messages": self._ledger.last,
                "tenants": [
                    {
                        "participantId": tenant.participant_id,
                        "controlPoints": [
                            {"name": point.name, "bmUnits": list(point.bm_units)}
                            for point in tenant.control_points.values()
                        ],
                    }
                    for tenant in config.tenants.values()
                ],
            }
        )

    def _outage(self) -> dict[str, object]:
        outage = self._stage.outage
        window = outage.window
        end = None if window is None else window.end
        return {
            "on": outage.is_on(),
            "planned": outage.is_planned(),
            "begins": None if window is None else write_stamp(window.begin),
            "ends": None if end is None else write_stamp(end),
            "speed": None if window is None else window.speed,
        }

    async def switch_outage(self, request: web.Request) -> web.Response:
        """For `seconds` at `speed` times the pace, from `announce` seconds on: those are true ones,
        whatever the speed."""
        body = await read_object(request)
        on = body.get("on")
        if not isinstance(on, bool):
            raise Problem(400, "on is neither true nor false")
        seconds = read_seconds(body, "seconds", 0.0, _WEEK) or None
        ahead = read_seconds(body, "announce", 0.0, _WEEK)
        speed = _read_speed(body) or 1.0
        self._stage.outage.switch(on, seconds if on else None, ahead=ahead, speed=speed)
        return web.json_response(self._outage())

    async def show_notice(self, request: web.Request) -> web.Response:
        window = self._stage.outage.window
        if window is None:
            raise Problem(404, "no outage has been announced: POST /outage")
        return web.Response(text=write_notice(window, self._stage.clock.now()))

    async def set_clock(self, request: web.Request) -> web.Response:
        """How many seconds the operator's clock is ahead; negative where it is behind."""
        body = await read_object(request)
        if "seconds" not in body:
            raise Problem(400, "seconds is missing")
        seconds = read_seconds(body, "seconds", 0.0, _YEAR, -_YEAR)
        self._stage.clock.offset = timedelta(seconds=seconds)
        return web.json_response({"seconds": seconds, "at": write_stamp(self._stage.clock.now())})

    async def show_certificates(self, request: web.Request) -> web.Response:
        return web.json_response(self._stage.rotation.show())

    async def change_certificates(self, request: web.Request) -> web.Response:
        """`announce` shows the next ones and, with `after`, uses them so many seconds later;
        `switch` uses what was announced; `rotate` uses new ones at once."""
        body, rotation = await read_object(request), self._stage.rotation
        do = read_choice(body, "do", ("announce", "switch", "rotate"))
        try:
            if do == "switch":
                rotation.switch()
            elif do == "rotate":
                rotation.rotate(read_choice(body, "what", WHAT))
            else:
                after = read_seconds(body, "after", 0.0, _WEEK) if "after" in body else None
                rotation.announce(read_choice(body, "what", WHAT), after)
        except (Unusable, NothingAnnounced) as error:
            raise Problem(409, str(error)) from None
        return await self.show_certificates(request)

    async def revert_certificates(self, request: web.Request) -> web.Response:
        self._stage.rotation.revert()
        return await self.show_certificates(request)

    async def show_day(self, request: web.Request) -> web.Response:
        return web.json_response(self._stage.day.show())

    async def start_day(self, request: web.Request) -> web.Response:
        try:
            self._stage.day.start(_read_wanted(await read_object(request)))
        except NoDay as error:
            raise Problem(409, str(error)) from None
        return await self.show_day(request)

    async def stop_day(self, request: web.Request) -> web.Response:
        self._stage.day.stop()
        return await self.show_day(request)

    async def show_scenarios(self, request: web.Request) -> web.Response:
        return web.json_response({"bundled": _read_bundled(), "playing": self._player.show()})

    async def start_scenario(self, request: web.Request) -> web.Response:
        """A bundled one by `name`, or a file's `text`; `speed` instead of its own."""
        body = await read_object(request)
        try:
            self._player.start(_parse(_read_text(body)), _read_speed(body))
        except Busy as error:
            raise Problem(409, str(error)) from None
        return await self.show_scenarios(request)

    async def check_scenario(self, request: web.Request) -> web.Response:
        """Says what is wrong with it line by line, and plays nothing."""
        scenario = _parse(_read_text(await read_object(request)))
        return web.json_response({"name": scenario.name, "happenings": len(scenario.happenings)})

    async def stop_scenario(self, request: web.Request) -> web.Response:
        await self._player.stop()
        return await self.show_scenarios(request)


def _read_speed(body: Mapping[str, object]) -> float | None:
    if body.get("speed") is None:
        return None
    return read_seconds(body, "speed", 1.0, MOST_SPEED, 0.001)


def _read_text(body: Mapping[str, object]) -> str:
    name, text = body.get("name"), body.get("text")
    if isinstance(text, str) and name is None:
        return text
    path = bundled().get(name) if isinstance(name, str) and text is None else None
    if path is None:
        raise Problem(400, f"give text, or as name one of {', '.join(bundled())}")
    return path.read_text("utf-8")


def _parse(text: str) -> Scenario:
    try:
        return parse_scenario(text)
    except BadScenario as error:
        faults = [{"line": one.line, "text": one.text} for one in error.faults]
        raise Problem(400, str(error), faults=faults) from None


def _read_bundled() -> list[dict[str, object]]:
    return [_summary(name, path) for name, path in bundled().items()]


def _summary(name: str, path: Path) -> dict[str, object]:
    scenario = parse_scenario(path.read_text("utf-8"))
    lasts, speed = scenario.ends, scenario.speed
    told = {"title": scenario.name, "about": scenario.about, "lasts": lasts, "speed": speed}
    return {"name": name, **told}


def _read_wanted(body: Mapping[str, object]) -> Wanted:
    day, limit, point = body.get("date"), body.get("limit"), body.get("controlPoint")
    if limit is not None and (type(limit) is not int or not 1 <= limit <= 1_000_000):
        raise Problem(400, "limit is neither null nor a whole number from 1")
    if point is not None and not isinstance(point, str):
        raise Problem(400, "controlPoint is neither null nor a text")
    try:
        chosen = None if day is None else date.fromisoformat(str(day))
        speed = read_speed(body.get("speed"))
    except NoDay as error:
        raise Problem(400, str(error)) from None
    except ValueError:
        raise Problem(400, "date is not a date (YYYY-MM-DD)") from None
    begin, end = (
        timedelta(seconds=read_seconds(body, name, default, _DAY))
        for name, default in (("fromSecond", 0.0), ("toSecond", _DAY))
    )
    return Wanted(chosen, speed, begin, end, limit, point)
