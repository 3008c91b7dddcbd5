"""Makes TCP connections to where the vendor lets the host go: a name is resolved once, every
address it has is looked at, and the connection is made to one that was looked at. So a name that
resolves otherwise a moment later leads nowhere else.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from messaging.transports.base import Refused, Unreachable
from tenants.networks import Address, Network, allowed_networks, refusal_of

MOST_ADDRESSES = 16
"""More of one name are not looked at, and so not gone to."""

Resolve = Callable[[str, int], Sequence[str]]
"""From a host name and port to addresses as text; raises OSError."""

SocketOptions = Iterable[tuple[int, int, int | bytes]]


class Forbidden(Refused):
    """The host may not connect there: an address of the name is in a network that is not public and
    that the vendor does not allow.
    """


def resolve_by_system(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class Guard:
    """Which networks may be connected to beside the public ones, and how names are resolved."""

    allowed: tuple[Network, ...] = ()
    resolve: Resolve = resolve_by_system

    @classmethod
    def of_vendor(cls) -> Guard:
        return cls(allowed_networks())


def find_addresses(guard: Guard, host: str, port: int, seconds: float) -> tuple[Address, ...]:
    """What the name resolves to, allowed or not. Raises Unreachable, also where it takes longer."""
    literal = _literal(host)
    if literal is not None:
        return (literal,)
    answer: queue.SimpleQueue[Sequence[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(guard.resolve(host, port))
        # A name that can't be encoded is told by a UnicodeError.
        except (OSError, UnicodeError) as error:
            answer.put(OSError(str(error)))

    # The system's resolver knows no time limit of ours; one that hangs ends by its own.
    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        found = answer.get(timeout=max(seconds, 0.01))
    except queue.Empty:
        raise Unreachable(f"{host} was not resolved in time") from None
    if isinstance(found, OSError):
        raise Unreachable(f"{host} is not resolved: {found}"[:300])
    if not found:
        raise Unreachable(f"{host} has no address")
    return tuple(ip_address(one) for one in found[:MOST_ADDRESSES])


def require_allowed(guard: Guard, host: str, addresses: Iterable[Address]) -> None:
    """Raises Forbidden where any one of the addresses is: which of them is gone to is chance."""
    for address in addresses:
        refusal = refusal_of(address, guard.allowed)
        if refusal is not None:
            raise Forbidden(f"{host}: {refusal}, and the vendor does not allow that network")


def connect(
    guard: Guard, host: str, port: int, seconds: float, options: SocketOptions = ()
) -> socket.socket:
    """A connected socket, its time limit `seconds`. Raises Unreachable or Forbidden."""
    deadline = time.monotonic() + seconds
    addresses = find_addresses(guard, host, port, seconds)
    require_allowed(guard, host, addresses)
    connected = connect_to(addresses, port, deadline, options)
    connected.settimeout(seconds)
    return connected


def connect_to(
    addresses: Sequence[Address], port: int, deadline: float, options: SocketOptions = ()
) -> socket.socket:
    """To the first that takes the connection before `deadline` (monotonic). Raises Unreachable."""
    failures = []
    for address in addresses:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            return _connect(address, port, left, options)
        except OSError as error:
            failures.append(f"{address}: {error}")
    raise Unreachable(f"port {port} takes no connection: {'; '.join(failures) or 'no time'}"[:300])


def _connect(address: Address, port: int, seconds: float, options: SocketOptions) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    connected = socket.socket(family, socket.SOCK_STREAM)
    try:
        for option in options:
            connected.setsockopt(*option)
        connected.settimeout(seconds)
        connected.connect((str(address), port))
    except OSError:
        connected.close()
        raise
    return connected


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
