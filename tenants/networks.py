"""Which addresses the host may connect to: those of the public internet, and those in networks that
the vendor allows by name. Whoever resolves or connects asks here; nothing is resolved here.

The tables follow the IANA registries of special-purpose addresses (RFC 6890) and do not depend on
the release of Python, whose own opinion of what is private has changed between patches.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

from django.conf import settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_IPV4 = {
    IPv4Network(network): what
    for network, what in (
        ("0.0.0.0/8", "of this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared behind a carrier's NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
}
_IPV6 = {
    IPv6Network(network): what
    for network, what in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("64:ff9b:1::/48", "private NAT64"),
        ("100::/64", "for discarding"),
        ("2001::/32", "Teredo"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "for documentation"),
        ("3fff::/20", "for documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
}
_GLOBAL_UNICAST = IPv6Network("2000::/3")

# Where an IPv4 address is carried inside, and how many bits follow it.
_CARRIERS = (
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("2002::/16"), 80),
)


def allowed_networks() -> tuple[Network, ...]:
    """Those that the vendor has named."""
    networks: tuple[Network, ...] = settings.ALLOWED_NETWORKS
    return networks


def refusal_of(address: Address, allowed: Iterable[Network] = ()) -> str | None:
    """Why the host does not connect to `address`, or None where it may.

    An IPv6 address that carries an IPv4 one is judged by that: it leads there.
    """
    inner = _carried_in(address)
    if any(_is_within(one, network) for network in allowed for one in {address, inner}):
        return None
    what = _special(inner)
    if what is None:
        return None
    told = f"{address}" if inner == address else f"{address}, which carries {inner},"
    return f"{told} is {what}"


def refusal_of_host(host: str, allowed: Iterable[Network] = ()) -> str | None:
    """As `refusal_of`, where `host` is an address and no name: of a name nothing is known before it
    is resolved.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return refusal_of(address, allowed)


def _carried_in(address: Address) -> Address:
    for network, bits in _CARRIERS:
        if isinstance(address, IPv6Address) and address in network:
            return IPv4Address((int(address) >> bits) & 0xFFFF_FFFF)
    return address


def _special(address: Address) -> str | None:
    if isinstance(address, IPv4Address):
        return next((what for network, what in _IPV4.items() if address in network), None)
    # A zone says through which of our interfaces: it does not make the address another.
    plain = IPv6Address(int(address))
    found = next((what for network, what in _IPV6.items() if plain in network), None)
    return found or (None if plain in _GLOBAL_UNICAST else "reserved")


def _is_within(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network
