"""Whose tunnel a network is, as the environment tells it."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from django.core.exceptions import ImproperlyConfigured

from hostsvc.env import Environment

NAME = "HOSTSVC_EDL_TUNNELS"


def test_a_tenant_may_have_several_tunnels() -> None:
    told = "ALDER=10.8.1.0/24, BIRCH=10.8.2.0/24,ALDER=fd00::/120,ALDER=10.8.1.0/28"
    assert Environment({NAME: told}).owned_networks(NAME) == (
        ("ALDER", ip_network("10.8.1.0/24")),
        ("BIRCH", ip_network("10.8.2.0/24")),
        ("ALDER", ip_network("fd00::/120")),
        ("ALDER", ip_network("10.8.1.0/28")),
    )
    assert Environment({}).owned_networks(NAME) == ()


@pytest.mark.parametrize(
    "told",
    [
        "10.8.1.0/24",
        "=10.8.1.0/24",
        "ALDER=",
        "ALDER=10.8.1.1/24",
        "ALDER=tunnel.example",
        "ALDER=10.8.0.0/16,BIRCH=10.8.2.0/24",
        "ALDER=fd00::/64,BIRCH=fd00::/120",
    ],
)
def test_what_is_unclear_is_refused_by_the_settings_name(told: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=NAME):
        Environment({NAME: told}).owned_networks(NAME)
