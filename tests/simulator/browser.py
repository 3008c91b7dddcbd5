"""A headless Chromium that a test drives over its debugging port: opens a page, runs script in it,
and keeps what the page complained of.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "about:blank",
)
SECONDS = 60.0
COMPLAINTS = frozenset({"Runtime.exceptionThrown", "Log.entryAdded"})


class Page:
    """One page. `complaints` are its errors: of its script, of its policy, of what it asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._is_loaded = False
        self.complaints: list[str] = []

    async def call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(SECONDS):
            while True:
                said = await self._next()
                if said.get("id") == number:
                    assert "error" not in said, said
                    return said["result"]

    async def open(self, url: str) -> None:
        """Returns once it is loaded."""
        await self.call("Page.navigate", url=url)
        async with asyncio.timeout(SECONDS):
            while not self._is_loaded:
                await self._next()

    async def _next(self) -> Any:
        said = await self._socket.receive_json()
        method = said.get("method")
        self._is_loaded |= method == "Page.loadEventFired"
        if method in COMPLAINTS:
            self.complaints.append(str(said["params"]))
        return said

    async def run(self, script: str) -> Any:
        told = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def until(self, script: str) -> None:
        """Waits until it is true in the page."""
        async with asyncio.timeout(SECONDS):
            while not await self.run(script):  # noqa: ASYNC110 - in another program
                await asyncio.sleep(0.05)


@asynccontextmanager
async def browse(chromium: str, url: str, folder: Path) -> AsyncIterator[Page]:
    profile = folder / "profile"
    browser = await asyncio.create_subprocess_exec(
        chromium,
        f"--user-data-dir={profile}",
        *OPTIONS,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                [target] = [one for one in await answer.json() if one["type"] == "page"]
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "Log"):
                    await page.call(f"{domain}.enable")
                await page.open(url)
                yield page
    finally:
        browser.terminate()
        await browser.wait()


async def _port(file: Path) -> int:
    async with asyncio.timeout(SECONDS):
        while (port := _read_port(file)) is None:  # noqa: ASYNC110 - in another program
            await asyncio.sleep(0.05)
    return port


def _read_port(file: Path) -> int | None:
    """The first of two lines, which the browser writes once it listens."""
    text = file.read_text() if file.exists() else ""
    return int(text.splitlines()[0]) if "\n" in text else None
