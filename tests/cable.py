"""A cable between a process of ours and a server, which a test can cut, mend, stall and slow."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Self
from urllib.parse import SplitResult, urlsplit


class Cable:
    """Listens on a port of this machine and carries bytes to the server of a URL and back, each
    piece `lag` seconds after it came.
    """

    def __init__(self, url: str) -> None:
        self.lag = 0.0
        self._flows = threading.Event()
        self._flows.set()
        self._url: SplitResult = urlsplit(url)
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._is_cut = True

    def __enter__(self) -> Self:
        self.mend()
        return self

    def __exit__(self, *exc: object) -> None:
        self.cut()

    @property
    def url(self) -> str:
        """The server's URL, by way of the cable."""
        login, at, _ = self._url.netloc.rpartition("@")
        return self._url._replace(netloc=f"{login}{at}127.0.0.1:{self.port}").geturl()

    def cut(self) -> None:
        """Ends what is connected, and refuses who comes."""
        self._is_cut = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._listener.close()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._is_cut = False
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def stall(self) -> None:
        """Carries nothing from now on, and leaves everything connected."""
        self._flows.clear()

    def flow(self) -> None:
        self._flows.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection((self._url.hostname or "", self._url.port or 0), 5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._ends |= {near, far}
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()
            if self._is_cut:
                self.cut()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                self._flows.wait()
                time.sleep(self.lag)
                target.sendall(piece)
        with self._lock:
            self._ends -= {source, target}
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
