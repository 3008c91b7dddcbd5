"""Servers on this machine that speak TLS, or don't, as a peer may."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from messaging.rehearsal.authority import Authority, Issued
from tenants import tls

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def server_context(issued: Issued, folder: Path, client_ca: str | None = None) -> ssl.SSLContext:
    certificate, key = folder / "peer.pem", folder / "peer.key"
    issued.write(certificate, key)
    if client_ca is not None:
        return tls.server_context(certificate, key, client_ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def client_context(trusted: Authority) -> ssl.SSLContext:
    """Of somebody without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=trusted.pem)
    return context


@contextmanager
def listening(serve: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Iterator[int]:
    """The port of a server that does `serve` with every connection, on a thread each."""
    open_ones: list[socket.socket] = []

    def each(connected: socket.socket) -> None:
        with suppress(OSError):
            serve(connected)

    def accept() -> None:
        while True:
            try:
                connected, _ = listener.accept()
            except OSError:
                return
            open_ones.append(connected)
            threading.Thread(target=each, args=(connected,), daemon=True).start()

    with socket.create_server((host, 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for one in open_ones:
                one.close()


def answering(context: ssl.SSLContext, answer: bytes = OK) -> Callable[[socket.socket], None]:
    """Answers every request of a connection alike."""

    def serve(connected: socket.socket) -> None:
        with context.wrap_socket(connected, server_side=True) as peer:
            while peer.recv(65_536):
                peer.sendall(answer)

    return serve


def plain(connected: socket.socket) -> None:
    """HTTP without TLS."""
    while connected.recv(65_536):
        connected.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def silent(connected: socket.socket) -> None:
    """Takes the connection and what comes, and says nothing."""
    while connected.recv(65_536):
        pass
