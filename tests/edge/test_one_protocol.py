"""A request for another protocol is one request, whatever follows its head and however it comes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn

from messaging.edge.shown import OneProtocolHttp

HEAD = (
    b"POST /asked HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
)
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: here\r\n\r\n"
ANSWER = b"one answer"


@dataclass
class Served:
    port: int = 0
    paths: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        length = str(len(ANSWER)).encode()
        start = {"type": "http.response.start", "status": 200}
        await send({**start, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": ANSWER})


class Hurried(OneProtocolHttp):
    LINGERS_S = 0.2


@pytest.fixture
def served() -> Iterator[Served]:
    app = Served()
    options: dict[str, Any] = {"ws": "none", "lifespan": "off", "log_config": None}
    server = uvicorn.Server(uvicorn.Config(app, http=Hurried, **options))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app.port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield app
        server.should_exit = True
        thread.join(30)


@pytest.mark.parametrize("body", [b"{}", HIDDEN])
@pytest.mark.parametrize("apart", [True, False])
def test_what_follows_a_request_for_another_protocol_is_no_request(
    served: Served, body: bytes, apart: bool
) -> None:
    head = HEAD % len(body)
    with socket.create_connection(("127.0.0.1", served.port), 10) as link:
        said = b""
        for piece in (head, body) if apart else (head + body,):
            link.sendall(piece)
            while apart and not said.endswith(ANSWER):
                said += link.recv(1000)
        while more := link.recv(1000):
            said += more
    assert served.paths == ["/asked"]
    assert said.count(b"HTTP/1.1") == 1
    assert said.endswith(ANSWER)


def test_a_usual_connection_is_kept(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), 10) as link:
        for _ in range(2):
            link.sendall(HIDDEN)
            said = b""
            while not said.endswith(ANSWER):
                said += link.recv(1000)
    assert served.paths == ["/hidden", "/hidden"]
