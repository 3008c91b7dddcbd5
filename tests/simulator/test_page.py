"""The admin page: whole in one document, closed to everything else, and alive in a browser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

from messaging.simulator.page import load_page
from tests.simulator.peer import boa
from tests.simulator.rig import rig


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


def test_a_browser_shows_what_is_set_and_what_was_said(
    os_tool: Callable[[str], str], tmp_path: Path
) -> None:
    """Drawn by the page's own script under its own policy."""

    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.control("POST", "/dispatch?wait=0", boa(soFlag="<b>bold</b>"))
            await on.fault("reordered", count=7)
            shown = await _draw(os_tool("chromium"), on.simulator.control_port, tmp_path)
            for words in ("in service", "1 fault set", "count 7", "instruction BOA BMU-1"):
                assert words in shown
            assert "A 14-hour outage" in shown
            assert "CPALFA (ALICE)" in shown
            assert "200 RECEIVED" in shown
            assert "&lt;b&gt;bold&lt;/b&gt;" in shown
            assert "does not answer" not in shown

    asyncio.run(scenario())


async def _draw(chromium: str, port: int, folder: Path) -> str:
    """The page as it stands after some seconds of its own time, without the script's text."""
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
    browser = await asyncio.create_subprocess_exec(
        chromium,
        *options,
        f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=3000",
        "--dump-dom",
        f"http://127.0.0.1:{port}/",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(60):
            out, _ = await browser.communicate()
    finally:
        if browser.returncode is None:
            browser.kill()
            await browser.wait()
    return re.sub(r"<script>.*</script>", "", out.decode(), flags=re.DOTALL)
