"""Free loopback ports that stay the same from start to start."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Below the range from which systems take the local port of outgoing connections.
LOWEST, HIGHEST = 20_000, 32_000

_reserved: set[int] = set()


def free_ports(n: int, *, remember: Path | None = None) -> tuple[int, ...]:
    """n distinct free ports of 127.0.0.1: those in the file `remember` while they are still free.

    Until this process ends none of them is given to another process of this user's that asks here,
    whether or not somebody listens: a server that is being started again finds its port. Nothing
    keeps other programs from taking one a moment later.
    """
    before = iter(recall(remember))
    taken: list[int] = []
    for _ in range(n):
        port = next(before, None)
        if port is None or port in taken or not is_free(port):
            port = next(port for port in candidates() if is_free(port) and reserve(port))
        else:
            reserve(port)  # Or the process has it that started this one, for the same servers.
        taken.append(port)
    if remember is not None:
        write(remember, taken)
    return tuple(taken)


def candidates() -> Iterator[int]:
    while True:
        yield random.randint(LOWEST, HIGHEST)  # noqa: S311 - a port is no secret


def reserve(port: int) -> bool:
    """Whether no process of this user's has it: this one has it now, until it ends.

    The locks of one file's bytes, each its port's: the system drops them with the process, however
    that ends. Where no such file can be had, every port counts as nobody's.
    """
    if port in _reserved:
        return False
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except BlockingIOError:
        return False
    except OSError:
        return True
    _reserved.add(port)
    return True


@functools.cache
def _reservations() -> int:
    """Never closed: that would drop all locks of this process. Raises OSError, also where another
    user has laid the file there, and could keep every port from us.
    """
    path = Path(tempfile.gettempdir()) / f"hostsvc-ports-{os.getuid()}"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if os.fstat(file).st_uid != os.getuid():
        os.close(file)
        raise PermissionError(f"{path} is another user's")
    return file


def is_free(port: int) -> bool:
    """Whether a server could listen there: SO_REUSEADDR looks past connections that linger."""
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def loopback_answers() -> bool:
    """Whether a server at 127.0.0.1 can be reached: in a new network namespace it cannot, although
    one may listen there.
    """
    with (
        contextlib.suppress(OSError),
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5),
    ):
        return True
    return False


def recall(path: Path | None) -> list[int]:
    try:
        found = json.loads(path.read_text(encoding="ascii")) if path else []
    except (OSError, ValueError):
        return []
    ports = found if isinstance(found, list) else []
    return [port for port in ports if isinstance(port, int) and 0 < port < 65_536]


def write(path: Path, ports: list[int]) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(ports), encoding="ascii")
    draft.replace(path)
