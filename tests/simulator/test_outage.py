"""Outages announced, at any speed, and the text that announces them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from messaging.simulator.drills.notice import write_notice
from messaging.simulator.outage import Outage, Window
from tests.simulator.peer import mel, message
from tests.simulator.rig import Rig, rig

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


async def _notice(on: Rig) -> tuple[int, str]:
    async with on.session.get(f"http://127.0.0.1:{on.simulator.control_port}/notice") as answer:
        return answer.status, await answer.text()


def test_fourteen_hours_pass_at_speed_and_a_message_held_meanwhile_is_taken_after(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            switched = {"on": True, "seconds": 14 * 3600, "speed": 14 * 3600 / 0.3}
            assert (await on.control("POST", "/outage", switched))["on"]
            payload = mel()
            answer = await on.send("NESO_Redeclaration", on.seal().close(payload))
            assert answer.status == 503
            assert on.open(answer, payload["messageId"])["errors"][0]["code"] == "R999"
            assert (await on.say("NESO_Health", message("health")))["status"] == "OUTAGE"
            await asyncio.sleep(0.3)
            assert (await on.say("NESO_Redeclaration", payload))["status"] == "ACCEPTED"

    asyncio.run(scenario())


def test_an_announced_outage_has_its_notice_before_it_begins(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            assert (await _notice(on))[0] == 404
            switched = {"on": True, "seconds": 3600, "announce": 0.2}
            told = await on.control("POST", "/outage", switched)
            assert (told["on"], told["planned"]) == (False, True)
            status, text = await _notice(on)
            assert status == 200
            assert "NESO_Redeclaration" in text
            await on.say("NESO_Redeclaration", mel())
            await asyncio.sleep(0.21)
            assert (await on.control("GET", "/health"))["status"] == "OUTAGE"
            told = await on.control("POST", "/outage", {"on": False})
            assert (told["on"], told["planned"]) == (False, False)

    asyncio.run(scenario())


def test_the_notice_tells_the_times_of_the_outage_that_is_rehearsed() -> None:
    text = write_notice(Window(AT, AT + timedelta(seconds=14), 3600.0), AT)
    assert "From 23/11/2026 08:00 GMT to 23/11/2026 22:00 GMT" in text
    assert "3600 times" in text
    assert "08:00:14" in text
    assert text.isascii()
    assert text.count("\r\n") == text.count("\n")


def test_an_outage_without_an_end_is_until_further_notice() -> None:
    assert "until further notice" in write_notice(Window(AT, None), AT)


def test_coming_back_shortens_the_window_and_calls_off_what_was_announced() -> None:
    outage = Outage()
    outage.switch(True, 60, ahead=60)
    outage.switch(False)
    assert not outage.is_on()
    assert not outage.is_planned()
    assert outage.window is not None
    assert outage.window.end == outage.window.begin
