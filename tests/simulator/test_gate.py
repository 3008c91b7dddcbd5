"""Who may ask the control port: this machine's own callers, and no web page from elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.simulator.rig import Rig, rig

OWN = {"Origin": "http://{host}"}
REFUSED: list[tuple[str, str, dict[str, str], int]] = [
    ("POST", "/outage", {"Origin": "http://example.com"}, 403),
    ("POST", "/outage", {"Origin": "null"}, 403),
    ("POST", "/outage", {"Origin": "http://127.0.0.1:1"}, 403),
    ("POST", "/outage", {"Origin": "https://{host}"}, 403),
    ("POST", "/outage", {"Sec-Fetch-Site": "cross-site"}, 403),
    ("POST", "/outage", {"Sec-Fetch-Site": "same-site"}, 403),
    ("POST", "/outage", {"Host": "example.com"}, 403),
    ("POST", "/outage", {"Host": "127.0.0.1.example.com"}, 403),
    ("POST", "/outage", {"Host": "192.0.2.1"}, 403),
    ("POST", "/outage", {"Host": ""}, 403),
    ("POST", "/outage", OWN | {"Content-Type": "text/plain"}, 415),
    ("POST", "/outage", OWN | {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ("POST", "/outage", OWN | {"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ("GET", "/messages", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
    ("GET", "/messages", {"Host": "rebound.example"}, 403),
    ("DELETE", "/faults", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
]
LINK = {
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}
TAKEN: list[tuple[str, str, dict[str, str]]] = [
    ("POST", "/outage", {}),
    ("POST", "/outage", {"Origin": "http://{host}", "Sec-Fetch-Site": "same-origin"}),
    ("POST", "/outage", {"Content-Type": "application/json; charset=utf-8"}),
    ("POST", "/outage", {"Content-Type": "application/x-www-form-urlencoded"}),
    ("GET", "/state", {"Host": "localhost"}),
    ("GET", "/state", {"Host": "[::1]:8000"}),
    ("GET", "/", LINK),
]


async def _ask(on: Rig, method: str, path: str, headers: dict[str, str]) -> int:
    host = f"127.0.0.1:{on.simulator.control_port}"
    sent = {"Content-Type": "application/json"} | {
        name: value.replace("{host}", host) for name, value in headers.items()
    }
    body = b'{"on": true}' if method == "POST" else None
    async with on.session.request(
        method, f"http://{host}{path}", data=body, headers=sent, skip_auto_headers=["Accept"]
    ) as answer:
        await answer.read()
        return answer.status


def test_a_web_page_from_elsewhere_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            for method, path, headers, status in REFUSED:
                assert await _ask(on, method, path, headers) == status, headers
            assert (await on.control("GET", "/health"))["status"] == "OK"

    asyncio.run(scenario())


@pytest.mark.parametrize(("method", "path", "headers"), TAKEN)
def test_an_own_caller_is_let_in(
    method: str, path: str, headers: dict[str, str], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            assert await _ask(on, method, path, headers) == 200

    asyncio.run(scenario())
