"""Handshakes that fail, over real sockets and on both event loops: each is told of once, with the
peer's address and the reason; a peer that only goes away is not.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
import uvloop

from messaging.edge.listener import TlsListener
from messaging.rehearsal.authority import Authority, Issued
from tenants import tls

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class Echo(asyncio.Protocol):
    """Says back what it hears."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


@dataclass(slots=True)
class Place:
    """A listener with those whom it refused."""

    listener: TlsListener
    trusted: Authority
    folder: Path
    refused: list[tuple[str, str]] = field(default_factory=list)

    @property
    def port(self) -> int:
        port: int = self.listener.sockets[0].getsockname()[1]
        return port

    def context(self, shown: Issued | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.trusted.pem)
        if shown is not None:
            certificate, key = self.folder / "client.pem", self.folder / "client.key"
            shown.write(certificate, key)
            context.load_cert_chain(certificate, key)
        return context

    async def echoed(self, shown: Issued | None) -> bytes:
        """What comes back of three bytes; none where the host closes the connection."""
        context = self.context(shown)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
            writer.write(b"abc")
            said = await asyncio.wait_for(reader.read(3), 10)
            writer.transport.abort()
        except OSError:
            return b""
        return said

    async def plain(self, content: bytes, *, stays: bool = True) -> bytes:
        """Bytes without TLS, and what comes back until the host closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(content)
        await writer.drain()
        if not stays:
            writer.close()
            await asyncio.sleep(0.2)
            return b""
        try:
            return await asyncio.wait_for(reader.read(), 10)
        except OSError:
            return b""
        finally:
            writer.transport.abort()

    async def the_one_refused(self) -> str:
        """The reason told of it, once; its address is one of this machine's."""
        for _ in range(100):
            if self.refused:
                break
            await asyncio.sleep(0.02)
        ((reason, address),) = self.refused
        assert re.fullmatch(r"127\.0\.0\.1:\d+", address)
        return reason


Scene = Callable[[Place], Awaitable[None]]


@pytest.fixture(params=list(LOOPS))
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., None]:
    """Runs a scene beside a listener, on each of the loops."""

    def run(scene: Scene, *, most: int = 100) -> None:
        async def work() -> None:
            trusted = Authority("trusted")
            certificate, key = tmp_path / "host.pem", tmp_path / "host.key"
            trusted.issue("host").write(certificate, key)
            context = tls.server_context(certificate, key, trusted.pem)
            refused: list[tuple[str, str]] = []
            listener = TlsListener(
                context, Echo, lambda reason, address: refused.append((reason, address)), 1.0, most
            )
            listener.listen("127.0.0.1", 0)
            try:
                await asyncio.wait_for(scene(Place(listener, trusted, tmp_path, refused)), 60)
            finally:
                listener.close()
                await listener.wait_closed()

        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(work())

    return run


def test_a_handshake_that_holds_is_served_and_not_told_of(play: Callable[..., None]) -> None:
    async def scene(place: Place) -> None:
        shown = place.trusted.issue("friend")
        assert await place.echoed(shown) == b"abc"
        assert not place.refused

    play(scene)


SHOWN: dict[str, tuple[Callable[[Authority], Issued | None], str]] = {
    "no certificate": (lambda _: None, "peer did not return a certificate"),
    "a stranger's": (lambda _: Authority("other").issue("x"), "unable to get local issuer"),
    "an expired one": (
        lambda trusted: trusted.issue("late", lifetime=timedelta(days=-1)),
        "certificate has expired",
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_certificate_that_does_not_hold_is_told_of_with_the_reason(
    play: Callable[..., None], name: str
) -> None:
    make, reason = SHOWN[name]

    async def scene(place: Place) -> None:
        assert await place.echoed(make(place.trusted)) == b""
        assert reason in await place.the_one_refused()

    play(scene)


@pytest.mark.parametrize(
    "content",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"CPALFA^HELLO 0000000020261122100000^\n", b"\0" * 500],
    ids=["HTTP", "EDL", "zeros"],
)
def test_plain_text_is_told_of(play: Callable[..., None], content: bytes) -> None:
    async def scene(place: Place) -> None:
        await place.plain(content)
        assert (await place.the_one_refused()).startswith("TLS handshake failed: ")

    play(scene)


@pytest.mark.parametrize("content", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_a_handshake_that_does_not_end_is_cut_off_and_told_of(
    play: Callable[..., None], content: bytes
) -> None:
    async def scene(place: Place) -> None:
        await place.plain(content)
        assert await place.the_one_refused() == "TLS handshake not finished in time"

    play(scene)


@pytest.mark.parametrize("content", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_a_peer_that_goes_away_was_not_refused(play: Callable[..., None], content: bytes) -> None:
    async def scene(place: Place) -> None:
        await place.plain(content, stays=False)
        assert await place.echoed(place.trusted.issue("friend")) == b"abc"
        assert not place.refused

    play(scene)


def test_those_who_only_hold_connections_open_push_each_other_out_and_nobody_else(
    play: Callable[..., None],
) -> None:
    async def scene(place: Place) -> None:
        held = [socket.create_connection(("127.0.0.1", place.port), 5) for _ in range(30)]
        try:
            assert await place.echoed(place.trusted.issue("friend")) == b"abc"
            reasons = [reason for reason, _ in place.refused]
            assert reasons == ["TLS handshake pushed out by newer ones"] * 26
            for _ in range(100):
                if len(place.refused) == 30:
                    break
                await asyncio.sleep(0.05)
            assert [reason for reason, _ in place.refused[26:]] == [
                "TLS handshake not finished in time"
            ] * 4
        finally:
            for one in held:
                one.close()

    play(scene, most=5)


def test_after_closing_nobody_is_let_in_and_those_inside_stay(play: Callable[..., None]) -> None:
    async def scene(place: Place) -> None:
        context = place.context(place.trusted.issue("friend"))
        port = place.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        place.listener.close()
        await place.listener.wait_closed()
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"two")
        assert await reader.readexactly(3) == b"two"
        writer.transport.abort()

    play(scene)
