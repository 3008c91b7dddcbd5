"""Whom a plain connection's address and first words stand for."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import override_settings

from messaging.gateway import plain
from messaging.protocols.edl.loading import load_profile
from messaging.protocols.edl.profile import Role
from messaging.protocols.edl.session import Session
from tenants import endpoints
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import tenant_scope
from tests.people import Person

TUNNELS = {"ALICE": "10.8.1.0/24", "BOB": "10.8.2.0/24", "NOBODY": "10.8.3.0/24"}


@pytest.fixture(autouse=True)
def tunnels() -> Iterator[None]:
    found = tuple((name, ip_network(network)) for name, network in TUNNELS.items())
    with override_settings(EDL_TUNNELS=found):
        yield


def allow(person: Person, index: int = 0, **settings: Any) -> str:
    name = person.control_points[index]
    with tenant_scope(person.tenant_id):
        endpoints.change(Endpoint.objects.get(name=name), settings=settings)
    return name


def hello(name: str, profile: str = "host-1") -> bytes:
    session = Session(Role.CONTROL_POINT, load_profile(profile), now(), name)
    return session.hello(profile, 0, now())


def named(host: str, first: bytes) -> str | None:
    caller = plain.caller_of(first, plain.tunnel_of(host), f"{host}:1")
    assert caller.is_plain
    return caller.control_point.name if caller.control_point else None


@pytest.mark.parametrize("host", ["10.8.1.5", "::ffff:10.8.1.5"])
@pytest.mark.parametrize("profile", ["host-1", "delimited-1"])
def test_an_allowed_address_and_a_name_in_its_own_profile(
    alice: Person, host: str, profile: str
) -> None:
    name = allow(alice, plain_from=["10.8.1.5/32"], profile=profile)
    assert named(host, hello(name, profile)) == name
    assert named(host, hello("OTHER", profile)) is None
    assert named(host, b"") is None


def test_its_own_setting_alone_does_not_open_another_tenants_tunnel(
    alice: Person, bob: Person
) -> None:
    """Nor an address that is in nobody's, or in that of a participant who is no tenant."""
    everywhere = ["0.0.0.0/0", "::/0"]
    name, his = allow(alice, plain_from=everywhere), allow(bob, plain_from=everywhere)
    assert named("10.8.1.7", hello(name)) == name
    for host in ("10.8.2.7", "10.8.3.7", "10.9.0.1", "::1", "unknown"):
        assert named(host, hello(name)) is None
    assert named("10.8.1.7", hello(his)) is None
    assert named("10.8.2.7", hello(his)) == his


def test_a_tunnel_alone_opens_nothing(alice: Person) -> None:
    name = allow(alice)
    tunnel = plain.tunnel_of("10.8.1.7")
    assert (tunnel.tenant_id, tunnel.control_points) == (alice.tenant_id, ())
    assert named("10.8.1.7", hello(name)) is None
