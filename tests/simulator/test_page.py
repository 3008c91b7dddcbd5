"""The admin page: whole in one document, closed to everything else, and alive in a browser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

from messaging.simulator.drills.day_file import load_day
from messaging.simulator.page import load_page
from tests.simulator.browser import Page, browse
from tests.simulator.cast import alice, make_cast
from tests.simulator.peer import boa
from tests.simulator.rig import Rig, rig
from tests.simulator.test_day import ROWS, write


def test_the_page_brings_everything_and_its_policy_lets_nothing_else_in(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            url = f"http://127.0.0.1:{on.simulator.control_port}/"
            async with on.session.get(url) as answer:
                html = await answer.text()
                policy = answer.headers["Content-Security-Policy"]
            assert answer.content_type == "text/html"
            for words in ("default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"):
                assert words in policy
            assert "unsafe" not in policy
            assert len(re.findall(r"'sha256-[^']{44}'", policy)) == 2
            assert not re.findall(r"""(?:src|href)=["'](?!data:|/notice)[^"']+""", html)
            assert not re.findall(r"""\son\w+=|\sstyle=""", html)

    asyncio.run(scenario())


def test_nothing_that_was_received_is_written_into_the_page_as_markup() -> None:
    html = load_page().html.decode()
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way not in html


def shows(words: str) -> str:
    return f"document.body.innerText.includes({words!r})"


def fill(form: str, **values: object) -> str:
    """Fills some fields of a form in, and sends it as its own button does."""
    steps = [f"const form = document.getElementById({form!r})"]
    for name, value in values.items():
        steps.append(f"form.elements[{name!r}].value = {value!r}")
        steps.append(f"form.elements[{name!r}].dispatchEvent(new Event('change'))")
    return "{" + "; ".join((*steps, "form.requestSubmit()")) + "}"


def click(button: str) -> str:
    return f"document.getElementById({button!r}).click()"


async def shown_lamps(page: Page) -> list[str]:
    script = "[...document.querySelectorAll('#lamps li')].map((one) => one.textContent)"
    lamps: list[str] = await page.run(script)
    return lamps


def test_a_browser_shows_what_is_set_and_said_and_drives_it_all(
    os_tool: Callable[[str], str], tmp_path: Path
) -> None:
    """In a real one, under the page's own policy; whatever it complains of fails the test."""

    async def scenario() -> None:
        file = load_day(write(tmp_path, *ROWS))
        async with rig(tmp_path, day=file, tenants=[alice(make_cast(), tmp_path)]) as on:
            await on.control("POST", "/dispatch?wait=0", boa(soFlag="<b>bold</b>"))
            url = f"http://127.0.0.1:{on.simulator.control_port}/"
            async with browse(os_tool("chromium"), url, tmp_path) as page:
                await look(page)
                await drive(page, on)
                assert page.complaints == []

    asyncio.run(scenario())


async def look(page: Page) -> None:
    for words in ("in service", "instruction BOA BMU-1", "200 RECEIVED", "CPALFA (ALICE)"):
        await page.until(shows(words))
    assert await page.run("document.querySelector('main b') === null")
    assert await page.run("document.querySelector('#messages pre').textContent.includes('<b>')")


async def drive(page: Page, on: Rig) -> None:
    await page.run(fill("dispatch", level=40))
    sent = (await on.host.wait_for(2))[1].payload
    assert [one["levelTo"] for one in sent["levels"]] == [40, 40, 0]
    await page.run("document.querySelector('[value=EMERGENCY]').click()")
    await page.run(click("send-burst"))
    assert {one.payload["kind"] for one in (await on.host.wait_for(52))[2:]} == {"EMERGENCY"}
    await page.run(fill("fault", fault="reordered", times=3))
    await page.until(shows("1 fault set"))
    [fault] = (await on.control("GET", "/faults"))["faults"]
    assert (fault["fault"], fault["count"], fault["times"]) == ("reordered", 2, 3)
    await page.run("document.querySelector('#faults button').click()")
    await page.until(f"!({shows('1 fault set')})")
    await page.run(fill("outage", hours=14, speed=1, announce=0))
    await page.run(fill("clock", seconds=90))
    await page.run(fill("rotate", what="signing"))
    for words in ("clock +90 s", "certificates rotated", "the notice's text"):
        await page.until(shows(words))
    assert (await shown_lamps(page))[0] == "out"
    for button in ("back", "revert"):
        await page.run(click(button))
    await page.run(fill("clock", seconds=0))
    await page.until(shows("in service"))
    await page.run(fill("scenario", name="rotation", speed=1000))
    await page.until(shows("Certificate rotation: 9 of 9 done"))
    await page.run(fill("day", date="2026-03-01", speed=""))
    await page.until(shows("3 of 3 sent, 3 answered 200"))
