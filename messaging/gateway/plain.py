"""Who is calling without TLS: nobody, unless the peer's address is in a tunnel that the vendor says
is a tenant's, and a control point of that tenant allows that address in its own settings and is the
one that HELLO names.

An address, a name or a control point that may not are answered alike: what there is, is not told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from uuid import UUID

from django.conf import settings

from messaging.gateway.identity import Caller
from messaging.protocols.base import RemoteProtocolError, UnknownProfile
from messaging.protocols.edl.framing import Splitter
from messaging.protocols.edl.head import read_head
from messaging.protocols.edl.profile import EdlProfile
from messaging.relay.codecs import legacy_codec
from messaging.relay.register import LEGACY_PROTOCOL, ControlPoint, as_control_point
from messaging.relay.settings import control_point_settings
from tenants import directory
from tenants.models import Endpoint
from tenants.scope import in_tenant, reconnecting

FIRST_BYTES = 1024
"""More than any HELLO has."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Whose tunnel an address comes out of, and the control points that may connect from there."""

    tenant_id: UUID | None
    control_points: tuple[ControlPoint, ...] = ()


def tunnel_of(host: str) -> Tunnel:
    """By the vendor's word and the endpoints' settings. Raises DatabaseError."""
    participant = _participant(host)
    if participant is None:
        return Tunnel(None)
    kind, name = directory.Known.PARTICIPANT, participant.encode()
    tenant_id = reconnecting(lambda: directory.find_tenant(kind, name))
    if tenant_id is None:
        return Tunnel(None)
    return Tunnel(tenant_id, in_tenant(tenant_id, lambda: _allowed(host)))


def still_allowed(tenant_id: UUID, endpoint_id: UUID, host: str) -> bool:
    """Whether its settings still allow it. Raises DatabaseError."""
    allowed = in_tenant(tenant_id, lambda: _allowed(host))
    return endpoint_id in {one.endpoint_id for one in allowed}


async def first_words(reader: asyncio.StreamReader, tunnel: Tunnel) -> bytes:
    """What the peer says until its first message is whole in any of the profiles it may speak in;
    less where it goes, or says too much.
    """
    splitters = [Splitter(profile.framing) for profile in _profiles(tunnel)]
    said = b""
    while len(said) < FIRST_BYTES:
        piece = await reader.read(FIRST_BYTES)
        if not piece:
            break
        said += piece
        for splitter in splitters:
            splitter.feed(piece)
        if any(splitter.next_message() for splitter in splitters):
            break
    return said


def caller_of(first: bytes, tunnel: Tunnel, address: str) -> Caller:
    """Two of one name, of different environments, that allow the same address: neither is meant."""
    named = [one for one in tunnel.control_points if _is_named(one, first)]
    found = named[0] if len(named) == 1 else None
    return Caller(b"", address, tunnel.tenant_id, found)


def _participant(host: str) -> str | None:
    tunnels = settings.EDL_TUNNELS
    return next((name for name, network in tunnels if _is_within(host, [network])), None)


def _allowed(host: str) -> tuple[ControlPoint, ...]:
    """Of the tenant in scope."""
    return tuple(
        as_control_point(row)
        for row in Endpoint.objects.filter(protocol=LEGACY_PROTOCOL).order_by("id")
        if _is_within(host, control_point_settings(row.settings).plain_from)
    )


def _profiles(tunnel: Tunnel) -> Iterable[EdlProfile]:
    yield legacy_codec({}).profile
    for one in tunnel.control_points:
        if (profile := _profile(one)) is not None:
            yield profile


def _profile(control_point: ControlPoint) -> EdlProfile | None:
    try:
        return legacy_codec(control_point.settings).profile
    except UnknownProfile:
        return None


def _is_named(control_point: ControlPoint, first: bytes) -> bool:
    profile = _profile(control_point)
    if profile is None:
        return False
    splitter = Splitter(profile.framing)
    splitter.feed(first)
    content = splitter.next_message()
    try:
        return content is not None and (
            read_head(profile, content)[0].control_point == control_point.name
        )
    except RemoteProtocolError:
        return False


def _is_within(host: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """An IPv4 peer of a listener that takes both is seen in IPv6's clothes. One that went away
    before it could be asked has no address.
    """
    try:
        address: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address.version == one.version and address in one for one in networks)
