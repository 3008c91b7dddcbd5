"""Web processes of the API on a test module's database, for tests that kill and freeze them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from hostsvc.supervisor import free_ports, tcp_ready
from tests.servers import ROOT, TestServers

T = TypeVar("T")
WAIT_SECONDS = 60.0
START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    told: Any
    is_repeat: bool


@dataclass(frozen=True, slots=True)
class Web:
    """One of them, and what it is asked as."""

    port: int
    process: subprocess.Popen[bytes]
    api_key: str

    def post(self, path: str, content: bytes, media: str, key: str) -> Answer | None:
        return post(self.port, self.api_key, path, content, media, key)


def post(port: int, api_key: str, path: str, content: bytes, media: str, key: str) -> Answer | None:
    """None where the connection broke before there was an answer."""
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    try:
        asking.request("POST", path, content, headers_of(api_key, media, key))
        return answer_to(asking)
    except ConnectionError:
        return None
    finally:
        asking.close()


def headers_of(api_key: str, media: str, key: str) -> dict[str, str]:
    return {"X-API-Key": api_key, "Content-Type": media, "Idempotency-Key": key}


def answer_to(asking: http.client.HTTPConnection) -> Answer | None:
    """To a request that was sent. None where the connection breaks instead."""
    try:
        answer = asking.getresponse()
        is_repeat = answer.headers["Idempotent-Replayed"] == "true"
        return Answer(answer.status, json.load(answer), is_repeat)
    except (ConnectionError, http.client.HTTPException):
        return None


@contextmanager
def webs(
    servers: TestServers, database: str, api_key: str, *settings: dict[str, str]
) -> Iterator[list[Web]]:
    """As many as there are settings, started at once."""
    ports = free_ports(len(settings))
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                _started(
                    {
                        **servers.environment(database),
                        "HOSTSVC_WEB_LISTEN": f"127.0.0.1:{port}",
                        "HOSTSVC_LOG_LEVEL": "CRITICAL",
                        **own,
                    }
                )
            )
            for port, own in zip(ports, settings, strict=True)
        ]
        for port in ports:
            until(partial(tcp_ready, "127.0.0.1", port), START_SECONDS)
        yield [Web(*each, api_key) for each in zip(ports, processes, strict=True)]


@contextmanager
def _started(settings: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "hostsvc.web"], cwd=ROOT, env={**os.environ, **settings}
    )
    try:
        yield process
    finally:
        for ending in (signal.SIGKILL, signal.SIGCONT):
            process.send_signal(ending)
        process.wait(WAIT_SECONDS)


def until(holds: Callable[[], T | None], seconds: float = WAIT_SECONDS) -> T:
    """Waits until something is true, and gives it back."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)
    return found
